//! Sends one range of an answer, or all of it. Clients that read a file by its ends and columns (polars, DuckDB and others) ask for the
//! length of a URL, then for ranges of it. A client that wants all ranges from one and the same answer gives its entity tag in
//! `If-Match` or `If-Range`.

use std::convert::Infallible;
use std::ops::{Bound, Range};

use axum::body::Body;
use axum::http::header::RANGE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use headers::{AcceptRanges, ContentLength, ContentRange, ETag, HeaderMapExt, IfRange};

/// Whether the client asks for the length of an answer, or for a range of it.
pub(crate) fn are_asked_for(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::HEAD || headers.contains_key(RANGE)
}

/// A body up to this size is sent as one piece. A larger one is a stream, so that the request holds its permit until the last byte is sent.
const AT_ONCE_BYTES: usize = 64 << 10;

/// The answer to a request for one range. It is the whole body if no range or several ranges are asked for, if the method is not GET (RFC
/// 9110, 14.2), or if `If-Range` does not match `tag`.
pub(crate) fn response(method: &Method, headers: &HeaderMap, tag: &ETag, whole: Bytes) -> Response {
    let length = whole.len() as u64;
    let wanted = method == Method::GET && is_of(headers, tag);
    let range = headers.typed_get::<headers::Range>().filter(|_| wanted);
    let Some(range) = range else { return with_length(StatusCode::OK, whole) };
    let mut ranges = range.satisfiable_ranges(length);
    match (ranges.next(), ranges.next()) {
        (Some((first, last)), None) => {
            let first = match first {
                Bound::Included(first) => first,
                Bound::Excluded(_) | Bound::Unbounded => 0,
            };
            let end = match last {
                Bound::Included(last) => last.saturating_add(1).min(length),
                Bound::Excluded(_) | Bound::Unbounded => length,
            };
            if first < end { piece(whole, first..end) } else { unsatisfiable(length) }
        }
        (None, _) if range.satisfiable_ranges(u64::MAX).next().is_none() => {
            with_length(StatusCode::OK, whole) // it is no range of anything
        }
        // A suffix range longer than the answer means the whole answer (RFC 9110, 14.1.2).
        (None, _) if is_of_last(headers) && length > 0 => piece(whole, 0..length),
        (None, _) => unsatisfiable(length),
        _ => with_length(StatusCode::OK, whole),
    }
}

/// Whether `If-Range` is not given, or matches the tag. An invalid value does not match.
fn is_of(headers: &HeaderMap, tag: &ETag) -> bool {
    match headers.typed_try_get::<IfRange>() {
        Ok(given) => given.is_none_or(|given| !given.is_modified(Some(tag), None)),
        Err(_) => false,
    }
}

fn is_of_last(headers: &HeaderMap) -> bool {
    headers.get(RANGE).is_some_and(|range| range.as_bytes().starts_with(b"bytes=-"))
}

fn piece(whole: Bytes, of: Range<u64>) -> Response {
    let length = whole.len() as u64;
    let bytes = whole.slice(of.start as usize..of.end as usize);
    let mut response = with_length(StatusCode::PARTIAL_CONTENT, bytes);
    if let Ok(range) = ContentRange::bytes(of, length) {
        response.headers_mut().typed_insert(range);
    }
    response
}

fn with_length(status: StatusCode, bytes: Bytes) -> Response {
    let mut headers = HeaderMap::new();
    headers.typed_insert(AcceptRanges::bytes());
    headers.typed_insert(ContentLength(bytes.len() as u64));
    let body = match bytes.len() {
        0..=AT_ONCE_BYTES => Body::from(bytes),
        length => {
            let starts = stream::iter((0..length).step_by(AT_ONCE_BYTES));
            let chunk = move |start| bytes.slice(start..length.min(start + AT_ONCE_BYTES));
            Body::from_stream(starts.map(move |start| Ok::<_, Infallible>(chunk(start))))
        }
    };
    (status, headers, body).into_response()
}

fn unsatisfiable(length: u64) -> Response {
    let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    response.headers_mut().typed_insert(ContentRange::unsatisfied_bytes(length));
    response
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_RANGE;

    use super::*;

    async fn answered(range: &[(&str, &str)]) -> (u16, Option<String>, Bytes) {
        let headers = range.iter().map(|(name, value)| {
            (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap())
        });
        let tag = "\"3-ab\"".parse().unwrap();
        let whole = Bytes::from_static(b"0123456789");
        let response = response(&Method::GET, &headers.collect(), &tag, whole);
        let range =
            response.headers().get(CONTENT_RANGE).map(|range| range.to_str().unwrap().into());
        let status = response.status().as_u16();
        (status, range, axum::body::to_bytes(response.into_body(), 100).await.unwrap())
    }

    #[tokio::test]
    async fn a_range_is_answered_alone_and_anything_else_whole() {
        for (asked, range, piece) in [
            ("bytes=2-4", "bytes 2-4/10", "234"),
            ("bytes=7-", "bytes 7-9/10", "789"),
            ("bytes=-3", "bytes 7-9/10", "789"),
            ("bytes=8-100", "bytes 8-9/10", "89"),
            ("bytes=-100", "bytes 0-9/10", "0123456789"),
        ] {
            let expected = (206, Some(range.to_string()), Bytes::from(piece));
            assert_eq!(answered(&[("range", asked)]).await, expected, "{asked}");
        }
        let whole = (200, None, Bytes::from_static(b"0123456789"));
        for asked in ["bytes=0-1,4-5", "lines=1-2", "bytes=x", ""] {
            assert_eq!(answered(&[("range", asked)]).await, whole, "{asked}");
        }
        assert_eq!(answered(&[]).await, whole);
        let other = ["\"x\"", "W/\"3-ab\"", "3-ab", "Sun, 06 Nov 1994 08:49:37 GMT", ""];
        for other in other {
            let asked = [("range", "bytes=2-4"), ("if-range", other)];
            assert_eq!(answered(&asked).await, whole, "{other}");
        }
        let same = answered(&[("range", "bytes=2-4"), ("if-range", "\"3-ab\"")]).await;
        assert_eq!((same.0, &same.2[..]), (206, &b"234"[..]));
        for asked in ["bytes=10-", "bytes=100-200"] {
            let (status, range, _) = answered(&[("range", asked)]).await;
            assert_eq!((status, range.unwrap().as_str()), (416, "bytes */10"), "{asked}");
        }
    }
}
