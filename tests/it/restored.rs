//! Tables that a backup replaces while they are served: what is there now is served, nothing of what is lost, and no part of a backup.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::tempdir;

use crate::alerts::{Alert, packets};
use crate::nights;
use crate::program::{diaflight, run};
use crate::server::Server;

const ROWS: &str = "/api/v1/sources?diaObjectId=5&columns=r:diaSourceId";

/// Ingests one source of object 5.
fn ingest(warehouse: &Path, source: i64) {
    let folder = tempdir().unwrap();
    let alert = Alert::new(5, source, 61000.0 + source as f64).with_forced(source, 61000.0);
    let night = nights::write_packets(folder.path(), "night.avro", &packets(&[alert]));
    run(["ingest", "--warehouse", warehouse.to_str().unwrap(), &night]).succeeded();
}

/// Copies a folder, as a backup does: its files keep their times.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn serve(warehouse: &Path) -> Server {
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--refresh-ms", "20", "--warehouse"]);
    Server::start(command.arg(warehouse))
}

async fn ids(server: &Server, path: &str) -> Option<Vec<i64>> {
    let answer = server.get(path).await;
    let found: Vec<Value> = match answer.status().as_u16() {
        200 => serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
        _ => return None,
    };
    Some(found.iter().map(|row| row["r:diaSourceId"].as_i64().unwrap()).collect())
}

async fn until(server: &Server, expected: &[i64]) {
    while ids(server, ROWS).await.as_deref() != Some(expected) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_backup_is_followed_and_what_came_after_it_is_gone() {
    let folder = tempdir().unwrap();
    let [warehouse, backup] = ["w", "backup"].map(|name| folder.path().join(name));
    ingest(&warehouse, 1);
    copy(&warehouse, &backup);
    ingest(&warehouse, 2);
    ingest(&warehouse, 3);
    let server = serve(&warehouse);
    server.ready().await;
    assert_eq!(ids(&server, ROWS).await.unwrap(), [3, 2, 1]);
    // These versions are held ready from now on.
    let as_of = |version: u64| format!("{ROWS}&as_of={version}");
    assert_eq!(ids(&server, &as_of(1)).await.unwrap(), [2, 1]);
    let tag = server.get(&as_of(1)).await.headers()["etag"].clone();

    fs::rename(&warehouse, folder.path().join("lost")).unwrap();
    copy(&backup, &warehouse);
    until(&server, &[1]).await;
    assert_eq!(ids(&server, &as_of(0)).await.unwrap(), [1]);
    assert_eq!(server.get(&as_of(1)).await.status(), 400);
    let sql =
        ["sql", "--server", &server.url, "--format", "csv", "SELECT count(*) AS n FROM sources"];
    assert_eq!(run(sql).succeeded().stdout, "n\n1\n");
    server.ready().await;

    // The same version again, of the same table, with other rows.
    ingest(&warehouse, 4);
    until(&server, &[4, 1]).await;
    let again = server.get(&as_of(1)).await;
    assert_ne!(again.headers()["etag"], tag);
    assert_eq!(ids(&server, &as_of(1)).await.unwrap(), [4, 1]);
}

/// The backup comes back and is written again between two looks, so the server sees only a newer version.
#[tokio::test]
async fn a_backup_that_has_grown_past_the_lost_versions_is_followed() {
    let folder = tempdir().unwrap();
    let [warehouse, backup] = ["w", "backup"].map(|name| folder.path().join(name));
    ingest(&warehouse, 1);
    copy(&warehouse, &backup);
    ingest(&warehouse, 2);
    let server = serve(&warehouse);
    server.ready().await;
    let as_of = format!("{ROWS}&as_of=1");
    assert_eq!(ids(&server, &as_of).await.unwrap(), [2, 1]);
    ingest(&backup, 3);
    ingest(&backup, 4);
    // Held, since version 2 follows it.
    ingest(&warehouse, 9);
    until(&server, &[9, 2, 1]).await;
    assert_eq!(ids(&server, &as_of).await.unwrap(), [2, 1]);
    ingest(&backup, 5);
    fs::rename(&warehouse, folder.path().join("lost")).unwrap();
    fs::rename(&backup, &warehouse).unwrap();
    until(&server, &[5, 4, 3, 1]).await;
    assert_eq!(ids(&server, &as_of).await.unwrap(), [3, 1]);
}

/// The log of the backup is there, and its files come later.
#[tokio::test]
async fn a_table_that_is_restored_in_part_is_not_shown() {
    let folder = tempdir().unwrap();
    let [warehouse, backup] = ["w", "backup"].map(|name| folder.path().join(name));
    ingest(&warehouse, 1);
    ingest(&warehouse, 2);
    ingest(&backup, 3);
    let server = serve(&warehouse);
    server.ready().await;
    for table in ["objects", "fp", "sources"] {
        let log = warehouse.join(table).join("_delta_log");
        fs::rename(&log, folder.path().join(table)).unwrap();
        copy(&backup.join(table).join("_delta_log"), &log);
    }
    server.logged("is missing: the table is restored in part").await;
    assert_eq!(ids(&server, ROWS).await.unwrap(), [2, 1]);
    while server.get("/health/ready").await.status() != 503 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ids(&server, ROWS).await.unwrap(), [2, 1]);
    for table in ["objects", "fp", "sources"] {
        for file in fs::read_dir(backup.join(table)).unwrap().map(|entry| entry.unwrap().path()) {
            if file.is_file() {
                copy(&file, &warehouse.join(table));
            }
        }
    }
    until(&server, &[3]).await;
    server.ready().await;
}
