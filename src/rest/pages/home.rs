//! `/`: what this server is, a search box, the state of the tables, and how to ask from a program. Clients that do not read HTML get the
//! list of endpoints as text. It does no work, so it answers at any load.

use askama::Template;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::assets;
use super::figure::MARKS;
use super::layout::Layout;
use super::state::{self, TableState};
use super::text::{NOTHING, count, fixed, utc};
use super::{App, accepts_html};
use crate::access::Access;
use crate::error::Result;
use crate::origin::AskedAt;
use crate::rest::endpoints;
use crate::schema::Table;

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<section class="hero">
<h1>Light curves of Rubin alerts</h1>
<p class="lead">Every night the Rubin Observatory sends out alerts of what changed on the sky. Here are all measurements of an
object, by its diaObjectId or its position.</p>
<form class="search large" role="search" method="post" action="objects">
<label for="search">diaObjectId or position</label>
<input id="search" type="search" name="diaObjectId" placeholder="ids, or 53.25 -27.86" autocomplete="off" spellcheck="false" required autofocus>
<button>Find</button>
</form>
{% if !examples.is_empty() %}<p class="examples">For example {% for id in examples %}<a class="numbers" href="{{ id }}">{{ id }}</a>{% if !loop.last %}, {% endif %}{% endfor %}</p>
{% endif %}<p class="examples">A position is right ascension and declination (ICRS): <code>53.25 -27.86</code>, <code>03h33m00.33s -27d51m39.74s</code>,
<code>03:33:00.33 -27:51:39.74</code> or <code>03 33 00.33 -27 51 39.74</code>. What lies within 60″ is found; <code>r=30</code> behind it makes it 30″.</p>
</section>
{% if shows_new %}{{ MARKS|safe }}<section id="newest" class="scripted" aria-labelledby="new" data-stream="{{ NEW_ALERTS }}" hidden><h2 id="new">New alerts</h2>
<table class="stacked newest">
<thead><tr><th scope="col">diaObjectId</th><th scope="col">Band</th><th scope="col">psfFlux, nJy</th><th scope="col">Date (UTC)</th></tr></thead>
<tbody></tbody>
</table>
<template><tr><th scope="row" class="numbers"><a></a></th><td><svg class="mark" aria-hidden="true"><use></use></svg></td><td></td><td></td></tr></template>
<p class="hint">As they come. The list waits while you point at it.</p></section>
{% endif %}<section aria-labelledby="state"><h2 id="state">What is here</h2>
<dl class="state">
{% for table in tables %}<div><dt>{{ table.what }}</dt><dd class="figure numbers">{{ table.rows }}</dd><dd class="hint">{{ table.from }}</dd></div>
{% endfor %}<div><dt>Newest measurement</dt><dd class="figure numbers">{{ newest }}</dd><dd class="hint">{{ newest_time }}</dd></div>
</dl></section>
<section aria-labelledby="programs"><h2 id="programs">From a program</h2>
<ul class="links">
<li><a href="docs/">API documentation</a>: every argument, example and error; <a href="openapi.json">openapi.json</a></li>
<li><a href="api/v1/schema?endpoint=/api/v1/sources">The columns</a> with their units and descriptions</li>
<li>Arrow Flight and Flight SQL on the same port, for bulk reads and <code>SELECT</code></li>
<li><a href="health/ready">Health</a>, for operators</li>
</ul>
<pre tabindex="0" role="region" aria-label="A request with curl"><code>curl '{{ origin }}/api/v1/sources?diaObjectId={{ example }}&amp;output-format=csv'</code></pre>
<pre tabindex="0" role="region" aria-label="A request with pandas"><code>import pandas

light_curve = pandas.read_parquet(
    "{{ origin }}/api/v1/sources?diaObjectId={{ example }}&amp;output-format=parquet"
)</code></pre>
</section>
"##
)]
struct Home {
    examples: Vec<i64>,
    /// Whether scripts may list new alerts as they come: the stream of all of them needs the server's token, if it has one.
    shows_new: bool,
    /// The origin for the requests.
    example: String,
    tables: [Shown; 3],
    newest: String,
    newest_time: String,
    origin: String,
}

/// The state of a table, as text.
struct Shown {
    what: &'static str,
    rows: String,
    from: String,
}

/// What the list of new alerts is made of.
const NEW_ALERTS: &str =
    "api/v1/stream?columns=r:diaObjectId,r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr,v:dateUtc";

const TABLES: [(Table, &str); 3] = [
    (Table::Objects, "Objects"),
    (Table::Sources, "Detections"),
    (Table::Fp, "Forced measurements"),
];

pub(crate) async fn page(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    asked_at: AskedAt,
) -> Result<Response> {
    if !accepts_html(&headers) {
        return Ok(endpoints::list(&app.origins.origin(&asked_at)).into_response());
    }
    let tables = state::tables(&app.engine);
    let of = |table| tables.iter().find(|state: &&TableState| state.table == table);
    let newest = of(Table::Sources).and_then(|sources| sources.newest_mjd_tai);
    let date = newest.map(utc);
    let (night, time) = date.as_deref().and_then(|date| date.split_once(' ')).unzip();
    // The page is complete without examples.
    let examples = app.engine.some_objects(Table::Sources, 3).await.unwrap_or_default();
    let shows_new = access.check().is_ok() && state::tells_of_new(&app.engine);
    let script = format!(r#"<script type="module" src="{}/newest.js"></script>"#, assets::folder());
    let body = Home {
        example: examples.first().map_or("313897383979122767".to_string(), i64::to_string),
        examples,
        shows_new,
        tables: TABLES.map(|(table, what)| Shown::new(table, what, of(table))),
        newest: night.unwrap_or(NOTHING).to_string(),
        newest_time: format!("{} UTC, MJD {}", time.unwrap_or(NOTHING), fixed(newest, 5)),
        origin: app.origins.origin(&asked_at).http(),
    };
    let layout = Layout {
        title: "diaflight: light curves of Rubin alerts",
        head: if shows_new { &script } else { "" },
        search: false,
        synthetic: app.engine.is_synthetic(),
        ..Layout::default()
    };
    layout.answer(&body)
}

impl Shown {
    fn new(table: Table, what: &'static str, state: Option<&TableState>) -> Self {
        let name = table.name();
        let Some(TableState { rows, version, .. }) = state else {
            let from = format!("the table {name} does not exist yet");
            return Self { what, rows: NOTHING.to_string(), from };
        };
        let rows = rows.map_or_else(|| NOTHING.to_string(), count);
        Self { what, rows, from: format!("{name}, version {version}") }
    }
}
