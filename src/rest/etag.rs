//! Entity tags, by which a client says which answer it already has. A tag is a hash of all that an answer depends on. It is strong, since
//! equal questions have equal bytes, and is made [`weak`] where the answer goes out compressed.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::http::header::{CONTENT_ENCODING, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use headers::{ETag, HeaderMapExt, IfMatch, IfNoneMatch};

use crate::error::{Error, Result};
use crate::query::{ConeQuery, CrossmatchQuery, Query, RegionQuery, SkySearch, Versions};
use crate::request::{ConeRequest, CrossmatchRequest, RowRequest, ScsRequest, SkymapRequest};

/// The tag of the answer to a question from one version of its tables. Equal questions have equal tags, however they are written and
/// whichever server is asked: `versions` names the tables by their ids, and a build answers alike wherever it runs.
pub(crate) fn tag(versions: Versions, question: impl Hash) -> Result<ETag> {
    // `new` has no random key.
    let mut hash = DefaultHasher::new();
    (env!("BUILD_DIGEST"), versions, question).hash(&mut hash);
    let text = format!("\"{}-{:016x}\"", versions.table, hash.finish());
    text.parse().map_err(|_| Error::internal(format!("{text} is not an entity tag")))
}

/// All that the answer to a request for rows depends on, except the versions of the tables.
pub(crate) fn question(request: &RowRequest) -> impl Hash {
    let RowRequest { query, format, ids_as_text, explain: _, ignored_ids: _, ignored_arguments: _ } =
        request;
    // What is new in a query has to be said here. The version is in the tag; clients of REST have neither filter nor limit.
    let Query { rows, ids, columns, as_of: _, filter: _, limit: _ } = query;
    (rows, ids, columns, *format, *ids_as_text)
}

/// The same of a search in a circle.
pub(crate) fn question_of_cone(request: &ConeRequest) -> impl Hash {
    let ConeQuery { circle, most, search } = &request.query;
    let SkySearch { time, columns, as_of: _, objects_version: _ } = search;
    (circle, time, *most, columns, request.count, request.format, request.ids_as_text)
}

/// The same of a Simple Cone Search.
pub(crate) fn question_of_scs(request: &ScsRequest) -> impl Hash {
    let ConeQuery { circle, most, search } = &request.query;
    ("scs", circle, *most, &search.columns)
}

/// The same of a search near many places.
pub(crate) fn question_of_crossmatch(request: &CrossmatchRequest) -> impl Hash {
    let CrossmatchQuery { places, names, radius_deg, most, search } = &request.query;
    let SkySearch { time, columns, as_of: _, objects_version: _ } = search;
    let places: Vec<_> = places.iter().map(|place| place.map(f64::to_bits)).collect();
    let what = (places, names, radius_deg.to_bits(), *most);
    (what, time, columns, request.format, request.ids_as_text)
}

/// The same of a search in a region.
pub(crate) fn question_of_skymap(request: &SkymapRequest) -> impl Hash {
    let RegionQuery { region, event_mjd, most, search } = &request.query;
    let SkySearch { time, columns, as_of: _, objects_version: _ } = search;
    let what = (region.as_ref(), event_mjd.map(f64::to_bits), *most);
    (what, time, columns, request.count, request.format, request.ids_as_text)
}

/// Layer outside of compression: makes the tag of a compressed answer weak, since the same rows are sent in several content codings.
pub(crate) async fn weak(mut response: Response) -> Response {
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

/// Whether a request has conditions, which the tag of its answer meets or not.
pub(crate) fn is_conditional(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_MATCH) || headers.contains_key(IF_NONE_MATCH)
}

/// The status in place of an answer: 412 if `If-Match` does not hold, else 304 if the client has the answer (RFC 9110, 13.2.2).
pub(crate) fn status_instead(
    method: &Method,
    headers: &HeaderMap,
    tag: &ETag,
) -> Option<StatusCode> {
    if !is_met(headers, tag) {
        return Some(StatusCode::PRECONDITION_FAILED);
    }
    (method != Method::POST && is_held(headers, tag)).then_some(StatusCode::NOT_MODIFIED)
}

/// Whether the answer of a tag may be sent: `If-Match` is not given, is `*`, or lists the tag (RFC 9110, 13.1.1).
fn is_met(headers: &HeaderMap, tag: &ETag) -> bool {
    headers.typed_get::<IfMatch>().is_none_or(|listed| listed.precondition_passes(tag))
}

/// Whether the client has the answer of a tag already: `If-None-Match` is `*` or lists the tag, weak or not (RFC 9110, 13.1.2).
fn is_held(headers: &HeaderMap, tag: &ETag) -> bool {
    headers.typed_get::<IfNoneMatch>().is_some_and(|listed| !listed.precondition_passes(tag))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use axum::http::header::{IF_MATCH, IF_NONE_MATCH};

    use super::*;

    #[test]
    fn if_none_match_is_a_list_and_weak() {
        let matching = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            }
            is_held(&headers, &"W/\"3-ab\"".parse().unwrap())
        };
        for values in [
            &["W/\"3-ab\""][..],
            &["\"3-ab\""],
            &["\"x\", W/\"3-ab\""],
            &["\"x\"", "\"3-ab\""],
            &["*"],
        ] {
            assert!(matching(values), "{values:?}");
        }
        for values in [&[][..], &["W/\"3-ac\""], &["3-ab"], &["\"x\""], &["\"a b"], &["\u{e9}"]] {
            assert!(!matching(values), "{values:?}");
        }
    }

    #[test]
    fn if_match_is_strong() {
        let met = |values: &[(HeaderName, &str)], tag: &str| {
            let values = values.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
            is_met(&values.collect(), &tag.parse().unwrap())
        };
        assert!(met(&[], "\"3-ab\""));
        for value in ["\"3-ab\"", "*", "\"x\", \"3-ab\""] {
            assert!(met(&[(IF_MATCH, value)], "\"3-ab\""), "{value}");
        }
        for value in ["W/\"3-ab\"", "\"x\"", "3-ab", ""] {
            assert!(!met(&[(IF_MATCH, value)], "\"3-ab\""), "{value}");
        }
        assert!(!met(&[(IF_MATCH, "\"3-ab\"")], "W/\"3-ab\""));
    }
}
