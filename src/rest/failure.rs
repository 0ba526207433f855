//! Errors as clients see them, whichever layer they come from: `{"status": "error", "text": "..."}`, or a page with that text. Details of
//! what the server has to mend go to the log, under the request id that the client is told.

use std::any::Any;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tower_http::request_id::RequestId;

use crate::error::Error;
use crate::failure;

/// An answer with the status of the error. [`describe`] writes its body from the error, which is among the extensions.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.kind().http_status());
        let mut response = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Writes the page of an error from its status and text. A route puts this into the extensions of an answer for clients that read HTML.
#[derive(Clone, Copy)]
pub(crate) struct ErrorPage(pub fn(StatusCode, &str) -> String);

/// The answer for a panic: a 500.
pub(crate) fn from_panic(panic: Box<dyn Any + Send>) -> Response {
    failure::from_panic(panic).into_response()
}

/// The id under which the log has a request.
pub(super) fn request_id(request: &Request) -> String {
    let id = request.extensions().get::<RequestId>().map(RequestId::header_value);
    id.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned()).unwrap_or_default()
}

/// Middleware: gives every error answer its body.
pub(crate) async fn describe(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let (method, path) = (request.method().clone(), request.uri().path().to_string());
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let text = match parts.extensions.remove::<Arc<Error>>() {
        Some(error) => {
            let seconds = failure::retry_after_s(error.kind()).map(HeaderValue::from);
            parts.headers.extend(seconds.map(|seconds| (RETRY_AFTER, seconds)));
            failure::text(&error, &id)
        }
        None => text_of_status(status, &method, &path),
    };
    let (content_type, body) = match parts.extensions.remove::<ErrorPage>() {
        Some(ErrorPage(write)) => ("text/html; charset=utf-8", write(status, &text)),
        None => ("application/json", json!({"status": "error", "text": text}).to_string()),
    };
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Response::from_parts(parts, Body::from(body))
}

/// The text for an error of the router itself. The router adds the `Allow` header of a 405 later.
fn text_of_status(status: StatusCode, method: &Method, path: &str) -> String {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            format!("{path} does not support the method {method}; the Allow header lists those it does")
        }
        StatusCode::PRECONDITION_FAILED => {
            "If-Match does not match the current answer; the tag of a compressed answer (W/\"...\") never matches: ask for the first \
             part with `Accept-Encoding: identity`"
                .to_string()
        }
        _ => status.canonical_reason().unwrap_or("the request was refused").to_lowercase(),
    }
}
