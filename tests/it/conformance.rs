//! The REST contract on real alerts: the conformance suite replays its requests, and the published clients'
//! habits, against a server that ingested them.

use serde_json::{Value, json};

use crate::{program, python, server::Server, shared};

/// A server with the alerts of set A and nothing else, and the folder its warehouse is in.
async fn server_with_set_a() -> Option<(Server, tempfile::TempDir)> {
    let alerts = shared::path(shared::SET_A)?;
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    program::run(["ingest", "--warehouse", warehouse, alerts.to_str().unwrap()]).succeeded();
    Some((Server::serve(warehouse, &[]).await, folder))
}

#[tokio::test]
async fn every_case_of_the_contract_passes() {
    let Some(check) = shared::path("conformance/check.py") else { return };
    let Some((server, _folder)) = server_with_set_a().await else { return };
    let said = python::run(&check, &["--url", &server.url, "--clients"], &[]);
    let verdict = said.lines().last().unwrap_or_default();
    assert!(verdict.ends_with(" passed, 0 failed") && !verdict.starts_with("0 "), "{said}");
}

/// The cases of the endpoints that there are: parts of their names, and how many at least.
const NEXT_CASES: [(&str, u32); 6] = [
    ("cone", 42),
    ("count/", 1),
    ("cross", 11),
    ("time/", 11),
    ("ids/", 1),
    ("schema/conesearch", 1),
];

#[tokio::test]
async fn every_case_of_the_next_contract_that_is_built_passes() {
    let Some(check) = shared::path("conformance/check.py") else { return };
    let Some(cases) = shared::path("conformance/cases_next") else { return };
    let Some((server, _folder)) = server_with_set_a().await else { return };
    for (part, least) in NEXT_CASES {
        let cases = cases.to_str().unwrap();
        let arguments = ["--url", &server.url, "--cases", cases, "--only", part];
        let said = python::run(&check, &arguments, &[]);
        let verdict = said.lines().last().unwrap_or_default();
        let passed = verdict.strip_suffix(" passed, 0 failed").and_then(|count| count.parse().ok());
        assert!(passed.is_some_and(|count: u32| count >= least), "{part}: {said}");
    }
}

#[tokio::test]
async fn an_object_answers_with_its_real_measurements() {
    let Some((server, _folder)) = server_with_set_a().await else { return };
    let arguments = json!({ "diaObjectId": "313897383979122767" });
    let answer = server.post("/api/v1/sources", &arguments).await;
    assert_eq!(answer.status(), 200);
    let rows: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
    assert_eq!(rows[0]["r:diaObjectId"], 313897383979122767_i64);
    assert_eq!(rows[0]["r:diaSourceId"], 170094456251351059_i64);
    assert_eq!(rows[0]["r:midpointMjdTai"], 61105.093643486834);
}
