//! Versions by time: that of the commits, which a copy of a table keeps.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::*;

fn entry(warehouse: &Warehouse, version: u64) -> PathBuf {
    let folder = warehouse.location().url.to_file_path().unwrap();
    folder.join(format!("sources/_delta_log/{version:020}.json"))
}

fn dated(path: &PathBuf, time: SystemTime) {
    std::fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Rewrites what a commit says of itself; `None` takes it out.
fn said(warehouse: &Warehouse, version: u64, info: Option<Value>) {
    let path = entry(warehouse, version);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<_> = text.lines().filter(|line| !line.contains("commitInfo")).collect();
    let info = info.map(|info| serde_json::json!({ "commitInfo": info }).to_string());
    lines.extend(info.as_deref());
    std::fs::write(&path, lines.join("\n")).unwrap();
}

async fn version_at(warehouse: &Warehouse, time: &str) -> Result<u64, String> {
    let as_of = AsOf::parse(time).unwrap();
    let snapshot = warehouse.snapshot(Table::Sources, Some(&as_of)).await;
    snapshot.map(|snapshot| snapshot.unwrap().version).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_time_is_that_of_the_commit_whatever_its_file_says() {
    let (_folder, warehouse) = on_disk();
    for version in 0..6 {
        append(&warehouse, &sources(version * 10 + 1, 5, 1)).await;
    }
    // As a copy does it, in no order.
    for version in 0..6 {
        let copied = SystemTime::now() + Duration::from_secs(86_400 * ((version * 5) % 6));
        let millis = 1_700_000_000_000_i64 + version as i64 * 60_000;
        said(&warehouse, version, Some(serde_json::json!({ "timestamp": millis })));
        dated(&entry(&warehouse, version), copied);
    }
    let time = |seconds: i64| DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap();
    for (seconds, version) in [(0, 0), (59, 0), (60, 1), (179, 2), (180, 3), (299, 4), (9999, 5)] {
        let found = version_at(&warehouse, &time(seconds).to_rfc3339()).await;
        assert_eq!(found, Ok(version), "{seconds} s");
    }
    let before = version_at(&warehouse, &time(-1).to_rfc3339()).await.unwrap_err();
    assert!(before.contains("it has 0 (2023-11-14T22:13:20Z) to 5"), "{before}");
}

#[tokio::test]
async fn the_time_in_the_commit_comes_before_that_of_its_writer_and_of_its_file() {
    let (_folder, warehouse) = on_disk();
    for version in 0..3 {
        append(&warehouse, &sources(version * 10 + 1, 5, 1)).await;
    }
    let at = |seconds: i64| 1_700_000_000_000 + seconds * 1000;
    said(
        &warehouse,
        0,
        Some(serde_json::json!({ "inCommitTimestamp": at(0), "timestamp": at(900) })),
    );
    said(&warehouse, 1, None);
    dated(
        &entry(&warehouse, 1),
        SystemTime::from(DateTime::<Utc>::from_timestamp_millis(at(60)).unwrap()),
    );
    said(&warehouse, 2, Some(serde_json::json!({ "timestamp": at(120), "operation": "WRITE" })));
    for (time, version) in [
        ("2023-11-14T22:13:21Z", 0),
        ("2023-11-14T22:14:19Z", 0),
        ("2023-11-14T22:14:21Z", 1),
        ("2023-11-14T22:15:21Z", 2),
    ] {
        assert_eq!(version_at(&warehouse, time).await, Ok(version), "{time}");
    }
}

/// Clocks of writers differ: a commit is never earlier than one before it, and one clock does not date those after it.
#[tokio::test]
async fn times_never_go_back_from_version_to_version() {
    let (_folder, warehouse) = on_disk();
    for version in 0..6 {
        append(&warehouse, &sources(version * 10 + 1, 5, 1)).await;
    }
    let (day, start) = (86_400_i64, 1_700_000_000_i64);
    // What each commit says, and when its file was written: both in days.
    for (version, said_at, written) in
        [(0, 0, 0), (1, 2, 2), (2, 1, 3), (3, 900, 4), (4, -9000, 5), (5, 6, 6)]
    {
        let millis = (start + said_at * day) * 1000;
        said(&warehouse, version, Some(serde_json::json!({ "timestamp": millis })));
        let written = DateTime::<Utc>::from_timestamp(start + written * day, 0).unwrap();
        dated(&entry(&warehouse, version), SystemTime::from(written));
    }
    let halves =
        [(0, 0), (1, 0), (3, 0), (4, 2), (5, 2), (7, 2), (8, 4), (11, 4), (12, 5), (99, 5)];
    for (half_days, version) in halves {
        let time = DateTime::from_timestamp(start + half_days * day / 2, 0).unwrap();
        assert_eq!(version_at(&warehouse, &time.to_rfc3339()).await, Ok(version), "{half_days}");
    }
}
