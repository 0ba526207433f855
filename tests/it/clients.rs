//! What clients make of an answer: polars, which reads pieces of it, and astropy, which wants units, systems and lengths.

use std::path::Path;

use diaflight::survey::{Nights, SurveyOptions, generate};
use diaflight::warehouse::Warehouse;
use serde_json::json;

use crate::python;
use crate::server::Server;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/clients.py");

#[tokio::test(flavor = "multi_thread")]
async fn polars_and_astropy_read_an_answer_by_its_url() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().join("warehouse").to_str().unwrap().to_string();
    let options = SurveyOptions { objects: 100, seed: 2, nights: Nights::ALL };
    let made = generate(&Warehouse::open(&warehouse).unwrap(), &options, &|_| {}).await.unwrap();
    let server = Server::serve(&warehouse, &[]).await;
    let id = made.examples[0].dia_object_id;
    let url = format!("{}/api/v1/sources?diaObjectId={id}", server.url);
    let client = reqwest::Client::new();
    let head = client.head(format!("{url}&output-format=json")).send().await.unwrap();
    let length: u64 = head.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(length > 100_000, "{length}");
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(
        !metrics.contains("diaflight_aborted_total{endpoint=\"/api"),
        "HEAD is no answer broken off"
    );

    let script = Path::new(SCRIPT);
    let asked = url.clone();
    tokio::task::spawn_blocking(move || python::run(script, &[&asked], &[])).await.unwrap();

    let body = json!({"diaObjectId": id});
    let tag = server.post("/api/v1/sources", &body).await.headers()["etag"].clone();
    let again = || {
        let request = client.post(format!("{}/api/v1/sources", server.url));
        request.header("If-None-Match", &tag).header("Content-Type", "application/json")
    };
    let answer = again().body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "a POST is answered");
    let compressed = again().header("Content-Encoding", "gzip").body(vec![0x1f, 0x8b]);
    let pieces = |tag: &str| {
        let request =
            client.get(format!("{url}&output-format=parquet")).header("Range", "bytes=0-9");
        request.header("If-Match", tag.to_string()).send()
    };
    let tag = pieces("*").await.unwrap().headers()["etag"].to_str().unwrap().to_string();
    assert_eq!(pieces(&tag).await.unwrap().status(), 206);
    let both =
        client.get(format!("{url}&output-format=parquet")).header("If-Match", "\"0-another\"");
    let both = both.header("If-None-Match", &tag).send().await.unwrap();
    assert_eq!(both.status(), 412, "If-Match comes first");
    let unmet = pieces("\"0-another\"").await.unwrap();
    assert_eq!(unmet.status(), 412);
    assert!(unmet.text().await.unwrap().contains("Accept-Encoding: identity"));
    let refused = compressed.send().await.unwrap();
    assert_eq!(refused.status(), 415);
    assert!(refused.text().await.unwrap().contains("Content-Encoding: gzip"));
}
