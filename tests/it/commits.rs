//! Commits in storage that fails: what may have been committed keeps its files, and the command, run again, completes.

use std::process::{Command, Stdio};

use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use tempfile::tempdir;

use crate::alerts::{Alert, packets};
use crate::answers::assert_same;
use crate::faults::{Fault, Proxy};
use crate::nights::{self, OBJECTS};
use crate::program::{Finished, diaflight, finish};
use crate::s3::{served, served_from_a_folder};
use crate::seaweed::Bucket;

fn command(proxy: &Proxy, warehouse: &str, arguments: &[&str]) -> Command {
    let mut command = diaflight();
    command.args(arguments).args(["--warehouse", warehouse]).envs(proxy.variables());
    command
}

fn ran(proxy: &Proxy, warehouse: &str, arguments: &[&str]) -> Finished {
    finish(&mut command(proxy, warehouse, arguments))
}

/// The entry of a version in a table's log.
fn entry(table: &str, version: u64) -> String {
    format!("/{table}/_delta_log/{version:020}.json")
}

/// The next commit of this entry happens, and its maker is not told: neither by the answer nor by reading it back.
fn hide(proxy: &Proxy, entry: &str) {
    proxy.fail("PUT", entry, 1, Fault::LoseAnswer);
    proxy.fail("GET", entry, 99, Fault::Refuse);
}

fn assert_unknown(finished: &Finished, table: &str, version: u64) {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let unknown = format!("it is not known whether version {version} was committed");
    for said in [table, &unknown, "run this again"] {
        assert!(finished.stderr.contains(said), "{said}: {finished:?}");
    }
}

#[tokio::test]
async fn an_ingest_whose_commit_is_not_known_keeps_its_files() {
    let bucket = Bucket::create("unknown-ingest").await;
    let (proxy, folder) = (Proxy::of(&bucket), tempdir().unwrap());
    let [first, second] = nights::write(folder.path());
    let expected = served_from_a_folder(&[first.clone(), second.clone()], &OBJECTS).await;
    for table in ["sources", "fp", "objects"] {
        let warehouse = bucket.url(table);
        ran(&proxy, &warehouse, &["ingest", &first]).succeeded();
        hide(&proxy, &format!("/{table}{}", entry(table, 1)));
        assert_unknown(&ran(&proxy, &warehouse, &["ingest", &second]), table, 1);
        proxy.heal();
        let sql = format!("SELECT count(\"diaObjectId\" + 0) FROM {table}");
        ran(&proxy, &warehouse, &["sql", &sql]).succeeded();
        ran(&proxy, &warehouse, &["ingest", &second]).succeeded();
        assert_same(&served(&bucket, &warehouse, &OBJECTS).await, &expected);
    }
}

#[tokio::test]
async fn a_compaction_whose_commit_is_not_known_keeps_its_files() {
    let bucket = Bucket::create("unknown-compaction").await;
    let (proxy, folder) = (Proxy::of(&bucket), tempdir().unwrap());
    let warehouse = bucket.url("w");
    for night in nights::write(folder.path()) {
        ran(&proxy, &warehouse, &["ingest", &night]).succeeded();
    }
    let before = served(&bucket, &warehouse, &OBJECTS).await;
    hide(&proxy, &entry("sources", 2));
    assert_unknown(&ran(&proxy, &warehouse, &["maintain", "compact"]), "sources", 2);
    proxy.heal();
    assert_same(&served(&bucket, &warehouse, &OBJECTS).await, &before);
    ran(&proxy, &warehouse, &["maintain", "compact"]).succeeded();
    assert_same(&served(&bucket, &warehouse, &OBJECTS).await, &before);
}

#[tokio::test]
async fn a_survey_whose_commit_is_not_known_is_completed() {
    let bucket = Bucket::create("unknown-survey").await;
    let proxy = Proxy::of(&bucket);
    let generate = ["generate", "--objects", "20", "--seed", "3"];
    let count = ["sql", "--format", "csv", "SELECT count(psfFlux + 0) FROM fp"];
    let alone = bucket.url("alone");
    ran(&proxy, &alone, &generate).succeeded();
    let expected = ran(&proxy, &alone, &count).succeeded().stdout;
    let warehouse = bucket.url("w");
    hide(&proxy, &format!("/w{}", entry("fp", 0)));
    assert_unknown(&ran(&proxy, &warehouse, &generate), "fp", 0);
    proxy.heal();
    let other = ["generate", "--objects", "20", "--seed", "4"];
    let refused = ran(&proxy, &warehouse, &other);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    ran(&proxy, &warehouse, &generate).succeeded();
    assert_eq!(ran(&proxy, &warehouse, &count).succeeded().stdout, expected);
    assert_eq!(ran(&proxy, &warehouse, &generate).code, Some(2));
}

