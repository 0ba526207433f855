//! Readers of standard output or the log that stall or close the pipe.

use std::io::{BufRead, BufReader};

use super::process::Process;

/// More lines than a pipe and those that may wait for it take.
const REQUESTS: usize = 2500;

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_log_that_stalls_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start(&["demo", "--warehouse", folder.path().to_str().unwrap()]);
    server.ready().await;
    for _ in 0..REQUESTS {
        assert_eq!(server.get("/openapi.json").await.unwrap().status(), 200);
    }
    let metrics = server.get("/metrics").await.unwrap().text().await.unwrap();
    let dropped =
        metrics.lines().find_map(|line| line.strip_prefix("diaflight_log_lines_dropped_total "));
    assert!(dropped.unwrap().parse::<u64>().unwrap() > 0, "{metrics}");
    let log = BufReader::new(server.child.stderr.take().unwrap()).lines();
    let told = log.map_while(Result::ok).find(|line| line.contains("the log dropped lines"));
    let told: serde_json::Value = serde_json::from_str(&told.unwrap()).unwrap();
    assert!(told["fields"]["lines"].as_u64().unwrap() > 0, "{told}");
    assert_eq!(server.get("/health/live").await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_leave_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start(&["demo", "--warehouse", folder.path().to_str().unwrap()]);
    drop((server.child.stdout.take(), server.child.stderr.take()));
    server.ready().await;
    for _ in 0..20 {
        assert_eq!(server.get("/api/v1/schema").await.unwrap().status(), 200);
    }
    assert!(server.end().success());
}

#[test]
fn who_fails_where_nobody_reads_says_so_by_its_exit_code() {
    let mut command = crate::program::diaflight();
    command.arg("frobnicate").stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}
