//! `/{diaObjectId}`: the page of one object, with its light curve, its summary, its measurements, and requests for them.

use askama::Template;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Map, Value};

use super::bands::{Bands, bands};
use super::figure::{Figure, FigureData, MARKS, ObjectHead};
use super::labels::{Labels, labels};
use super::layout::{Layout, written};
use super::measurements::Measurements;
use super::neighbours::Neighbours;
use super::read::read;
use super::requests::Requests;
use super::series::Series;
use super::summary::SummaryList;
use super::{App, assets, ids, state};
use crate::error::Result;
use crate::origin::AskedAt;
use crate::query::{Columns, Query};
use crate::request::arguments::{self, Body};
use crate::request::query::id;
use crate::rest::bounded::Placement;
use crate::schema::Table;

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"{{ MARKS|safe }}
<h1><span class="kind">diaObject</span> <span class="numbers">{{ id }}</span></h1>
{% if let Some(ignored) = ignored %}<p class="notice">{{ ignored }}.</p>
{% endif %}{% if !missing.is_empty() %}<p class="notice">Not in the tables, and so not shown: {{ missing.join(", ") }}.</p>
{% endif %}{% if has_no_row %}<p class="notice">The table objects has no row of it, as of its version {{ version }}.</p>
{% endif %}{{ figure|safe }}
<div class="columns">
<section aria-labelledby="summary"><h2 id="summary">Summary</h2>
{{ summary|safe }}</section>
{% if !labels.labels.is_empty() %}<section aria-labelledby="labels"><h2 id="labels">Fink's labels</h2>
{{ labels|safe }}</section>
{% endif %}</div>
<h2 id="bands">Bands</h2>
{{ bands|safe }}
{% if let Some(neighbours) = neighbours %}{{ neighbours|safe }}{% endif %}{{ requests|safe }}
<h2 id="measurements">Measurements</h2>
{% for table in tables %}{{ table|safe }}{% endfor %}
"##
)]
struct ObjectPage<'a> {
    id: i64,
    ignored: Option<String>,
    missing: Vec<String>,
    /// The table of objects has no row of it.
    has_no_row: bool,
    version: u64,
    figure: Figure<'a>,
    summary: SummaryList,
    labels: Labels,
    bands: Bands<'a>,
    /// What lies near it, if it is known where it is.
    neighbours: Option<Neighbours>,
    requests: Requests,
    tables: [Measurements<'a>; 2],
}

pub(crate) async fn page(
    State(app): State<App>,
    Extension(placement): Extension<Placement>,
    Path(text): Path<String>,
    RawQuery(arguments): RawQuery,
    asked_at: AskedAt,
) -> Result<Response> {
    let id = id(&text).ok_or_else(|| ids::malformed(&text))?;
    let (_, ignored) =
        arguments::read(Body::Json(b""), arguments.as_deref().unwrap_or_default(), &[])?
            .into_names();
    let object = Query::newest_first(Table::Objects, vec![id], Columns::All);
    let (object, detections, forced, neighbours) = tokio::try_join!(
        read::<Map<String, Value>>(&app.engine, &placement, &object),
        Series::detections(&app.engine, &placement, id),
        Series::forced(&app.engine, &placement, id),
        Neighbours::read(&app.engine, &placement, id),
    )?;
    let row = object.rows.first();
    if row.is_none() && detections.all.count == 0 && forced.all.count == 0 {
        return Err(ids::unknown(id, object.version));
    }
    let empty = Map::new();
    let bands = bands(&detections, &forced);
    let follows = state::tells_of_new(&app.engine);
    let (data, assets) = (FigureData::new(id, detections.tagged), assets::folder());
    let body = ObjectPage {
        id,
        ignored: ids::ignored(&ignored, "ids"),
        has_no_row: row.is_none(),
        version: object.version,
        missing: [&detections.missing[..], &forced.missing].concat(),
        figure: Figure { id, data: &data, assets, bands: &bands, follows },
        summary: SummaryList::new(row.unwrap_or(&empty), &detections, &forced),
        labels: Labels { labels: labels(row.unwrap_or(&empty), &object.schema) },
        bands: Bands { bands: &bands },
        neighbours,
        requests: Requests::new(id, &app.origins.origin(&asked_at)),
        tables: [
            Measurements { name: "Detections", series: &detections, open: true },
            Measurements { name: "Forced photometry", series: &forced, open: false },
        ],
    };
    let head = written(&ObjectHead { data: &data, assets })?;
    let synthetic = app.engine.is_synthetic();
    let title = format!("{id} · diaflight");
    Layout { title: &title, head: &head, synthetic, ..Layout::default() }.answer(&body)
}
