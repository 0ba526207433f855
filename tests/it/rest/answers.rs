//! Rows in every format, with the headers that go with them.

use diaflight::encode::Format;
use diaflight::schema::Table;
use serde_json::{Value, json};

use super::survey::{ONE, Server, TIMES, TWO, fill, fill_table, header, warehouse};

async fn rows(answer: reqwest::Response) -> Vec<Value> {
    assert_eq!(answer.status(), 200);
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn rows_come_in_the_order_of_the_endpoint() {
    let server = Server::filled().await;
    let asked =
        format!(r#"{{"diaObjectId": "{TWO},{ONE}", "columns": "r:midpointMjdTai,r:diaObjectId"}}"#);
    for path in ["/api/v1/sources", "/api/v1/fp"] {
        let expected: Vec<_> = TIMES
            .iter()
            .flat_map(|time| {
                [ONE, TWO].map(|id| json!({"r:midpointMjdTai": time, "r:diaObjectId": id}))
            })
            .collect();
        assert_eq!(rows(server.post(path, &asked).await).await, expected, "{path}");
    }
    let objects = rows(server.post("/api/v1/objects", &asked).await).await;
    assert_eq!(
        objects.iter().map(|row| row["r:diaObjectId"].as_i64()).collect::<Vec<_>>(),
        [Some(ONE), Some(TWO)]
    );
    let every = rows(server.get(&format!("/api/v1/fp?diaObjectId={ONE}")).await).await;
    let names: Vec<_> = every[0].as_object().unwrap().keys().cloned().collect();
    let expected = [
        "f:main_label_classifier",
        "r:diaForcedSourceId",
        "r:diaObjectId",
        "r:midpointMjdTai",
        "r:psfFlux",
    ];
    assert_eq!(names, expected);
    server.stop().await;
}

#[tokio::test]
async fn every_format_says_what_it_is() {
    let server = Server::filled().await;
    for format in Format::ALL {
        let name = format.name();
        for (ids, file) in
            [(ONE.to_string(), ONE.to_string()), (format!("{ONE},{TWO},3"), "3-objects".into())]
        {
            let answer = server
                .get(&format!("/api/v1/sources?diaObjectId={ids}&output-format={name}"))
                .await;
            assert_eq!(answer.status(), 200, "{name}");
            assert_eq!(header(&answer, "content-type"), format.content_type());
            let attachment =
                format!("attachment; filename=\"sources-{file}.{}\"", format.extension());
            let expected = if format == Format::Json { String::new() } else { attachment };
            assert_eq!(header(&answer, "content-disposition"), expected);
            assert_eq!(header(&answer, "x-diaflight-snapshot"), "0");
            assert_eq!(header(&answer, "cache-control"), "no-cache");
            assert_eq!(header(&answer, "access-control-allow-origin"), "*");
            assert!(header(&answer, "vary").contains("accept-encoding"));
            assert!(!header(&answer, "x-request-id").is_empty());
            assert!(!answer.headers().contains_key("x-diaflight-warning"));
            assert!(!answer.bytes().await.unwrap().is_empty());
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn arguments_of_query_and_body_are_merged() {
    let server = Server::filled().await;
    let body = format!(r#"{{"diaObjectId": {ONE}, "columns": ["r:diaObjectId"]}}"#);
    let ids = async |answer| {
        let rows = rows(answer).await;
        rows.iter().map(|row| row["r:diaObjectId"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let path = "/api/v1/objects";
    assert_eq!(ids(server.post(path, &body).await).await, [ONE]);
    assert_eq!(ids(server.post(&format!("{path}?objectId={TWO}"), &body).await).await, [TWO]);
    let repeated = format!("{path}?diaObjectId={ONE}&diaObjectId={TWO}&foo=1");
    assert_eq!(ids(server.post(&repeated, &body).await).await, [ONE, TWO]);
    let bare = server.request("POST", &repeated).send().await.unwrap();
    assert_eq!(ids(bare).await, [ONE, TWO]);
    let csv = server.post(&format!("{path}?output-format=csv"), &body).await;
    assert_eq!(csv.text().await.unwrap(), format!("r:diaObjectId\n{ONE}\n"));
    server.stop().await;
}

#[tokio::test]
async fn a_time_selects_its_measurements() {
    let server = Server::filled().await;
    for time in ["61105.093643486834", "61105.0936434868", "\"61105\"", "61105"] {
        let body = format!(r#"{{"diaObjectId": {ONE}, "midpointMjdTai": {time}}}"#);
        let found = rows(server.post("/api/v1/sources", &body).await).await;
        assert_eq!(found.len(), 1, "{time}");
        assert_eq!(found[0]["r:midpointMjdTai"], TIMES[0]);
        assert_eq!(rows(server.post("/api/v1/fp", &body).await).await.len(), 3, "{time}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_ignored_is_told() {
    let server = Server::filled().await;
    let body = format!(
        r#"{{"diaObjectId": ["{ONE}", "x-y", 99999999999999999999], "columns": "r:nope,r:diaObjectId,é"}}"#
    );
    let answer = server.post("/api/v1/objects", &body).await;
    let told = "no diaObjectId (digits within 64 bits): x-y, 99999999999999999999; unknown columns: r:nope, %C3%A9";
    assert_eq!(header(&answer, "x-diaflight-warning"), told);
    assert_eq!(rows(answer).await, [json!({"r:diaObjectId": ONE})]);
    for (format, body) in [("json", "[]"), ("csv", "\n")] {
        let path = format!("/api/v1/fp?diaObjectId={ONE}&columns=x:y&output-format={format}");
        let answer = server.get(&path).await;
        assert_eq!(header(&answer, "x-diaflight-warning"), "unknown columns: x:y");
        assert_eq!(answer.text().await.unwrap().trim_end(), body.trim_end());
    }
    server.stop().await;
}

#[tokio::test]
async fn without_arguments_a_get_is_told_what_there_is() {
    let server = Server::filled().await;
    for path in ["/api/v1/sources", "/api/v1/objects?", "/api/v1/fp", "/api/v1/schema"] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "content-type")),
            (200, "text/plain; charset=utf-8")
        );
        let text = answer.text().await.unwrap();
        assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true), "{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let server = Server::filled().await;
    let path = format!("/api/v1/sources?diaObjectId={ONE}&output-format=csv");
    let (get, head) =
        (server.get(&path).await, server.request("HEAD", &path).send().await.unwrap());
    assert_eq!(head.status(), 200);
    for name in ["content-type", "content-length", "etag", "content-disposition"] {
        assert_eq!(header(&head, name), header(&get, name), "{name}");
    }
    assert!(head.bytes().await.unwrap().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn large_answers_are_compressed_when_asked() {
    let warehouse = warehouse();
    let objects: Vec<_> = (1..1000).collect();
    fill_table(&warehouse, Table::Sources, &objects).await;
    let server = Server::over(&warehouse).await;
    let ids = serde_json::to_string(&objects).unwrap();
    for format in Format::ALL {
        let body = format!(r#"{{"diaObjectId": {ids}, "output-format": "{}"}}"#, format.name());
        let plain = server.post("/api/v1/sources", &body).await;
        assert_eq!(header(&plain, "content-encoding"), "", "{format:?}");
        let plain = plain.bytes().await.unwrap();
        for coding in ["gzip", "zstd"] {
            let request =
                server.request("POST", "/api/v1/sources").header("Accept-Encoding", coding);
            let request = request.header("Content-Type", "application/json").body(body.clone());
            let answer = request.send().await.unwrap();
            let expected = if format == Format::Parquet { "" } else { coding };
            assert_eq!(header(&answer, "content-encoding"), expected, "{format:?}");
            let is_weak = header(&answer, "etag").starts_with("W/");
            assert_eq!(is_weak, !expected.is_empty(), "{format:?}: other bytes, the same rows");
            let length = answer.bytes().await.unwrap().len();
            assert!(format == Format::Parquet || length < plain.len() / 2, "{format:?} {length}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let warehouse = warehouse();
    fill(&warehouse).await;
    let server = Server::over(&warehouse).await;
    let path = format!("/api/v1/sources?diaObjectId={ONE},{TWO}&columns=r:diaSourceId");
    let tag = header(&server.get(&path).await, "etag").to_string();
    let again = async |path: &str, tags: &str| {
        let request = server.request("GET", path).header("If-None-Match", tags);
        request.send().await.unwrap()
    };
    let same = format!(
        "/api/v1/sources?columns=r:diaSourceId&diaObjectId=+{TWO}&objectId={ONE}&output-format=json"
    );
    for (path, tags) in
        [(&path, tag.clone()), (&same, format!("\"x\", {tag}")), (&path, "*".into())]
    {
        let answer = again(path, &tags).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "etag")), (304, tag.as_str()));
        assert_eq!(header(&answer, "x-diaflight-snapshot"), "0");
        assert_eq!(header(&answer, "cache-control"), "no-cache");
        assert!(answer.bytes().await.unwrap().is_empty());
    }
    for other in
        ["&output-format=csv", "&columns=r:psfFlux", "&midpointMjdTai=61105", "&diaObjectId=1"]
    {
        assert_eq!(again(&format!("{path}{other}"), &tag).await.status(), 200, "{other}");
    }
    fill_table(&warehouse, Table::Sources, &[TWO]).await;
    let newer = loop {
        let answer = again(&path, &tag).await;
        if answer.status() == 200 {
            break answer;
        }
    };
    assert_eq!(header(&newer, "x-diaflight-snapshot"), "1");
    assert_ne!(header(&newer, "etag"), tag);
    let older = again(&format!("{path}&as_of=0"), "\"x\"").await;
    assert_eq!(header(&older, "x-diaflight-snapshot"), "0");
    assert_eq!((rows(newer).await.len(), rows(older).await.len()), (9, 6));
    assert_eq!(again(&format!("{path}&as_of=0"), &tag).await.status(), 304);
    server.stop().await;
}

#[tokio::test]
async fn the_plan_is_explained_on_demand() {
    let server = Server::filled().await;
    for table in Table::ALL {
        let path = format!("/api/v1/{}?diaObjectId={ONE}&explain=true", table.name());
        let answer = server.get(&path).await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "content-type")),
            (200, "text/plain; charset=utf-8")
        );
        let text = answer.text().await.unwrap();
        assert!(text.contains("SELECT") && text.contains(&ONE.to_string()), "{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_schema_names_what_is_served() {
    let server = Server::filled().await;
    let post = server.post("/api/v1/schema", r#"{"endpoint": "/api/v1/fp"}"#).await;
    let get = server.get("/api/v1/schema?endpoint=/api/v1/fp").await;
    assert_eq!(header(&post, "content-type"), "application/json");
    let (post, get) = (post.bytes().await.unwrap(), get.bytes().await.unwrap());
    assert_eq!(post, get);
    let post: Value = serde_json::from_slice(&post).unwrap();
    let rubin = post["LSST original fields (r:)"].as_object().unwrap();
    let names: Vec<_> = rubin.keys().cloned().collect();
    assert_eq!(names, ["diaForcedSourceId", "diaObjectId", "midpointMjdTai", "psfFlux"]);
    assert_eq!(rubin["midpointMjdTai"]["type"], "double");
    assert!(rubin.values().all(|entry| entry["doc"].is_string()));
    let fink = post["Fink science module outputs (f:)"].as_object().unwrap();
    assert_eq!(fink["main_label_classifier"]["type"], "string");
    server.stop().await;
}

#[tokio::test]
async fn what_happened_is_counted() {
    let server = Server::filled().await;
    let answer = server.get(&format!("/api/v1/fp?diaObjectId={ONE}&output-format=csv")).await;
    let bytes = answer.bytes().await.unwrap().len();
    assert_eq!(server.get("/nothing/here").await.status(), 404);
    let answer = server.get("/metrics").await;
    assert!(header(&answer, "content-type").starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    for line in [
        r#"diaflight_requests_total{endpoint="/api/v1/fp",status="200"} 1"#.to_string(),
        r#"diaflight_requests_total{endpoint="unknown",status="404"} 1"#.into(),
        r#"diaflight_rows_total{endpoint="/api/v1/fp"} 3"#.into(),
        format!(r#"diaflight_sent_bytes_total{{endpoint="/api/v1/fp"}} {bytes}"#),
        "diaflight_index_files 3".into(),
        "diaflight_plans_made_total 1".into(),
        "diaflight_footer_cache_entries 0".into(),
        "# EOF".into(),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    server.stop().await;
}
