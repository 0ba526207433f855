//! New sources as they are committed: the events of `/api/v1/stream`, and the Flight ticket that goes on.

mod ends;
mod events;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use diaflight::ingest::{IngestOptions, ingest};
use diaflight::schema::Table;
use diaflight::warehouse::{AsOf, Doomed, MergePolicy, VacuumOptions, Warehouse};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::alerts::{Alert, Layout, packets};
use crate::nights::{save, write_packets};
use crate::python;
use crate::server::Server;
use events::{Events, Told};

/// A warehouse that gets alerts while it is served.
struct Night {
    folder: TempDir,
}

impl Night {
    /// With the sources 1001 and 2001, of the objects 1 and 2.
    async fn begun() -> Self {
        let night = Self { folder: tempdir().unwrap() };
        night.ingest(&[(1, 1001), (2, 2001)]).await;
        night
    }

    fn url(&self) -> String {
        self.folder.path().join("warehouse").to_str().unwrap().to_string()
    }

    fn warehouse(&self) -> Warehouse {
        Warehouse::open(&self.url()).unwrap()
    }

    async fn served(&self, more: &[(&str, &str)]) -> Server {
        let quickly = [("DIAFLIGHT_REFRESH_MS", "20")];
        let variables = quickly.iter().chain(more);
        let variables: Vec<_> = variables.map(|(name, value)| (*name, value.to_string())).collect();
        Server::serve(&self.url(), &variables).await
    }

    /// Ingests an alert of each object, with the id of its source.
    async fn ingest(&self, alerts: &[(i64, i64)]) {
        let alerts: Vec<_> = alerts.iter().map(|(object, id)| alert(*object, *id)).collect();
        let path = write_packets(self.folder.path(), "night.avro", &packets(&alerts));
        self.ingest_file(path).await;
    }

    async fn ingest_file(&self, path: String) {
        ingest(&self.warehouse(), &[path], &IngestOptions::default(), &|_| ()).await.unwrap();
    }

    async fn version(&self) -> u64 {
        self.warehouse().snapshot(Table::Sources, None).await.unwrap().unwrap().version
    }

    async fn compact(&self) {
        self.warehouse().compact(Table::Sources, &MergePolicy::DEFAULT).await.unwrap();
    }
}

fn alert(object: i64, id: i64) -> Alert {
    Alert::new(object, id, 61000.0 + (id % 1000) as f64)
}

