//! A request received: its query string and its JSON body. In: a request. Out: its [`Arguments`].

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use crate::error::{Error, Kind, Result};
use crate::request::arguments::{self, Arguments};

/// What a client sent, before anything of it is understood.
pub struct Sent {
    method: Method,
    query: String,
    body: Bytes,
}

impl Sent {
    /// Reads a request to its end. Errors: `MediaType` for a body that does not say it is JSON,
    /// `TooLarge` for one over the limit.
    pub async fn receive(request: Request, max_body_bytes: usize) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let mut body = body.into_data_stream();
        let (mut kept, mut length) = (BytesMut::new(), 0);
        // Read on past the limit: an answer sent before that may be lost when the connection closes.
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| {
                Error::argument(format!("the body ended before its time: {error}"))
            })?;
            length += chunk.len();
            if length <= max_body_bytes {
                kept.extend_from_slice(&chunk);
            } else {
                kept = BytesMut::new();
            }
        }
        if length > max_body_bytes {
            let text = format!("the body has {length} bytes; the limit is {max_body_bytes}");
            return Err(Error::new(Kind::TooLarge, text));
        }
        if length > 0 && !is_json(&parts.headers) {
            let text =
                "a body must be JSON and say so: send the header `Content-Type: application/json`";
            return Err(Error::new(Kind::MediaType, text));
        }
        let query = parts.uri.query().unwrap_or_default().to_string();
        Ok(Self { method: parts.method, query, body: kept.freeze() })
    }

    /// The arguments as `parse` understands them; `None` for a GET without any.
    pub fn parse<T>(&self, parse: impl FnOnce(Arguments<'_>) -> Result<T>) -> Result<Option<T>> {
        let arguments = arguments::read(&self.body, &self.query)?;
        if arguments.is_empty() && self.method != Method::POST {
            return Ok(None);
        }
        parse(arguments).map(Some)
    }
}

/// `application/json`, or a type built on it, whatever its parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn a_get_without_arguments_asks_what_the_endpoint_is() {
        let sent = |method| Sent { method, query: String::new(), body: Bytes::new() };
        assert_eq!(sent(Method::GET).parse(|_| Ok(())).unwrap(), None);
        assert_eq!(sent(Method::POST).parse(|_| Ok(())).unwrap(), Some(()));
    }

    async fn received(content_type: Option<&str>, body: &'static str) -> Result<Sent> {
        let mut request = Request::builder().method("POST").uri("/x?a=1");
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        Sent::receive(request.body(Body::from(body)).unwrap(), 8).await
    }

    #[tokio::test]
    async fn a_body_must_say_that_it_is_json() {
        for content_type in
            ["application/json", "Application/JSON; charset=utf-8", "application/ld+json"]
        {
            assert!(received(Some(content_type), "{}").await.is_ok(), "{content_type}");
        }
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let error = received(content_type, "{}").await.err().unwrap();
            assert_eq!(error.kind(), Kind::MediaType);
            assert!(error.to_string().contains("application/json"));
            assert!(received(content_type, "").await.is_ok());
        }
    }

    #[tokio::test]
    async fn the_limit_of_a_body_is_named() {
        assert!(received(Some("application/json"), "{\"a\": 1}").await.is_ok());
        let error = received(Some("application/json"), "{\"a\": 12}").await.err().unwrap();
        assert_eq!(error.kind(), Kind::TooLarge);
        assert_eq!(error.to_string(), "the body has 9 bytes; the limit is 8");
    }
}
