//! The layers that every answer goes through: panics and errors get one shape, bodies are compressed as the client asks, and pages of any
//! origin may read them (CORS).

use std::time::Duration;

use axum::Router;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, RETRY_AFTER,
};
use axum::http::{Extensions, HeaderMap, HeaderName, Method, StatusCode, Version};
use axum::middleware::{from_fn, map_response};
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::{Any, CorsLayer};

use super::{answer, bounded, etag, failure};
use crate::encode::Format;

/// Smaller bodies are not worth compressing.
const COMPRESSED_FROM_BYTES: u64 = 1 << 10;

/// Adds the layers. The first is the innermost.
pub(crate) fn around(router: Router) -> Router {
    router
        .layer(CatchPanicLayer::custom(failure::from_panic))
        .layer(compression())
        .layer(map_response(etag::weak))
        .layer(from_fn(failure::describe))
        .layer(cors())
}

/// Compresses as the client asks, except bodies that are small or have their own compression, and events, which would wait in its buffers.
fn compression() -> CompressionLayer<impl Predicate> {
    let parquet = NotForContentType::const_new(Format::Parquet.content_type());
    // The fastest level: compression runs on the serving threads, and its buffers are held while an answer is unread.
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
    let worth_it = SizeAbove::new(COMPRESSED_FROM_BYTES).and(parquet);
    compression.compress_when(worth_it.and(NotForContentType::SSE))
}

/// Compresses large answers only. This layer is within the limits, so it runs on the workers.
pub(crate) fn compression_of_large() -> CompressionLayer<impl Predicate> {
    let is_large = |_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions| {
        extensions.get::<bounded::Large>().is_some()
    };
    let parquet = NotForContentType::const_new(Format::Parquet.content_type());
    CompressionLayer::new().compress_when(is_large.and(parquet))
}

/// Lets pages of any origin send requests and read every header.
fn cors() -> CorsLayer {
    let request_id = HeaderName::from_static("x-request-id");
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers(Any)
        .expose_headers([
            answer::SNAPSHOT,
            answer::WARNING,
            ETAG,
            ACCEPT_RANGES,
            CONTENT_DISPOSITION,
            CONTENT_LENGTH,
            CONTENT_RANGE,
            RETRY_AFTER,
            request_id,
        ])
        .max_age(Duration::from_secs(24 * 3600))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::Uri;
    use axum::http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
    use axum::response::IntoResponse;
    use axum::routing::get;
    use futures::stream;
    use tower::ServiceExt;

    use super::*;
    use crate::error::{Error, Kind};
    use crate::telemetry::{Metrics, watched};

    async fn unknown_path(uri: Uri) -> Error {
        Error::new(Kind::NotFound, format!("there is no {}", uri.path()))
    }

    /// The layers around handlers that go wrong in every way.
    fn broken() -> (Router, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::default());
        let parquet = [(CONTENT_TYPE, Format::Parquet.content_type())];
        let router = Router::new()
            .route(
                "/panic",
                get(|| async {
                    if true {
                        panic!("the secret")
                    }
                }),
            )
            .route("/bug", get(|| async { Error::internal("the secret") }))
            .route("/storage", get(|| async { Error::new(Kind::Storage, "the secret") }))
            .route("/busy", get(|| async { Error::new(Kind::Busy, "come back") }))
            .route("/long", get(|| async { "a".repeat(10_000) }))
            .route("/short", get(|| async { "a" }))
            .route("/midway", get(midway))
            .route("/parquet", get(move || async move { (parquet, "a".repeat(10_000)) }))
            .fallback(unknown_path);
        let slow = std::time::Duration::MAX;
        (watched(around(router), metrics.clone(), slow), metrics)
    }

    async fn midway() -> Body {
        let pieces = [Ok("a".repeat(10_000)), Err(Error::internal("the secret"))];
        Body::from_stream(stream::iter(pieces))
    }

    async fn ask(method: &str, path: &str) -> (u16, HeaderMap, String) {
        let request = Request::builder().method(method).uri(path).header(ACCEPT_ENCODING, "gzip");
        let request = request.header("X-Request-Id", "an-id").body(Body::empty()).unwrap();
        let answer = broken().0.oneshot(request).await.unwrap().into_response();
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        (parts.status.as_u16(), parts.headers, body)
    }

    #[tokio::test]
    async fn every_failure_has_one_shape() {
        for (method, path, status, said) in [
            ("GET", "/panic", 500, "an-id"),
            ("GET", "/bug", 500, "an-id"),
            ("GET", "/storage", 503, "an-id"),
            ("GET", "/busy", 429, "come back"),
            ("GET", "/nothing", 404, "/nothing"),
            ("PUT", "/bug", 405, "PUT"),
        ] {
            let (got, headers, body) = ask(method, path).await;
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!((got, &body["status"]), (status, &"error".into()), "{path}");
            let text = body["text"].as_str().unwrap();
            assert!(text.contains(said) && !text.contains("secret"), "{path}: {text}");
            assert_eq!(headers[CONTENT_TYPE], "application/json");
            assert_eq!(headers["x-request-id"], "an-id");
            assert_eq!(headers["access-control-allow-origin"], "*");
            assert_eq!(headers.contains_key(RETRY_AFTER), [429, 503].contains(&status), "{path}");
            assert_eq!(headers.get("allow").is_some(), status == 405, "{path}");
        }
    }

    #[tokio::test]
    async fn only_what_is_worth_it_is_compressed() {
        for (path, compressed) in [("/long", true), ("/short", false), ("/parquet", false)] {
            let (status, headers, _) = ask("GET", path).await;
            assert_eq!(status, 200);
            assert_eq!(headers.contains_key("content-encoding"), compressed, "{path}");
        }
    }

    #[tokio::test]
    async fn a_compressed_answer_that_fails_midway_has_no_clean_end() {
        let request = Request::builder().uri("/midway").header(ACCEPT_ENCODING, "gzip");
        let request = request.body(Body::empty()).unwrap();
        let answer = broken().0.oneshot(request).await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        assert!(axum::body::to_bytes(answer.into_body(), 1 << 20).await.is_err());
    }

    #[tokio::test]
    async fn pages_of_other_origins_may_ask() {
        let (status, headers, _) = ask("OPTIONS", "/bug").await;
        assert_eq!(status, 200);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-allow-headers"], "*");
        let (_, headers, _) = ask("GET", "/short").await;
        let exposed = headers["access-control-expose-headers"].to_str().unwrap();
        assert!(exposed.contains("x-diaflight-snapshot") && exposed.contains("etag"), "{exposed}");
    }

    #[tokio::test]
    async fn requests_are_counted_under_bounded_labels() {
        let (router, metrics) = broken();
        for path in ["/long", "/bug", "/x/1", "/x/2"] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        }
        let request = Request::builder().uri("/long").body(Body::empty()).unwrap();
        drop(router.oneshot(request).await.unwrap());
        let text = metrics.text().unwrap();
        for line in [
            r#"diaflight_requests_total{endpoint="/long",status="200"} 2"#,
            r#"diaflight_requests_total{endpoint="/bug",status="500"} 1"#,
            r#"diaflight_requests_total{endpoint="unknown",status="404"} 2"#,
            r#"diaflight_sent_bytes_total{endpoint="/long"} 10000"#,
            r#"diaflight_aborted_total{endpoint="/long"} 1"#,
            r#"diaflight_request_duration_seconds_count{endpoint="unknown"} 2"#,
            "diaflight_in_flight 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains(r#"diaflight_aborted_total{endpoint="/bug""#), "{text}");
    }
}
