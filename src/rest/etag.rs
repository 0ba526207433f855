//! Entity tags: whether a client already has an answer. In: what the answer depends on. Out: a tag: strong, since equal questions have
//! equal bytes, and made [`weak`] where the answer goes out compressed.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::http::header::{CONTENT_ENCODING, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::query::{Query, Versions};
use crate::request::RowRequest;

/// The tag of the answer to a question from one version of its tables: equal for equal questions,
/// however they were written. `instance` stands for the running server: versions of two servers' tables are
/// not comparable, nor are the bytes of two releases.
pub fn tag(instance: Uuid, versions: Versions, question: impl Hash) -> Result<HeaderValue> {
    let mut hash = DefaultHasher::new();
    (instance, versions, question).hash(&mut hash);
    let text = format!("\"{}-{:016x}\"", versions.table, hash.finish());
    HeaderValue::try_from(text).map_err(|error| Error::internal(format!("making an ETag: {error}")))
}

/// What makes the answer to a request for rows another one, its table's version aside.
pub fn question(request: &RowRequest) -> impl Hash {
    let Query { rows, ids, columns, .. } = &request.query;
    (rows, ids, columns, request.format)
}

/// Layer outside of compression: the same rows go out under several content codings.
pub async fn weak(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if headers.contains_key(CONTENT_ENCODING)
        && let Some(tag) = headers.get(ETAG).and_then(|tag| tag.to_str().ok())
        && !tag.starts_with("W/")
        && let Ok(tag) = HeaderValue::try_from(format!("W/{tag}"))
    {
        headers.insert(ETAG, tag);
    }
    response
}

/// Whether `If-Match` is not given or holds the tag, by strong comparison (RFC 9110, 13.1.1).
pub fn is_met(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let values = headers.get_all(IF_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut held = values.flat_map(|value| value.split(',')).map(str::trim).peekable();
    held.peek().is_none() || held.any(|held| held == "*" || held.as_bytes() == tag.as_bytes())
}

/// Whether `If-None-Match` holds the tag, by weak comparison (RFC 9110, 13.1.2). `*` is any.
pub fn matches(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let opaque = |text: &str| text.trim().trim_start_matches("W/").to_string();
    let tag = tag.to_str().map(opaque).unwrap_or_default();
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|held| held.trim() == "*" || opaque(held) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_is_a_list_and_weak() {
        let matching = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            }
            matches(&headers, &HeaderValue::from_static("W/\"3-ab\""))
        };
        for values in [&["W/\"3-ab\""][..], &["\"3-ab\""], &["\"x\", W/\"3-ab\""], &["\"x\"", "*"]]
        {
            assert!(matching(values), "{values:?}");
        }
        for values in [&[][..], &["W/\"3-ac\""], &["3-ab"], &["\"x\""]] {
            assert!(!matching(values), "{values:?}");
        }
    }
}
