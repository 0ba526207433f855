//! `/objects`: the target of the search box. A place redirects to the page of what is there, and one id to the page of its object. Several
//! ids give a list of the objects, which also names the ids without an object and the words that are no ids. The box sends a POST, since a
//! URL has no room for thousands of ids; up to 100 ids are redirected to a URL that can be bookmarked.

use std::collections::{HashMap, HashSet};

use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::downloads::{DownloadForm, joined};
use super::layout::Layout;
use super::loose::{number, text};
use super::position::{dms, hms};
use super::read::read;
use super::text::NOTHING;
use super::{App, ids};
use crate::error::{Error, Result};
use crate::query::{Columns, Query};
use crate::request::argument::ID;
use crate::rest::bounded::Placement;
use crate::rest::received::Sent;
use crate::schema::Table;

/// As many ids are put into a URL: every browser and proxy accepts 2,000 bytes.
const MOST_IDS_IN_URL: usize = 100;

/// A line of the list.
#[derive(Deserialize)]
struct ListedObject {
    #[serde(rename = "r:diaObjectId")]
    id: i64,
    #[serde(rename = "r:ra", default, deserialize_with = "number")]
    ra_deg: Option<f64>,
    #[serde(rename = "r:dec", default, deserialize_with = "number")]
    dec_deg: Option<f64>,
    #[serde(rename = "r:nDiaSources", default, deserialize_with = "text")]
    sources: Option<String>,
    #[serde(rename = "f:main_label_crossmatch", default, deserialize_with = "text")]
    crossmatch: Option<String>,
}

const COLUMNS: [&str; 5] =
    ["r:diaObjectId", "r:ra", "r:dec", "r:nDiaSources", "f:main_label_crossmatch"];

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<h1>{{ objects.len() }} of {{ asked }} objects</h1>
{% if !unknown.is_empty() %}<p class="notice">Not in the table objects, as of its version {{ version }}: {% for id in unknown %}<span class="numbers">{{ id }}</span>{% if !loop.last %}, {% endif %}{% endfor %}.</p>
{% endif %}{% if !not_ids.is_empty() %}<p class="notice">No diaObjectId (digits alone, up to 19 of them): {% for other in not_ids %}<code>{{ other }}</code>{% if !loop.last %}, {% endif %}{% endfor %}{% if more_not_ids.gt(&0) %} and {{ more_not_ids }} more{% endif %}.</p>
{% endif %}{% if let Some(ignored) = ignored %}<p class="notice">{{ ignored }}.</p>
{% endif %}{% if !objects.is_empty() %}<div class="wide" tabindex="0" role="region" aria-label="The objects">
<table class="stacked objects">
<thead><tr><th scope="col">diaObjectId</th><th scope="col">RA (ICRS)</th><th scope="col">Dec</th><th scope="col">Detections</th><th scope="col">Cross-match</th></tr></thead>
<tbody>
{% for object in objects %}<tr><th scope="row" class="numbers"><a href="{{ object.id }}">{{ object.id }}</a></th><td>{{ object.ra() }}</td><td>{{ object.dec() }}</td><td>{{ object.sources() }}</td><td>{{ object.crossmatch() }}</td></tr>
{% endfor %}</tbody>
</table>
</div>
<h2 id="download">Download</h2>
{{ downloads|safe }}{% endif %}"##
)]
struct ObjectList {
    asked: usize,
    objects: Vec<ListedObject>,
    downloads: DownloadForm,
    unknown: Vec<i64>,
    not_ids: Vec<String>,
    more_not_ids: usize,
    ignored: Option<String>,
    version: u64,
}

impl ListedObject {
    fn ra(&self) -> String {
        self.ra_deg.map_or(NOTHING.to_string(), hms)
    }

    fn dec(&self) -> String {
        self.dec_deg.map_or(NOTHING.to_string(), dms)
    }

    fn sources(&self) -> &str {
        self.sources.as_deref().unwrap_or(NOTHING)
    }

    fn crossmatch(&self) -> &str {
        self.crossmatch.as_deref().unwrap_or(NOTHING)
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    Extension(placement): Extension<Placement>,
    request: Request,
) -> Result<Response> {
    let is_post = request.method() == Method::POST;
    let sent = Sent::from_extensions(request.extensions());
    let typed = sent.parse(&[&ID], &app.workers, ids::from_arguments).await?.unwrap_or_default();
    if let Some(place) = &typed.place {
        return match typed.ignored.sentence("a place takes no other arguments") {
            Some(others) => Err(Error::argument(others)),
            None => Ok(Redirect::to(&place.page()).into_response()),
        };
    }
    match (&typed.ids[..], &typed.not_ids[..]) {
        ([], []) => return Ok(Redirect::to("./").into_response()),
        ([], not_ids) => return Err(ids::neither(not_ids)),
        // The list names them.
        _ if !typed.ignored.is_empty() => {}
        ([id], []) => return Ok(Redirect::to(&format!("./{id}")).into_response()),
        (ids, []) if is_post && ids.len() <= MOST_IDS_IN_URL => {
            let to = format!("objects?diaObjectId={}", joined(ids));
            return Ok(Redirect::to(&to).into_response());
        }
        _ => {}
    }
    list(&app, &placement, typed).await
}

/// The page of several objects.
async fn list(app: &App, placement: &Placement, typed: ids::Typed) -> Result<Response> {
    let ids::Typed { ids, not_ids, more_not_ids, ignored, .. } = typed;
    let columns = Columns::Named(COLUMNS.map(String::from).to_vec());
    let query = Query::newest_first(Table::Objects, ids.clone(), columns);
    let found = read::<ListedObject>(&app.engine, placement, &query).await?;
    let mut objects = found.rows;
    let places: HashMap<_, _> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    objects.sort_by_key(|object| places.get(&object.id));
    let known: Vec<_> = objects.iter().map(|object| object.id).collect();
    let there: HashSet<_> = known.iter().collect();
    let body = ObjectList {
        asked: ids.len() + not_ids.len() + more_not_ids,
        unknown: ids.iter().filter(|id| !there.contains(id)).copied().collect(),
        objects,
        downloads: DownloadForm::new(&known),
        not_ids,
        more_not_ids,
        ignored: ids::ignored(&ignored, "ids"),
        version: found.version,
    };
    let synthetic = app.engine.is_synthetic();
    Layout { title: "Objects · diaflight", synthetic, ..Layout::default() }.answer(&body)
}
