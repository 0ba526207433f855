//! `/cone?ra=..&dec=..&radius=..`: the page of a search by place, with a list of the objects, a chart of the field, and downloads.

use askama::Template;
use axum::extract::{Extension, RawQuery, State};
use axum::response::Response;

use super::downloads::DownloadForm;
use super::field::FieldFigure;
use super::figure::MARKS;
use super::found::{self, FoundTable};
use super::layout::Layout;
use super::position::{Position, degrees};
use super::text::{arcsec, count, counted};
use super::{App, ids};
use crate::encode::Format;
use crate::error::Result;
use crate::failure;
use crate::query::Circle;
use crate::request::ConeRequest;
use crate::request::arguments::{self, Body};
use crate::rest::bounded::Placement;
use crate::rest::cone::find;

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"{{ MARKS|safe }}
<h1>{{ found }} within {{ radius }}″ <span class="kind numbers">of {{ centre }}</span></h1>
{% if let Some(ignored) = ignored %}<p class="notice">{{ ignored }}.</p>
{% endif %}{% if !missing.is_empty() %}<p class="notice">Not in the tables, and so not shown: {{ missing.join(", ") }}.</p>
{% endif %}{% if let Some(cut) = cut %}<p class="notice">{{ cut }}.</p>
{% endif %}<div class="columns">
<section aria-label="The circle"><dl class="facts">
{{ place|safe }}</dl>
<form class="search radius" action="cone">
<input type="hidden" name="ra" value="{{ circle.ra_deg }}"><input type="hidden" name="dec" value="{{ circle.dec_deg }}">
<label for="radius">Radius, arcsec</label>
<input id="radius" type="number" name="radius" value="{{ radius }}" min="0" max="18000" step="any" required>
<button>Search</button>
</form>
<p class="hint">An object is where its newest detection is. What is on the rim of the circle is within it.</p></section>
{% if !table.rows.is_empty() %}{{ figure|safe }}{% endif %}</div>
{% if !table.rows.is_empty() %}<h2 id="list">Objects</h2>
{{ table|safe }}<h2 id="download">Download</h2>
<dl class="downloads">
<div><dt>This search</dt><dd>
{% for format in Format::ALL %}<a href="api/v1/conesearch?ra={{ circle.ra_deg }}&amp;dec={{ circle.dec_deg }}&amp;radius={{ radius }}&amp;n={{ ConeRequest::MOST_OBJECTS }}&amp;output-format={{ format.name() }}" download="conesearch.{{ format.extension() }}">{{ format.name() }}</a>
{% endfor %}</dd></div>
</dl>
<p class="hint">All columns of the newest detection of each object, with what the table objects says besides. Of the objects in the list:</p>
{{ downloads|safe }}{% endif %}"##
)]
struct ConePage {
    circle: Circle,
    found: String,
    radius: String,
    centre: String,
    ignored: Option<String>,
    missing: Vec<String>,
    cut: Option<String>,
    place: Position,
    figure: FieldFigure,
    table: FoundTable,
    downloads: DownloadForm,
}

pub(crate) async fn page(
    State(app): State<App>,
    Extension(placement): Extension<Placement>,
    RawQuery(arguments): RawQuery,
) -> Result<Response> {
    let names: Vec<_> = ConeRequest::OF_CIRCLE.iter().map(|argument| argument.name).collect();
    let arguments = arguments.as_deref().unwrap_or_default();
    let request = ConeRequest::parse(arguments::read(Body::Json(b""), arguments, &names)?)?;
    let ConeRequest { query, ignored_arguments, .. } = request;
    let query = found::query(query.circle, query.most);
    let circle = query.circle;
    let found = find(&app.engine, &query, &placement).await.map_err(failure::from_reading)?;
    let total = found.total;
    let (rows, missing) = found::read(&app.engine, &placement, &circle, found).await?;
    let listed: Vec<_> = rows.iter().map(|row| row.id).collect();
    let body = ConePage {
        found: counted(total as u64, "object"),
        radius: arcsec(circle.radius_deg),
        centre: degrees(circle.ra_deg, circle.dec_deg),
        ignored: ids::ignored(&ignored_arguments, "ra, dec and radius"),
        missing,
        cut: cut(listed.len(), total),
        place: Position::from_degrees(circle.ra_deg, circle.dec_deg),
        figure: FieldFigure::new(&circle, &rows),
        table: FoundTable { name: "The objects", rows },
        downloads: DownloadForm::new(&listed),
        circle,
    };
    let (synthetic, title) = (app.engine.is_synthetic(), format!("{} · diaflight", body.centre));
    Layout { title: &title, synthetic, ..Layout::default() }.answer(&body)
}

/// Where the page is found of what is in a circle.
pub(crate) fn path(circle: &Circle) -> String {
    let Circle { ra_deg, dec_deg, radius_deg } = circle;
    format!("cone?ra={ra_deg}&dec={dec_deg}&radius={}", arcsec(*radius_deg))
}

/// What is said where the list has not all objects.
fn cut(listed: usize, total: usize) -> Option<String> {
    let most = ConeRequest::MOST_OBJECTS;
    let rest = match total {
        ..=ConeRequest::MOST_OBJECTS => "the download of this search has all".to_string(),
        _ => {
            format!("the download of this search has {}: give a smaller radius", count(most as u64))
        }
    };
    let [listed, all] = [listed, total].map(|number| number as u64);
    (listed < all).then(|| {
        format!(
            "{} of {} objects are listed and drawn, the nearest; {rest}",
            count(listed),
            count(all)
        )
    })
}
