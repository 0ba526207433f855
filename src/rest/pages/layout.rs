//! The HTML document around the body of every page.

use askama::Template;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::assets;
use crate::error::{Error, Result};

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ title }}</title>
<link rel="icon" type="image/svg+xml" href="{{ root }}{{ assets }}/icon.svg">
<link rel="stylesheet" href="{{ root }}{{ assets }}/palette.css">
<link rel="stylesheet" href="{{ root }}{{ assets }}/style.css">
{{ head|safe }}
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<a class="brand" href="{{ root }}"><img src="{{ root }}{{ assets }}/icon.svg" alt="" width="24" height="24">diaflight</a>
{% if search %}
<form class="search" role="search" method="post" action="{{ root }}objects">
<label class="unseen" for="search">diaObjectIds, or a position</label>
<input id="search" type="search" name="diaObjectId" placeholder="diaObjectIds, or 53.25 -27.86" autocomplete="off" spellcheck="false" required>
<button>Find</button>
</form>
{% endif %}
<nav aria-label="Site"><a href="{{ root }}docs/">API</a></nav>
</header>
<main id="main">
{% if synthetic %}<p class="notice">The data here are <strong>synthetic</strong>: a survey made up by diaflight, not observed.</p>
{% endif %}{{ body|safe }}
</main>
<footer>
<p>diaflight {{ version }}: light curves of Rubin alerts. Times are MJD in TAI and dates in UTC, fluxes are difference fluxes in nJy, positions ICRS.</p>
</footer>
</body>
</html>
"##
)]
struct Document<'a> {
    title: &'a str,
    head: &'a str,
    root: &'a str,
    assets: &'a str,
    search: bool,
    synthetic: bool,
    body: &'a str,
    version: &'static str,
}

/// The parts of a page.
pub(crate) struct Layout<'a> {
    pub title: &'a str,
    /// HTML to add to the document's head.
    pub head: &'a str,
    /// Whether there is a search box above the body.
    pub search: bool,
    /// Whether the page shows made-up rows.
    pub synthetic: bool,
    /// The relative path from the page to the root of the server. All links are relative to it, since behind a proxy the server may be
    /// below a path that it does not know.
    pub root: &'a str,
}

impl Default for Layout<'_> {
    fn default() -> Self {
        Self { title: "diaflight", head: "", search: true, synthetic: false, root: "./" }
    }
}

impl Layout<'_> {
    /// Renders the document with a body.
    pub(crate) fn document(&self, body: &impl Template) -> Result<String> {
        let Self { title, head, search, synthetic, root } = *self;
        let body = written(body)?;
        let (assets, version) = (assets::folder(), env!("CARGO_PKG_VERSION"));
        let body = &body;
        let document = Document { title, head, root, assets, search, synthetic, body, version };
        written(&document)
    }

    /// Answers with the document.
    pub(crate) fn answer(&self, body: &impl Template) -> Result<Response> {
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
        Ok((headers, self.document(body)?).into_response())
    }
}

/// Renders a template.
pub(crate) fn written(template: &impl Template) -> Result<String> {
    template.render().map_err(|error| Error::internal(format!("writing a page: {error}")))
}