async fn rows(server: &Server, arguments: &str) -> Vec<Value> {
    let answer = server.get(&format!("/api/v1/sources?{arguments}")).await.text().await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

fn ids(told: &Told) -> BTreeSet<i64> {
    let ids = told.rows.iter().map(|row| row["r:diaSourceId"].as_i64().unwrap());
    let unique: BTreeSet<_> = ids.clone().collect();
    assert_eq!(unique.len(), ids.count(), "no row comes twice: {told:?}");
    unique
}

#[tokio::test(flavor = "multi_thread")]
async fn new_sources_come_as_they_are_committed() {
    let night = Night::begun().await;
    let server = night.served(&[]).await;
    let mut all = Events::open(&server, "columns=*", None).await;
    let mut one = Events::open(&server, "diaObjectId=2&columns=r:diaSourceId", None).await;
    let filter = "filter=psfFlux%20%3C%203&columns=r:diaSourceId,r:psfFlux";
    let mut faint = Events::open(&server, filter, None).await;
    let begin = all.version().await;
    assert_eq!((begin.rows.len(), begin.version), (0, night.version().await));
    for stream in [&mut one, &mut faint] {
        assert!(stream.version().await.rows.is_empty());
    }
    night.ingest(&[(1, 1002), (2, 2004), (3, 3002)]).await;
    let first = all.version().await;
    assert_eq!(ids(&first), [1002, 2004, 3002].into());
    let columns: BTreeSet<_> = first.rows[0].as_object().unwrap().keys().cloned().collect();
    let asked = rows(&server, "diaObjectId=1").await;
    assert_eq!(columns, asked[0].as_object().unwrap().keys().cloned().collect());
    assert_eq!(asked[0], first.rows[0], "the newest source of the first object");
    assert_eq!(one.version().await.rows, [json!({"r:diaSourceId": 2004})]);
    assert_eq!(ids(&faint.version().await), [1002, 3002].into());
    // Neither what is there already nor a compaction is told.
    night.ingest(&[(1, 1002)]).await;
    night.compact().await;
    // Enriched packets replace: their rows are new, and those beside them are not.
    let enriched = packets(&[alert(1, 1002), alert(4, 4005)]);
    let enriched = Layout::enriched().avro(&enriched, None, 2);
    night.ingest_file(save(night.folder.path(), "enriched.avro", &enriched)).await;
    let ended = all.next().await;
    // Enriched alerts have more columns.
    assert_eq!(ended.name, "failed");
    assert!(ended.data["text"].as_str().unwrap().contains("other columns"), "{ended:?}");
    let second = one.version().await;
    assert_eq!((second.rows.len(), second.version), (0, night.version().await));
    assert_eq!(ids(&faint.version().await), [1002].into());

    // Whoever was away goes on after the last version that it knows.
    let mut again = Events::open(&server, "columns=r:diaSourceId", Some(&begin.id)).await;
    assert_eq!(again.version().await.version, begin.version);
    assert_eq!(ids(&again.version().await), [1002, 2004, 3002].into());
    assert_eq!(ids(&again.version().await), [1002, 4005].into());
    let since = format!("columns=r:diaSourceId&since={}", first.version);
    let mut since = Events::open(&server, &since, None).await;
    assert_eq!(since.version().await.id, first.id);
    assert_eq!(ids(&since.version().await), [1002, 4005].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_said_to_be_missed() {
    let night = Night::begun().await;
    night.ingest(&[(1, 1002)]).await;
    night.ingest(&[(1, 1003)]).await;
    night.compact().await;
    night
        .warehouse()
        .vacuum(Table::Sources, &VacuumOptions { grace: Duration::ZERO })
        .await
        .unwrap();
    let kept = night.version().await;
    night.ingest(&[(1, 1004)]).await;
    let before = night.version().await;
    night.warehouse().delete(&Doomed::Object(2), false).await.unwrap();
    let restored = [Table::Sources];
    night.warehouse().restore(&restored, &AsOf::Version(before), false).await.unwrap();
    let server = night.served(&[]).await;
    let mut events = Events::open(&server, "columns=r:diaSourceId&since=0", None).await;
    assert_eq!(events.version().await.version, 0);
    let missed = events.next().await;
    assert_eq!((missed.name.as_str(), &missed.data["from"]), ("missed", &json!(1)));
    assert!(missed.data["to"].as_u64().unwrap() <= kept, "{missed:?}");
    assert!(missed.data["why"].as_str().unwrap().contains("vacuum"), "{missed:?}");
    assert_eq!(ids(&events.version().await), [1004].into());
    let missed = events.next().await;
    assert_eq!(
        missed.data["from"],
        night.version().await,
        "of the delete there is nothing to tell"
    );
    assert!(missed.data["why"].as_str().unwrap().contains("of before"), "{missed:?}");
    night.ingest(&[(1, 1005)]).await;
    assert_eq!(ids(&events.version().await), [1005].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_the_place_of_another_is_not_taken_for_it() {
    let (night, other) = (Night::begun().await, Night::begun().await);
    night.ingest(&[(1, 1002)]).await;
    let server = night.served(&[]).await;
    let mut events = Events::open(&server, "diaObjectId=1", None).await;
    let known = events.version().await.id;
    for number in 2..6 {
        other.ingest(&[(1, 1000 + number)]).await;
    }
    fs::remove_dir_all(night.url()).unwrap();
    fs::rename(other.url(), night.url()).unwrap();
    let failed = events.next().await;
    assert_eq!(failed.name, "failed");
    assert!(failed.data["text"].as_str().unwrap().contains("created anew"), "{failed:?}");
    let refused = events::ask(&server, "diaObjectId=1", Some(&known)).await;
    assert_eq!(refused.status(), 410);
}

/// pyarrow reads what goes on, and goes on where it was.
#[tokio::test(flavor = "multi_thread")]
async fn flight_goes_on_too() {
    let night = Night::begun().await;
    let server = night.served(&[("DIAFLIGHT_TOKEN", "s3same")]).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/flight_stream.py");
    let (url, warehouse) = (server.url.replace("http", "grpc"), night.url());
    let nights = [&[(1, 1002), (2, 2002)][..], &[(1, 1003)], &[(2, 2004)]];
    let nights: Vec<_> = nights
        .iter()
        .zip(["a", "b", "c"])
        .map(|(alerts, name)| {
            let alerts: Vec<_> = alerts.iter().map(|(object, id)| alert(*object, *id)).collect();
            write_packets(night.folder.path(), &format!("{name}.avro"), &packets(&alerts))
        })
        .collect();
    let program = env!("CARGO_BIN_EXE_diaflight");
    let arguments: Vec<_> =
        [&url, program, &warehouse].into_iter().chain(nights.iter().map(String::as_str)).collect();
    let printed = tokio::task::spawn_blocking({
        let arguments: Vec<_> = arguments.iter().map(|one| one.to_string()).collect();
        move || {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            python::run(&script, &arguments, &[])
        }
    });
    assert_eq!(printed.await.unwrap(), "1002 2002\n1003\n2004\n1003 2004\n2004\n");
}
