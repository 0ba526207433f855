//! Every error has the same JSON format.

use std::time::Duration;

use diaflight::schema::Table;
use diaflight::server::ServerOptions;
use reqwest::Response;
use serde_json::Value;

use super::survey::{ONE, Server, fill_table, header, warehouse};

/// Checks the shape of an error and returns its text.
async fn refused(answer: Response, status: u16) -> String {
    assert_eq!(answer.status(), status);
    assert_eq!(header(&answer, "content-type"), "application/json");
    assert_eq!(header(&answer, "access-control-allow-origin"), "*");
    assert!(!header(&answer, "x-request-id").is_empty());
    assert_eq!(!header(&answer, "retry-after").is_empty(), [429, 503].contains(&status));
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let members = body.as_object().unwrap();
    assert_eq!((members.len(), &body["status"]), (2, &"error".into()), "{body}");
    body["text"].as_str().unwrap().to_string()
}

#[tokio::test]
async fn a_wrong_argument_is_named() {
    let server = Server::filled().await;
    for (body, said) in [
        ("{}", "diaObjectId"),
        (r#"{"diaObjectId": null}"#, "diaObjectId"),
        (r#"{"diaObjectId": "1", "output-format": "xml"}"#, "json, csv, votable, parquet, arrow"),
        (r#"{"diaObjectId": "1", "columns": 5}"#, "columns"),
        (r#"{"diaObjectId": "1", "as_of": "yesterday"}"#, "as_of"),
        (r#"{"diaObjectId": "1", "as_of": 17}"#, "as_of"),
        (r#"{"diaObjectId": "1", "explain": []}"#, "explain"),
        (r#"{"diaObjectId": "1""#, "body"),
        ("null", "body"),
        ("", "diaObjectId"),
    ] {
        for path in ["/api/v1/sources", "/api/v1/objects", "/api/v1/fp"] {
            let text = refused(server.post(path, body).await, 400).await;
            assert!(text.contains(said), "{path} {body}: {text}");
        }
    }
    let time = server.post("/api/v1/sources", r#"{"diaObjectId": 1, "midpointMjdTai": "noon"}"#);
    assert!(refused(time.await, 400).await.contains("midpointMjdTai"));
    let query = server.get("/api/v1/sources?columns=r:ra").await;
    assert!(refused(query, 400).await.contains("diaObjectId"));
    server.stop().await;
}

#[tokio::test]
async fn a_schema_needs_a_known_endpoint() {
    let server = Server::filled().await;
    for (body, status) in [
        ("{}", 400),
        (r#"{"endpoint": 1}"#, 400),
        (r#"{"endpoint": null}"#, 400),
        (r#"{"endpoint": "/api/v1/nope"}"#, 404),
        (r#"{"endpoint": "sources"}"#, 404),
    ] {
        let text = refused(server.post("/api/v1/schema", body).await, status).await;
        assert!(text.contains("endpoint") && text.contains("/api/v1/sources"), "{body}: {text}");
    }
    refused(server.get("/api/v1/schema?x=1").await, 400).await;
    server.stop().await;
}

#[tokio::test]
async fn paths_methods_and_media_types_are_refused_in_shape() {
    let server = Server::filled().await;
    for path in ["/api/v1/nothing", "/api/v1/sources/x", "/api", "/API/v1/sources"] {
        assert!(refused(server.get(path).await, 404).await.contains(path));
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = server.request(method, "/api/v1/sources").send().await.unwrap();
        assert_eq!(header(&answer, "allow"), "GET,HEAD,POST");
        assert!(refused(answer, 405).await.contains(method));
    }
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut request = server.request("POST", "/api/v1/fp").body(r#"{"diaObjectId": "1"}"#);
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let text = refused(request.send().await.unwrap(), 415).await;
        assert!(text.contains("application/json"), "{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_size() {
    let options = ServerOptions { max_body_bytes: 100, ..ServerOptions::DEFAULT };
    let warehouse = warehouse();
    let server = Server::with(&warehouse, options).await;
    let body = format!(r#"{{"diaObjectId": "{}"}}"#, "1,".repeat(1 << 20));
    let text = refused(server.post("/api/v1/sources", &body).await, 413).await;
    assert!(text.contains("the limit is 100"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_tables_is_alive_and_not_ready() {
    let warehouse = warehouse();
    let server = Server::over(&warehouse).await;
    assert_eq!(server.get("/health/live").await.status(), 200);
    refused(server.get("/health/ready").await, 503).await;
    for path in ["/api/v1/sources?diaObjectId=1", "/api/v1/schema?endpoint=/api/v1/sources"] {
        assert!(refused(server.get(path).await, 503).await.contains("sources"));
    }
    for table in Table::ALL {
        fill_table(&warehouse, table, &[ONE]).await;
    }
    while server.get("/health/ready").await.status() != 200 {}
    for id in [1, ONE, i64::MAX] {
        let answer = server.get(&format!("/api/v1/sources?diaObjectId={id}")).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{id}: {text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn capacity_and_time_are_limited_but_not_for_health() {
    let options = ServerOptions {
        max_concurrent_requests: 0,
        queue_limit: Duration::ZERO,
        ..ServerOptions::DEFAULT
    };
    let warehouse = warehouse();
    let server = Server::with(&warehouse, options).await;
    let text = refused(server.get("/api/v1/sources?diaObjectId=1").await, 429).await;
    assert!(text.contains("capacity"), "{text}");
    for path in ["/", "/health/live", "/metrics"] {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_vanished_file_is_the_storage_s_fault() {
    let warehouse = warehouse();
    fill_table(&warehouse, Table::Fp, &[ONE]).await;
    let server = Server::over(&warehouse).await;
    let snapshot = warehouse.snapshot(Table::Fp, None).await.unwrap().unwrap();
    for file in &snapshot.files {
        object_store::ObjectStoreExt::delete(&snapshot.store, &file.path).await.unwrap();
    }
    let answer = server.get(&format!("/api/v1/fp?diaObjectId={ONE}")).await;
    let id = header(&answer, "x-request-id").to_string();
    let text = refused(answer, 503).await;
    assert!(text.contains(&id) && !text.contains("parquet"), "{text}");
    server.stop().await;
}
