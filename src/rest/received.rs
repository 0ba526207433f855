//! Reads the query string and the body of a request, JSON or a form, into [`Arguments`].

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;

use crate::error::{Error, Kind, Result};
use crate::incoming::{self, Whole};
use crate::limits::{Client, Limits, MAX_MAP_BYTES};
use crate::request::argument::Argument;
use crate::request::arguments::{self, Arguments};
use crate::request::{CrossmatchRequest, SkymapRequest};
use crate::telemetry::noted;
use crate::workers::Workers;

/// A larger body is parsed on the workers. One of this size takes some hundred microseconds on a serving thread.
const PARSED_HERE_BYTES: usize = 32 << 10;

/// What a body of another media type is told.
pub(crate) const NOT_JSON: &str =
    "a body must be JSON and say so: send the header `Content-Type: application/json`";

const NO_TABLE: &str = "a body must be JSON or a table and say so: send the header `Content-Type: application/json`, `text/csv` or \
                        `application/x-votable+xml`";

const NO_MAP: &str = "a body must be JSON or a FITS file and say so: send the header `Content-Type: application/json` or `application/fits`";

const NOT_FORM: &str = "a body must be a form and say so: send the header `Content-Type: application/x-www-form-urlencoded`";

/// What a client sent, not parsed yet.
#[derive(Default)]
pub(crate) struct Sent {
    method: Method,
    query: String,
    media_type: MediaType,
    body: Whole,
}

/// The media type of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum MediaType {
    #[default]
    Json,
    Form,
    Csv,
    Votable,
    Fits,
}

/// Middleware: receives the whole request before any work is done for it, and puts it into the extensions for [`Sent::from_extensions`]. A
/// body must be JSON; that of a crossmatch may be a table, and that of a search in a region a FITS file.
pub(crate) async fn whole(
    State(limits): State<Limits>,
    request: Request,
    next: Next,
) -> Result<Response> {
    let taken: &[MediaType] = match request.uri().path() {
        CrossmatchRequest::PATH => &[MediaType::Json, MediaType::Csv, MediaType::Votable],
        SkymapRequest::PATH => &[MediaType::Json, MediaType::Fits],
        _ => &[MediaType::Json],
    };
    receive(limits, taken, request, next).await
}

/// The same for a page, whose body is a form.
pub(crate) async fn whole_form(
    State(limits): State<Limits>,
    request: Request,
    next: Next,
) -> Result<Response> {
    receive(limits, &[MediaType::Json, MediaType::Form], request, next).await
}

async fn receive(
    limits: Limits,
    taken: &[MediaType],
    request: Request,
    next: Next,
) -> Result<Response> {
    if ![Method::GET, Method::HEAD, Method::POST].contains(request.method()) {
        return Ok(next.run(request).await); // refused by the route
    }
    let limits = limits.for_caller(Client::from_extensions(request.extensions()));
    let most = match taken.contains(&MediaType::Fits) {
        true => limits.options.max_body_bytes.max(MAX_MAP_BYTES),
        false => limits.options.max_body_bytes,
    };
    let (mut parts, body) = incoming::receive_at_most(most, request, &limits).await?;
    let query = parts.uri.query().unwrap_or_default().to_string();
    let media_type = MediaType::from_headers(&parts.headers, &body.bytes)?;
    let Some(media_type) = media_type.filter(|media_type| taken.contains(media_type)) else {
        let text = match taken {
            _ if taken.contains(&MediaType::Form) => NOT_FORM,
            _ if taken.contains(&MediaType::Csv) => NO_TABLE,
            _ if taken.contains(&MediaType::Fits) => NO_MAP,
            _ => NOT_JSON,
        };
        return Err(Error::new(Kind::MediaType, text));
    };
    if media_type != MediaType::Fits {
        noted(&body.bytes);
    }
    let sent = Sent { method: parts.method.clone(), query, media_type, body };
    parts.extensions.insert(Arc::new(sent));
    Ok(next.run(Request::from_parts(parts, Body::empty())).await)
}

