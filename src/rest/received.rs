//! Reads the query string and the body of a request, JSON or a form, into [`Arguments`].

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;

use crate::error::{Error, Kind, Result};
use crate::incoming::{self, Whole};
use crate::limits::{Client, Limits};
use crate::request::argument::Argument;
use crate::request::arguments::{self, Arguments, Body};
use crate::workers::Workers;

/// A larger body is parsed on the workers. One of this size takes some hundred microseconds on a serving thread.
const PARSED_HERE_BYTES: usize = 32 << 10;

/// What a body of another media type is told.
pub(crate) const MEDIA_TYPES: &str = "a body must be JSON, and say so: send the header `Content-Type: application/json`; or a form, as in a query \
    string: `application/x-www-form-urlencoded`";

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
}

/// Middleware: receives the whole request before any work is done for it, and puts it into the extensions for [`Sent::from_extensions`].
pub(crate) async fn whole(
    State(limits): State<Limits>,
    request: Request,
    next: Next,
) -> Result<Response> {
    if ![Method::GET, Method::HEAD, Method::POST].contains(request.method()) {
        return Ok(next.run(request).await); // refused by the route
    }
    let limits = limits.for_caller(Client::from_extensions(request.extensions()));
    let (mut parts, body) = incoming::receive(request, &limits).await?;
    let query = parts.uri.query().unwrap_or_default().to_string();
    let media_type = MediaType::from_headers(&parts.headers, &body.bytes)?;
    let sent = Sent { method: parts.method.clone(), query, media_type, body };
    parts.extensions.insert(Arc::new(sent));
    Ok(next.run(Request::from_parts(parts, axum::body::Body::empty())).await)
}

impl MediaType {
    /// The media type that a body has by its headers; an error for any other, and for a body in a content coding.
    fn from_headers(headers: &HeaderMap, body: &[u8]) -> Result<Self> {
        if body.is_empty() {
            return Ok(Self::Json);
        }
        if let Some(coding) = headers.get(CONTENT_ENCODING).filter(|coding| *coding != "identity") {
            let coding = coding.to_str().unwrap_or("unknown");
            let text =
                format!("a body must be sent as it is, without `Content-Encoding: {coding:.40}`");
            return Err(Error::new(Kind::MediaType, text));
        }
        let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
        match essence.trim().to_ascii_lowercase().as_str() {
            "application/json" => Ok(Self::Json),
            other if other.starts_with("application/") && other.ends_with("+json") => {
                Ok(Self::Json)
            }
            // curl sends JSON as a form unless it is told otherwise.
            "application/x-www-form-urlencoded" if !body.trim_ascii_start().starts_with(b"{") => {
                Ok(Self::Form)
            }
            _ => Err(Error::new(Kind::MediaType, MEDIA_TYPES)),
        }
    }
}

impl Sent {
    /// What [`whole`] left.
    pub fn from_extensions(extensions: &Extensions) -> Arc<Self> {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Parses the arguments; `None` for a GET without any. A large body is parsed on `workers`.
    pub(crate) async fn parse<T: Send + 'static>(
        self: Arc<Self>,
        known: &[&'static Argument],
        workers: &Workers,
        parse: impl FnOnce(Arguments<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let large = self.body.bytes.len() > PARSED_HERE_BYTES;
        let names: Vec<_> = known.iter().map(|argument| argument.name).collect();
        let parsed = move || {
            let body = match self.media_type {
                MediaType::Json => Body::Json(&self.body.bytes),
                MediaType::Form => Body::Form(&self.body.bytes),
            };
            let arguments = arguments::read(body, &self.query, &names)?;
            if arguments.is_empty() && self.method != Method::POST {
                return Ok(None);
            }
            parse(arguments).map(Some)
        };
        if large { workers.run(async { parsed() }).await } else { parsed() }
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

    fn media_type(name: HeaderName, value: &str, body: &str) -> Result<MediaType> {
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
        assert_eq!(media_type(CONTENT_ENCODING, "identity", "{}").unwrap(), MediaType::Json);
    }

    #[test]
    fn a_body_must_say_what_it_is() {
        let form = "application/x-www-form-urlencoded";
        for (content_type, body, expected) in [
            ("application/json", "{}", Some(MediaType::Json)),
            ("Application/JSON; charset=utf-8", "{}", Some(MediaType::Json)),
            ("application/ld+json", "{}", Some(MediaType::Json)),
            (form, "diaObjectId=1", Some(MediaType::Form)),
            (form, " {\"diaObjectId\": 1}", None),
            ("text/plain", "{}", None),
            ("", "{}", None),
            ("text/plain", "", Some(MediaType::Json)),
        ] {
            match media_type(CONTENT_TYPE, content_type, body) {
                Ok(media_type) => assert_eq!(Some(media_type), expected, "{content_type}: {body}"),
                Err(error) => {
                    assert_eq!((error.kind(), expected), (Kind::MediaType, None), "{content_type}");
                    assert!(error.to_string().contains("application/json"));
                }
            }
        }
    }
}
