//! `/docs/`: the endpoints and a form to try each, for people. Swagger UI shows `openapi.json`; its two files are served from here.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::{Config, serve};

use super::assets;
use super::layout::{Layout, written};
use crate::error::{Error, Kind, Result};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>The API</h1>
<noscript><p>The form to try requests needs scripts; <a href="../openapi.json">openapi.json</a> has all that it shows.</p></noscript>
<div id="swagger-ui" class="scripted" data-document="../openapi.json"></div>
"#
)]
struct Docs;

/// Elements of the document's head. The page's own style overrides Swagger UI's.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<link rel="stylesheet" href="swagger-ui.css">
<link rel="stylesheet" href="../{{ assets }}/docs.css">
<script src="swagger-ui-bundle.js" defer></script>
<script type="module" src="../{{ assets }}/docs.js"></script>
"#
)]
struct DocsHead {
    assets: &'static str,
}

pub(crate) async fn page() -> Result<Response> {
    let head = written(&DocsHead { assets: assets::folder() })?;
    let layout =
        Layout { title: "API · diaflight", head: &head, root: "../", ..Layout::default() };
    layout.answer(&Docs)
}

/// Redirects to the path with a slash, relatively: the server may be below a path that it does not know.
pub(crate) async fn with_slash() -> Redirect {
    Redirect::to("docs/")
}

const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

pub(crate) async fn file(Path(name): Path<String>) -> Result<Response> {
    let known = FILES.contains(&&name[..]);
    let file = known.then(|| serve(&name, Arc::new(Config::default()))).transpose();
    let file = file.map_err(|error| Error::internal(format!("reading {name}: {error}")))?;
    let file = file.flatten().ok_or_else(|| Error::new(Kind::NotFound, "there is no such file"))?;
    let headers = [(CONTENT_TYPE, file.content_type), (CACHE_CONTROL, "no-cache".to_string())];
    Ok((headers, file.bytes.into_owned()).into_response())
}