impl MediaType {
    /// The media type that a body has by its headers; `None` for any other. A body in a content coding is an error.
    fn from_headers(headers: &HeaderMap, body: &[u8]) -> Result<Option<Self>> {
        if body.is_empty() {
            return Ok(Some(Self::Json));
        }
        if let Some(coding) = headers.get(CONTENT_ENCODING).filter(|coding| *coding != "identity") {
            let coding = coding.to_str().unwrap_or("unknown");
            let text =
                format!("a body must be sent as it is, without `Content-Encoding: {coding:.40}`");
            return Err(Error::new(Kind::MediaType, text));
        }
        let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
        Ok(match essence.trim().to_ascii_lowercase().as_str() {
            "application/json" => Some(Self::Json),
            "application/x-www-form-urlencoded" => Some(Self::Form),
            "text/csv" => Some(Self::Csv),
            "application/x-votable+xml" | "text/xml" | "application/xml" => Some(Self::Votable),
            "application/fits" | "image/fits" | "application/gzip" | "application/x-gzip" => {
                Some(Self::Fits)
            }
            other if other.starts_with("application/") && other.ends_with("+json") => {
                Some(Self::Json)
            }
            _ => None,
        })
    }
}

impl Sent {
    /// What the middleware has put into the extensions.
    pub(crate) fn from_extensions(extensions: &Extensions) -> Arc<Self> {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Parses the arguments; `None` for a GET without any. A large body is parsed on `workers`.
    pub(crate) async fn parse<T: Send + 'static>(
        self: Arc<Self>,
        known: &[&'static Argument],
        workers: &Workers,
        parse: impl FnOnce(Arguments<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        match self.body.bytes.len() > PARSED_HERE_BYTES {
            true => self.parse_on_workers(known, workers, parse).await,
            false => self.parsed(known, parse),
        }
    }

    /// The same on `workers`, however short the request is.
    pub(crate) async fn parse_on_workers<T: Send + 'static>(
        self: Arc<Self>,
        known: &[&'static Argument],
        workers: &Workers,
        parse: impl FnOnce(Arguments<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let known = known.to_vec();
        workers.run(async move { self.parsed(&known, parse) }).await
    }

    fn parsed<T>(
        &self,
        known: &[&'static Argument],
        parse: impl FnOnce(Arguments<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let names: Vec<_> = known.iter().map(|argument| argument.name).collect();
        let body = match self.media_type {
            MediaType::Json => arguments::Body::Json(&self.body.bytes),
            MediaType::Form => arguments::Body::Form(&self.body.bytes),
            MediaType::Csv => arguments::Body::Csv(&self.body.bytes),
            MediaType::Votable => arguments::Body::Votable(&self.body.bytes),
            MediaType::Fits => arguments::Body::Fits(&self.body.bytes),
        };
        let arguments = arguments::read(body, &self.query, &names)?;
        if arguments.is_empty() && self.method != Method::POST {
            return Ok(None);
        }
        parse(arguments).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[tokio::test]
    async fn a_get_without_arguments_asks_what_the_endpoint_is() {
        let parsed = async |method| {
            let sent = Arc::new(Sent { method, ..Sent::default() });
            sent.parse(&[], &Workers::current(), |_| Ok(())).await.unwrap()
        };
        assert_eq!(parsed(Method::GET).await, None);
        assert_eq!(parsed(Method::POST).await, Some(()));
    }

    fn media_type(name: HeaderName, value: &str, body: &str) -> Result<Option<MediaType>> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        headers.insert(name, value.parse().unwrap());
        MediaType::from_headers(&headers, body.as_bytes())
    }

    #[test]
    fn a_compressed_body_is_refused_by_its_coding() {
        for coding in ["gzip", "zstd, gzip"] {
            let error = media_type(CONTENT_ENCODING, coding, "{}").unwrap_err();
            assert_eq!(error.kind(), Kind::MediaType);
            assert!(error.to_string().contains(coding), "{error}");
        }
        assert_eq!(media_type(CONTENT_ENCODING, "identity", "{}").unwrap(), Some(MediaType::Json));
    }

    #[test]
    fn a_body_must_say_what_it_is() {
        for (content_type, body, expected) in [
            ("application/json", "{}", Some(MediaType::Json)),
            ("Application/JSON; charset=utf-8", "{}", Some(MediaType::Json)),
            ("application/ld+json", "{}", Some(MediaType::Json)),
            ("application/x-www-form-urlencoded", "diaObjectId=1", Some(MediaType::Form)),
            ("text/plain", "{}", None),
            ("", "{}", None),
            ("text/plain", "", Some(MediaType::Json)),
        ] {
            assert_eq!(
                media_type(CONTENT_TYPE, content_type, body).unwrap(),
                expected,
                "{content_type}"
            );
        }
    }
}
