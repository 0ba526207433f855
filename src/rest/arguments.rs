//! The arguments of a request, from its query string and its JSON body together.
//! In: a request. Out: [`Arguments`], from which a request type takes what it knows by name.
//!
//! The query string wins over the body, argument by argument. Within one of them, `diaObjectId` and `columns`
//! given again add up; of any other argument the first counts. What nobody asks for is ignored.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::json::{self, Scalar, Value};
use crate::error::{Error, Kind, Result};

pub const ID: &str = "diaObjectId";
pub const COLUMNS: &str = "columns";

/// What a client sent, before anything of it is understood.
pub struct Sent {
    method: Method,
    query: String,
    body: Bytes,
}

/// Values by argument name.
pub type Arguments<'a> = HashMap<Cow<'a, str>, Value<'a>>;

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
        let body = if self.body.is_empty() { Vec::new() } else { json::members(&self.body)? };
        let query = form_urlencoded::parse(self.query.as_bytes())
            .map(|(name, text)| (name, Value::One(Scalar::Text(text))));
        let mut arguments = merge(body.into_iter());
        arguments.extend(merge(query));
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

fn merge<'a>(given: impl Iterator<Item = (Cow<'a, str>, Value<'a>)>) -> Arguments<'a> {
    let mut arguments = Arguments::new();
    for (name, value) in given {
        let name = if name == "objectId" { Cow::Borrowed(ID) } else { name };
        let adds_up = name == ID || name == COLUMNS;
        match arguments.remove(&name) {
            None => arguments.insert(name, value),
            Some(before) if adds_up => {
                let scalars = before.into_scalars().into_iter().chain(value.into_scalars());
                arguments.insert(name, Value::List(scalars.collect()))
            }
            Some(first) => arguments.insert(name, first),
        };
    }
    arguments
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn merged(query: &str, body: &str) -> Option<Vec<(String, String)>> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let sent = Sent { method: Method::GET, query: query.into(), body };
        let shown = |value: Value| {
            let texts = value.into_scalars().into_iter().map(|scalar| scalar.to_string());
            texts.collect::<Vec<_>>().join(" ")
        };
        let arguments = sent.parse(|arguments| {
            let mut all: Vec<_> = arguments
                .into_iter()
                .map(|(name, value)| (name.into_owned(), shown(value)))
                .collect();
            all.sort();
            Ok(all)
        });
        arguments.unwrap()
    }

    fn one(name: &str, value: &str) -> Option<Vec<(String, String)>> {
        Some(vec![(name.to_string(), value.to_string())])
    }

    #[test]
    fn the_query_string_wins_and_repeated_lists_add_up() {
        assert_eq!(merged("diaObjectId=1", r#"{"diaObjectId": 2}"#), one(ID, "`1`"));
        assert_eq!(merged("objectId=1", r#"{"diaObjectId": 2}"#), one(ID, "`1`"));
        assert_eq!(merged("diaObjectId=1&objectId=2&diaObjectId=3", ""), one(ID, "`1` `2` `3`"));
        assert_eq!(merged("columns=r%3Ara&columns=+r:dec", ""), one(COLUMNS, "`r:ra` ` r:dec`"));
        assert_eq!(
            merged("output-format=csv&output-format=json", ""),
            one("output-format", "`csv`")
        );
        assert_eq!(
            merged("", r#"{"objectId": 2, "diaObjectId": ["3"]}"#),
            one(ID, "the number 2 `3`")
        );
        assert_eq!(merged("a=1&", r#"{"b": true}"#).unwrap().len(), 2);
        assert_eq!(merged("", ""), None);
        assert_eq!(merged("", "{}"), None);
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
