//! Reads the query string and the JSON body of a request into [`Arguments`].

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;

use crate::error::{Error, Kind, Result};
use crate::incoming::{self, Whole};
use crate::limits::{Client, Limits};
use crate::request::argument::Argument;
use crate::request::arguments::{self, Arguments};
use crate::workers::Workers;

/// A larger body is parsed on the workers. One of this size takes some hundred microseconds on a serving thread.
const PARSED_HERE_BYTES: usize = 32 << 10;

/// What a client sent, not parsed yet.
#[derive(Default)]
pub(crate) struct Sent {
    method: Method,
    query: String,
    body: Whole,
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
    let sent = Sent { method: parts.method.clone(), query, body };
    sent.check_media_type(&parts.headers)?;
    parts.extensions.insert(Arc::new(sent));
    Ok(next.run(Request::from_parts(parts, Body::empty())).await)
}

impl Sent {
    /// What [`whole`] has put into the extensions.
    pub(crate) fn from_extensions(extensions: &Extensions) -> Arc<Self> {
        extensions.get().cloned().unwrap_or_default()
    }

    fn check_media_type(&self, headers: &HeaderMap) -> Result<()> {
        if self.body.bytes.is_empty() {
            return Ok(());
        }
        if let Some(coding) = headers.get(CONTENT_ENCODING).filter(|coding| *coding != "identity") {
            let coding = coding.to_str().unwrap_or("unknown");
            let text =
                format!("a body must be sent as it is, without `Content-Encoding: {coding:.40}`");
            return Err(Error::new(Kind::MediaType, text));
        }
        if is_json(headers) {
            return Ok(());
        }
        let text =
            "a body must be JSON and say so: send the header `Content-Type: application/json`";
        Err(Error::new(Kind::MediaType, text))
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
            let arguments = arguments::read(&self.body.bytes, &self.query, &names)?;
            if arguments.is_empty() && self.method != Method::POST {
                return Ok(None);
            }
            parse(arguments).map(Some)
        };
        if large { workers.run(async { parsed() }).await } else { parsed() }
    }
}

/// Whether the media type is `application/json` or one with the suffix `+json`, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

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

    fn refused(content_type: Option<&str>, body: &'static str) -> Option<Error> {
        let bytes = Bytes::from(body);
        let sent = Sent { body: Whole::from(bytes), ..Sent::default() };
        let headers = content_type.map(|value| (CONTENT_TYPE, value.parse().unwrap()));
        sent.check_media_type(&headers.into_iter().collect()).err()
    }

    #[test]
    fn a_compressed_body_is_refused_by_its_coding() {
        let sent = Sent { body: Whole::from(Bytes::from_static(b"{}")), ..Sent::default() };
        for (coding, is_refused) in [("gzip", true), ("zstd, gzip", true), ("identity", false)] {
            let headers = [(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, coding)];
            let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
            let error = sent.check_media_type(&headers.into_iter().collect()).err();
            assert_eq!(error.is_some(), is_refused, "{coding}");
            if let Some(error) = error {
                assert_eq!(error.kind(), Kind::MediaType);
                assert!(error.to_string().contains(coding), "{error}");
            }
        }
    }

    #[test]
    fn a_body_must_say_that_it_is_json() {
        for content_type in
            ["application/json", "Application/JSON; charset=utf-8", "application/ld+json"]
        {
            assert!(refused(Some(content_type), "{}").is_none(), "{content_type}");
        }
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let error = refused(content_type, "{}").unwrap();
            assert_eq!(error.kind(), Kind::MediaType);
            assert!(error.to_string().contains("application/json"));
            assert!(refused(content_type, "").is_none());
        }
    }
}
