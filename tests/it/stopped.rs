//! Commands that are told to stop: they end with the shell's exit code, and leave no uncommitted files.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, SystemTime};

use futures::TryStreamExt;
use object_store::ObjectStore;
use serde_json::Value;
use tempfile::tempdir;

use crate::alerts::{Alert, packets};
use crate::faults::{Fault, Proxy};
use crate::nights;
use crate::program::{diaflight, finish, run, send};
use crate::seaweed::Bucket;

const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends a signal and waits until the program says that it has heard it; what more it says is to be kept.
fn stop(signal: &str, program: &mut Child) -> Lines<BufReader<ChildStderr>> {
    send(signal, program);
    let mut said = BufReader::new(program.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("stopped by signal")));
    said
}

/// Enough to be told to stop on the way.
fn night(folder: &Path, objects: i64, mjd: f64) -> String {
    let alert = |object| {
        let id = object * 1000 + mjd as i64;
        Alert::new(object, id, mjd).with_forced(id, mjd).with_forced(id + 500, mjd - 1.0)
    };
    let alerts: Vec<_> = (1..=objects).map(alert).collect();
    nights::write_packets(folder, &format!("night-{mjd}.avro"), &packets(&alerts))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    files
}

#[tokio::test]
async fn an_ingest_into_a_bucket_that_is_stopped_leaves_nothing() {
    let bucket = Bucket::create("stopped").await;
    let (proxy, folder) = (Proxy::of(&bucket), tempdir().unwrap());
    let [night, _] = nights::write(folder.path());
    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    for (signal, code) in SIGNALS {
        let pattern = format!("/{signal}/objects/part-");
        proxy.fail("PUT", &pattern, 1, Fault::Hold);
        let mut ingest = diaflight();
        ingest.args(["ingest", &night, "--warehouse", &bucket.url(signal), "--temp-dir"]);
        let mut ingest = spawn(ingest.arg(&temporary).envs(proxy.variables()));
        proxy.wait_for_more("PUT", &pattern, 0, &mut ingest);
        let _said = stop(signal, &mut ingest);
        proxy.heal();
        assert_eq!(ingest.wait().unwrap().code(), Some(code));
        let left = bucket.store().list(None).try_collect::<Vec<_>>().await.unwrap();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    }
}

/// The store does not answer: the first signal waits for what is under way, the second for nothing.
#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let bucket = Bucket::create("stopped-twice").await;
    let (proxy, folder) = (Proxy::of(&bucket), tempdir().unwrap());
    let [night, _] = nights::write(folder.path());
    proxy.fail("PUT", "/w/sources/part-", 99, Fault::Hold);
    let mut ingest = diaflight();
    ingest.args(["ingest", &night, "--warehouse", &bucket.url("w")]).envs(proxy.variables());
    let mut ingest = spawn(&mut ingest);
    proxy.wait_for_more("PUT", "/w/sources/part-", 0, &mut ingest);
    let _said = stop("TERM", &mut ingest);
    send("INT", &ingest);
    assert_eq!(ingest.wait().unwrap().code(), Some(130));
}

/// In the middle of a file of many parts.
#[tokio::test]
async fn a_survey_that_is_stopped_aborts_its_uploads() {
    let bucket = Bucket::create("stopped-upload").await;
    let proxy = Proxy::of(&bucket);
    proxy.fail("PUT", "/w/fp/part-*partNumber=2", 1, Fault::Hold);
    let mut generate = diaflight();
    generate.args(["generate", "--objects", "20000", "--warehouse", &bucket.url("w")]);
    let mut generate = spawn(generate.envs(proxy.variables()));
    proxy.wait_for_more("PUT", "/w/fp/part-*partNumber=2", 0, &mut generate);
    let _said = stop("TERM", &mut generate);
    proxy.heal();
    assert_eq!(generate.wait().unwrap().code(), Some(143));
    let left = bucket.store().list(None).try_collect::<Vec<_>>().await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    let (begun, aborted) = (proxy.count("POST", "uploads"), proxy.count("DELETE", "uploadId="));
    assert!(begun > 0);
    assert_eq!(aborted, begun, "{:#?}", proxy.asked());
}

/// In the middle of a merge. To be told to stop is the end of a loop, and a failure of what was to be done once.
#[tokio::test]
async fn maintenance_that_is_stopped_leaves_nothing() {
    let bucket = Bucket::create("stopped-upkeep").await;
    let (proxy, folder) = (Proxy::of(&bucket), tempdir().unwrap());
    let warehouse = bucket.url("w");
    for number in 0..8 {
        let night = night(folder.path(), 3, 61000.0 + f64::from(number));
        let mut ingest = diaflight();
        ingest.args(["ingest", "--warehouse", &warehouse, &night]).envs(proxy.variables());
        finish(&mut ingest).succeeded();
    }
    let there = async || bucket.store().list(None).try_collect::<Vec<_>>().await.unwrap().len();
    let before = there().await;
    for (once, code) in [(&["--once"][..], 143), (&[], 0)] {
        let seen = proxy.count("PUT", "/w/sources/part-");
        proxy.fail("PUT", "/w/sources/part-", 1, Fault::Hold);
        let mut upkeep = diaflight();
        upkeep.args(["maintain", "run", "--warehouse", &warehouse]).args(once);
        let mut upkeep = spawn(upkeep.envs(proxy.variables()));
        proxy.wait_for_more("PUT", "/w/sources/part-", seen, &mut upkeep);
        let _said = stop("TERM", &mut upkeep);
        proxy.heal();
        assert_eq!(upkeep.wait().unwrap().code(), Some(code));
        assert_eq!(there().await, before);
    }
}

