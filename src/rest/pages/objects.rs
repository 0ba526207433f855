//! `/objects?diaObjectId=...`: where the search box leads. In: what was typed. Out: the page of the one object, or a list of
//! several, and what is not there.

use askama::Template;
use axum::extract::{Extension, Query as QueryString, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::layout::Layout;
use super::loose::{number, text};
use super::position::{dms, hms};
use super::read::read;
use super::text::NOTHING;
use super::{App, ids};
use crate::encode::Format;
use crate::error::Result;
use crate::query::{Columns, Query};
use crate::rest::bounded::Placement;
use crate::schema::Table;

#[derive(Deserialize)]
pub struct Search {
    #[serde(rename = "diaObjectId", default)]
    text: String,
}

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
{% endif %}{% if !others.is_empty() %}<p class="notice">No diaObjectId (digits alone, up to 19 of them): {% for other in others %}<code>{{ other }}</code>{% if !loop.last %}, {% endif %}{% endfor %}.</p>
{% endif %}{% if !objects.is_empty() %}<div class="wide" tabindex="0" role="region" aria-label="The objects">
<table class="stacked objects">
<thead><tr><th scope="col">diaObjectId</th><th scope="col">RA (ICRS)</th><th scope="col">Dec</th><th scope="col">Detections</th><th scope="col">Cross-match</th></tr></thead>
<tbody>
{% for object in objects %}<tr><th scope="row" class="numbers"><a href="{{ object.id }}">{{ object.id }}</a></th><td>{{ object.ra() }}</td><td>{{ object.dec() }}</td><td>{{ object.sources() }}</td><td>{{ object.crossmatch() }}</td></tr>
{% endfor %}</tbody>
</table>
</div>
<h2 id="download">Download</h2>
<dl class="downloads">
{% for table in Table::ALL %}<div><dt>{{ table.name() }}</dt><dd>
{% for format in Format::ALL %}<a href="api/v1/{{ table.name() }}?diaObjectId={{ ids }}&amp;output-format={{ format.name() }}" download="{{ table.name() }}.{{ format.extension() }}">{{ format.name() }}</a>
{% endfor %}</dd></div>
{% endfor %}</dl>
{% endif %}"##
)]
struct ObjectList {
    asked: usize,
    objects: Vec<ListedObject>,
    /// Those found, separated by commas.
    ids: String,
    unknown: Vec<i64>,
    others: Vec<String>,
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

pub async fn page(
    State(app): State<App>,
    Extension(placement): Extension<Placement>,
    QueryString(search): QueryString<Search>,
) -> Result<Response> {
    let ids::Typed { ids, others } = ids::typed(&search.text);
    match (&ids[..], &others[..]) {
        ([], []) => return Ok(Redirect::to("./").into_response()),
        ([], [first, ..]) => return Err(ids::malformed(first)),
        ([id], []) => return Ok(Redirect::to(&format!("./{id}")).into_response()),
        _ => {}
    }
    let columns = Columns::Named(COLUMNS.map(String::from).to_vec());
    let query = Query::newest_first(Table::Objects, ids.clone(), columns);
    let found = read::<ListedObject>(&app.engine, &placement, &query).await?;
    let (asked, mut objects) = (ids.len() + others.len(), found.rows);
    let place = |id: &i64| ids.iter().position(|typed| typed == id);
    objects.sort_by_key(|object| place(&object.id));
    let known: Vec<String> = objects.iter().map(|object| object.id.to_string()).collect();
    let unknown = ids.iter().copied().filter(|id| objects.iter().all(|object| object.id != *id));
    let body = ObjectList {
        asked,
        unknown: unknown.collect(),
        objects,
        ids: known.join(","),
        others,
        version: found.version,
    };
    let synthetic = app.engine.is_synthetic();
    Layout { title: "Objects · diaflight", synthetic, ..Layout::default() }.answer(&body)
}
