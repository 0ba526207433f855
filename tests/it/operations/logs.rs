//! The log finds a request again: who asked, for what, and how long each part of it took.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::tempdir;

use super::{serve, survey};
use crate::program::{diaflight, finish};
use crate::server::Server;

/// The lines of requests for a path, once there are as many.
async fn lines(server: &Server, path: &str, count: usize) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let lines = server.log();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Vec<_> = lines.filter(|line| line["fields"]["path"] == path).collect();
        if found.len() >= count {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{path}: {}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_request_is_found_by_its_client_and_arguments() {
    let place = tempdir().unwrap();
    let warehouse = survey(place.path());
    let mut command = serve(&warehouse);
    let server = Server::start(command.args(["--trusted-proxies", "127.0.0.1", "--slow-ms", "0"]));
    server.ready().await;
    let statement = "SELECT diaObjectId FROM objects";
    let sql = ["sql", "--server", &server.url, "--format", "csv", statement];
    let rows = finish(diaflight().args(sql)).succeeded().stdout;
    let (id, objects) = (rows.lines().nth(1).unwrap(), rows.lines().count() - 1);

    let path = "/api/v1/sources";
    let client = reqwest::Client::new();
    let forwarded = client
        .get(format!("{}{path}?diaObjectId={id}&columns=r:band", server.url))
        .header("x-forwarded-for", "203.0.113.7");
    let sent = forwarded.send().await.unwrap().bytes().await.unwrap().len();
    server.post(path, &json!({"diaObjectId": id})).await.bytes().await.unwrap();

    let [get, post] = &lines(&server, path, 2).await[..] else { panic!("not two lines") };
    assert_eq!(
        (&get["level"], &get["fields"]["message"]),
        (&json!("WARN"), &json!("answered slowly"))
    );
    assert_eq!(get["fields"]["client"], "203.0.113.7");
    assert_eq!(post["fields"]["client"], "127.0.0.1");
    assert_eq!(get["span"]["asked"], format!("diaObjectId={id}&columns=r:band"));
    assert_eq!(post["span"]["asked"], json!({"diaObjectId": id}).to_string());
    assert_eq!(get["fields"]["bytes"], sent);
    for line in [get, post] {
        assert!(line["fields"]["rows"].as_u64().unwrap() > 0, "{line}");
        let stages =
            [&line["span"]["planned_s"], &line["fields"]["first_s"], &line["fields"]["seconds"]];
        let stages = stages.map(|time| time.as_f64().unwrap_or_else(|| panic!("{line}")));
        assert!(stages.is_sorted(), "{line}");
    }

    let read = lines(&server, "/arrow.flight.protocol.FlightService/DoGet", 1).await;
    assert_eq!(read[0]["span"]["asked"], statement);
    assert_eq!(read[0]["fields"]["rows"], objects);
}

#[tokio::test]
async fn what_watches_the_server_is_not_in_its_log() {
    let place = tempdir().unwrap();
    let server = Server::start(&mut serve(&survey(place.path())));
    server.ready().await;
    for path in ["/health/live", "/metrics", "/api/v1/schema"] {
        server.get(path).await;
    }
    let seen = lines(&server, "/api/v1/schema", 1).await;
    assert_eq!(seen[0]["level"], "INFO");
    for path in ["/health/live", "/health/ready", "/metrics"] {
        let logged = lines(&server, path, 0).await;
        assert!(logged.iter().all(|line| line["fields"]["status"] != "200"), "{logged:?}");
    }
}

#[tokio::test]
async fn a_log_file_is_opened_anew_when_it_was_renamed() {
    let place = tempdir().unwrap();
    let [log, old] = ["log", "log.1"].map(|name| place.path().join(name));
    let mut command = serve(&survey(place.path()));
    let server = Server::start(command.arg("--log-file").arg(&log));
    server.ready().await;
    fs::rename(&log, &old).unwrap();
    server.signal("HUP");
    let start = Instant::now();
    while !log.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", fs::read_to_string(&old).unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.get("/api/v1/schema").await;
    assert_eq!(server.log(), "");
    let wrong = finish(diaflight().args(["sql", "--log-file", "/no/such/folder/log", "SELECT 1"]));
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("--log-file /no/such/folder/log"), "{}", wrong.stderr);
}