#[tokio::test]
async fn a_lost_answer_is_made_up_for_by_the_log() {
    let bucket = Bucket::create("lost-answer").await;
    let (proxy, folder) = (Proxy::of(&bucket), tempdir().unwrap());
    let [first, second] = nights::write(folder.path());
    let expected = served_from_a_folder(&[first.clone(), second.clone()], &OBJECTS).await;
    for (name, fault) in [("said", Fault::LoseAnswer), ("hung", Fault::HangUp)] {
        let warehouse = bucket.url(name);
        for version in [0, 1] {
            for table in ["sources", "fp", "objects"] {
                proxy.fail("PUT", &entry(table, version), 1, fault);
            }
        }
        for night in [&first, &second] {
            ran(&proxy, &warehouse, &["ingest", night]).succeeded();
        }
        assert_same(&served(&bucket, &warehouse, &OBJECTS).await, &expected);
    }
}

#[tokio::test]
async fn a_failed_commit_leaves_no_files() {
    let bucket = Bucket::create("failed-commit").await;
    let (proxy, folder) = (Proxy::of(&bucket), tempdir().unwrap());
    let warehouse = bucket.url("w");
    let [first, second] = nights::write(folder.path());
    ran(&proxy, &warehouse, &["ingest", &first]).succeeded();
    ran(&proxy, &warehouse, &["ingest", &second]).succeeded();
    let before = files(&bucket).await;
    let third = [Alert::new(OBJECTS[2], 170098849600000003, 61107.1)];
    let third = nights::write_packets(folder.path(), "third.avro", &packets(&third));
    for arguments in [["maintain", "compact"], ["ingest", &third]] {
        // A file cannot be written, another's then goes; or no file can be found.
        for (method, pattern) in [("PUT", "/w/sources/part-"), ("HEAD", "/w/sources/part-")] {
            proxy.fail(method, pattern, 99, Fault::Refuse);
            let failed = ran(&proxy, &warehouse, &arguments);
            assert_eq!(failed.code, Some(1), "{failed:?}");
            proxy.heal();
            assert_eq!(files(&bucket).await, before, "{arguments:?} {method}");
        }
    }
}

async fn files(bucket: &Bucket) -> Vec<Path> {
    let (store, all) = (bucket.store(), Path::from("w"));
    let objects = store.list(Some(&all)).try_collect::<Vec<_>>().await.unwrap();
    let files = objects.into_iter().map(|object| object.location);
    // Places are committed before their sources, and do no harm without them.
    let is_place = |file: &Path| file.prefix_matches(&Path::from("w/places"));
    let mut files: Vec<_> = files.filter(|file| !is_place(file)).collect();
    files.sort();
    files
}

/// The ingest has written its files, all but the last, when vacuum comes by.
#[tokio::test]
async fn vacuum_spares_an_ingest_under_way() {
    let bucket = Bucket::create("beside-vacuum").await;
    let (proxy, folder) = (Proxy::of(&bucket), tempdir().unwrap());
    let warehouse = bucket.url("w");
    let [first, second] = nights::write(folder.path());
    ran(&proxy, &warehouse, &["ingest", &first]).succeeded();
    proxy.fail("PUT", "/w/objects/part-", 1, Fault::Hold);
    let mut ingest = command(&proxy, &warehouse, &["ingest", &second]);
    let written = proxy.count("PUT", "/w/objects/part-");
    let mut ingest = ingest.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    proxy.wait_for_more("PUT", "/w/objects/part-", written, &mut ingest);
    let vacuum = ["maintain", "vacuum", "--json", "--grace-hours", "0"];
    let vacuumed = ran(&proxy, &warehouse, &vacuum).succeeded().json();
    assert_eq!(vacuumed["sources"]["files_deleted"], 0, "{vacuumed}");
    proxy.heal();
    assert!(ingest.wait().unwrap().success());
    let expected = served_from_a_folder(&[first, second], &OBJECTS).await;
    assert_same(&served(&bucket, &warehouse, &OBJECTS).await, &expected);
}
