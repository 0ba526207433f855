//! The pages for people with a browser. A page is complete without scripts; scripts, styles and the plot library add to it, and all come
//! from this program.
//!
//! A page is a [`layout::Layout`] around a body; each part of a body is a template beside the code that fills it.

mod assets;
mod bands;
mod cone;
mod docs;
mod downloads;
mod error;
mod field;
mod figure;
mod found;
mod home;
mod ids;
mod labels;
mod layout;
mod loose;
mod measurement;
mod measurements;
mod neighbours;
mod object;
mod objects;
mod palette;
mod position;
mod read;
mod requests;
mod series;
mod state;
mod summary;
mod tally;
mod text;
mod typed_place;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::endpoint::{EndpointState, Returns};
use super::endpoints::ENDPOINTS;
use super::failure::ErrorPage;
use super::{App, bounded, layers, received};
use crate::origin::Moved;

/// Everything comes from this server. Inline styles are allowed since plotly sets them.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (VARY, HeaderValue::from_static("accept")),
];

/// The routes of the pages. Those that read tables are within the limits, as other lookups are.
pub(crate) fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/objects", get(objects::page).post(objects::page))
        .route("/cone", get(cone::page))
        .route("/{diaObjectId}", get(object::page))
        .merge(downloads(app))
        .route_layer(from_fn_with_state(app.bounded(), bounded::limit))
        .route_layer(from_fn_with_state(app.limits.clone(), received::whole_form))
        .route("/", get(home::page))
        .route("/docs", get(docs::with_slash))
        .route("/docs/", get(docs::page))
        .route("/docs/{name}", get(docs::file))
        .route_layer(from_fn(for_people))
        .route("/assets/{version}/{name}", get(assets::asset))
}

/// The rows of listed objects, for the buttons of the list: a browser sends a form, and the API takes JSON alone.
fn downloads(app: &App) -> Router<App> {
    let of_rows = ENDPOINTS.iter().filter(|endpoint| matches!(endpoint.returns, Returns::Rows));
    let downloads = of_rows.fold(Router::new(), |router, endpoint| {
        let served = EndpointState { app: app.clone(), endpoint };
        let path = format!("/objects/{}", endpoint.name());
        router.route(&path, (endpoint.methods)().with_state(served))
    });
    downloads.route_layer(layers::compression_of_large())
}

/// Middleware: gives every answer the headers of a page, and makes errors pages for clients that read HTML. These are sent to the one path
/// of a page, where its links work.
async fn for_people(request: Request, next: Next) -> Response {
    let html = accepts_html(request.headers());
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let mut response = match request.extensions().get().filter(|_| html && reads) {
        Some(Moved(path)) => Redirect::permanent(path).into_response(),
        None => next.run(request).await,
    };
    response.headers_mut().extend(HEADERS);
    if html {
        response.extensions_mut().insert(ErrorPage(error::page));
    }
    response
}

/// Whether a client says that it reads HTML, as browsers do and programs do not. `*/*` does not count.
fn accepts_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = values.flat_map(|value| value.split(','));
    types.any(|value| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("text/html")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_read_html_and_programs_do_not() {
        let accepts = |value: &'static str| {
            accepts_html(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))]))
        };
        for value in
            ["text/html", "text/html,application/xml;q=0.9,*/*;q=0.8", "image/png, TEXT/HTML;q=0.5"]
        {
            assert!(accepts(value), "{value}");
        }
        for value in ["*/*", "application/json", "", "text/htmlx"] {
            assert!(!accepts(value), "{value}");
        }
        assert!(!accepts_html(&HeaderMap::new()));
    }
}