#[test]
fn a_survey_in_a_folder_that_is_stopped_leaves_no_file() {
    for (signal, code) in SIGNALS {
        let folder = tempdir().unwrap();
        let warehouse = folder.path().to_str().unwrap();
        let mut generate = diaflight();
        generate.args(["generate", "--objects", "50000", "--warehouse", warehouse]);
        let mut generate = spawn(&mut generate);
        while files(folder.path()).is_empty() {
            assert!(generate.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(5));
        }
        // Nobody reads what it says.
        drop(generate.stderr.take());
        send(signal, &generate);
        assert_eq!(generate.wait().unwrap().code(), Some(code));
        assert_eq!(files(folder.path()), [] as [PathBuf; 0]);
    }
}

#[test]
fn an_ingest_that_is_stopped_leaves_no_temporary_files() {
    let folder = tempdir().unwrap();
    let night = night(folder.path(), 2000, 61000.0);
    for attempt in 0.. {
        let (temporary, warehouse) = (tempdir().unwrap(), tempdir().unwrap());
        let mut ingest = diaflight();
        ingest.args(["ingest", &night, "--warehouse", warehouse.path().to_str().unwrap()]);
        let mut ingest = spawn(ingest.arg("--temp-dir").arg(temporary.path()));
        let count = || fs::read_dir(temporary.path()).unwrap().count();
        while count() == 0 && ingest.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        send("TERM", &ingest);
        let code = ingest.wait().unwrap().code();
        assert_eq!(count(), 0);
        if code == Some(143) {
            return;
        }
        assert!(code == Some(0) && attempt < 20, "{code:?}");
    }
}

/// It sleeps until its files are older than vacuum spares them: it says so, and what it committed is whole.
#[test]
fn an_ingest_that_sleeps_too_long_commits_nothing() {
    let folder = tempdir().unwrap();
    let (first, second) = (night(folder.path(), 50, 61000.0), night(folder.path(), 3000, 61001.0));
    for attempt in 0.. {
        let place = folder.path().join(format!("w{attempt}"));
        let warehouse = place.to_str().unwrap();
        run(["ingest", "--warehouse", warehouse, &first]).succeeded();
        let before = files(&place);
        let mut ingest = diaflight();
        ingest.args(["ingest", "--warehouse", warehouse, &second]);
        let mut ingest = spawn(&mut ingest);
        let is_new = |file: &PathBuf| !before.contains(file);
        let is_written =
            |file: &PathBuf| is_new(file) && file.extension() == Some("parquet".as_ref());
        while !files(&place.join("fp")).iter().any(is_written) {
            assert!(ingest.try_wait().unwrap().is_none());
        }
        send("STOP", &ingest);
        let new: Vec<_> = files(&place).into_iter().filter(is_new).collect();
        let committed = new.iter().any(|file| file.extension() == Some("json".as_ref()));
        let old = SystemTime::now() - Duration::from_secs(25 * 3600);
        for file in &new {
            let file = fs::File::options().append(true).open(file).unwrap();
            file.set_modified(old).unwrap();
        }
        let vacuum =
            ["maintain", "vacuum", "--grace-hours", "0", "--json", "--warehouse", warehouse];
        let vacuumed = finish(diaflight().args(vacuum)).succeeded().json();
        send("CONT", &ingest);
        let ended = ingest.wait_with_output().unwrap();
        if committed && attempt < 20 {
            continue;
        }
        assert_ne!(vacuumed["sources"]["files_deleted"], 0, "{vacuumed}");
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("nothing was committed") && said.contains("/part-"), "{said}");
        assert_eq!(counts(warehouse), [50, 100, 50]);
        run(["ingest", "--warehouse", warehouse, &second]).succeeded();
        assert_eq!(counts(warehouse), [3050, 6100, 3000]);
        return;
    }
}

fn counts(warehouse: &str) -> [u64; 3] {
    ["sources", "fp", "objects"].map(|table| {
        let sql = format!("SELECT count(\"diaObjectId\" + 0) AS rows FROM {table}");
        let counted = run(["sql", "--format", "json", "--warehouse", warehouse, &sql]).succeeded();
        let rows: Value = serde_json::from_str(&counted.stdout).unwrap();
        rows[0]["rows"].as_u64().unwrap()
    })
}
