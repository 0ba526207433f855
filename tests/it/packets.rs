//! `diaflight generate --packets`: the packets of some nights are those of which `generate --warehouse --nights` has the tables.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use diaflight::error::Kind;
use diaflight::ingest::{IngestOptions, ingest};
use diaflight::schema::{Table, provenance};
use diaflight::survey::{PacketsProgress, SurveyOptions, WrittenPackets, generate, write_packets};
use diaflight::warehouse::Warehouse;
use serde_json::Value;
use tempfile::tempdir;
use tokio_util::sync::CancellationToken;

use crate::ingest_properties::{Tables, stored};
use crate::program::{diaflight, finish, run, send};
use crate::python;

fn survey(objects: u64, nights: &str) -> SurveyOptions {
    SurveyOptions { objects, seed: 3, nights: nights.parse().unwrap() }
}

fn written(folder: &Path, options: &SurveyOptions) -> WrittenPackets {
    write_packets(folder, options, false, &CancellationToken::new(), &|_| ()).unwrap()
}

fn memory() -> Warehouse {
    Warehouse::open(&format!("memory://{}", uuid::Uuid::new_v4())).unwrap()
}

async fn generated(options: &SurveyOptions) -> Tables {
    let warehouse = memory();
    generate(&warehouse, options, &|_| ()).await.unwrap();
    stored(&warehouse).await.rows
}

/// The tables after an ingest of each of these files or folders.
async fn ingested(inputs: &[PathBuf]) -> Tables {
    let warehouse = memory();
    let options =
        IngestOptions { history: true, memory_bytes: 64 << 20, ..IngestOptions::default() };
    for input in inputs {
        let input = [input.to_str().unwrap().to_string()];
        let summary = ingest(&warehouse, &input, &options, &|_| ()).await.unwrap();
        assert_eq!(summary.refused.count, 0, "{:?}", summary.refused);
    }
    stored(&warehouse).await.rows
}

/// What is in a folder, in order.
fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn assert_same(one: &Tables, other: &Tables, what: &str) {
    for table in Table::ALL {
        let (one, other) = (&one[&table], &other[&table]);
        assert!(one.keys().eq(other.keys()), "{what}: {} of {}", one.len(), other.len());
        for (id, row) in one {
            assert_eq!(row, &other[id], "{what}: {} {id:?}", table.name());
        }
    }
}

#[tokio::test]
async fn an_ingest_of_the_packets_gives_the_tables_of_their_nights() {
    let (mut of_history, mut forced) = (0, 0);
    for nights in ["0..399", "0..40", "120..150", "385..399", "203..204"] {
        let (dir, options) = (tempdir().unwrap(), survey(60, nights));
        let told = written(dir.path(), &options);
        assert_eq!(told.nights as usize, names(dir.path()).len());
        let tables = generated(&options).await;
        let sources = &tables[&Table::Sources];
        let alerts = sources.values().filter(|row| row.contains_key(provenance::ALERT_ID)).count();
        assert_eq!(told.alerts as usize, alerts);
        of_history += sources.len() - alerts;
        forced += tables[&Table::Fp].len();
        assert_same(&ingested(&[dir.path().into()]).await, &tables, nights);
    }
    assert!(of_history > 200, "{of_history} sources of earlier nights");
    assert!(forced > 1000, "{forced} forced measurements");
}

#[tokio::test]
async fn nights_are_ingested_one_after_the_other_or_at_once() {
    let (dir, options) = (tempdir().unwrap(), survey(80, "200..212"));
    written(dir.path(), &options);
    let nights = names(dir.path());
    assert!(nights.len() > 5);
    let mut backwards = nights.clone();
    backwards.reverse();
    let tables = generated(&options).await;
    assert_same(&ingested(&nights).await, &tables, "in order");
    assert_same(&ingested(&backwards).await, &tables, "backwards");
}

#[tokio::test]
async fn the_tables_of_the_first_nights_are_a_part_of_those_of_all() {
    let [early, all] = ["0..100", "0..399"].map(|nights| survey(50, nights));
    let (early, all) = (generated(&early).await, generated(&all).await);
    for table in [Table::Sources, Table::Fp] {
        for (id, row) in &early[&table] {
            assert_eq!(row, &all[&table][id]);
        }
    }
    for (id, state) in &early[&Table::Objects] {
        let newest = &all[&Table::Objects][id];
        assert!(state["nDiaSources"].as_i64() <= newest["nDiaSources"].as_i64());
        assert!(state["lastDiaSourceMjdTai"].as_f64() <= newest["lastDiaSourceMjdTai"].as_f64());
    }
    assert!(early[&Table::Objects].len() < all[&Table::Objects].len());
}

/// Read by fastavro and astropy.
#[test]
fn other_readers_find_in_the_packets_what_they_say() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("packets");
    let folder = path.to_str().unwrap();
    let survey = ["--objects", "150", "--seed", "5", "--nights", "360..366", "--cutouts", "--json"];
    let told = run(["generate", "--packets", folder].into_iter().chain(survey)).succeeded().json();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/packets.py");
    let found: Value = serde_json::from_str(&python::run(&script, &[folder], &[])).unwrap();
    assert_eq!((&found["alerts"], &found["files"]), (&told["alerts"], &told["files"]));
    assert!(told["alerts"].as_u64() > Some(50), "{told}");
    assert!(found["history"].as_u64() > found["alerts"].as_u64(), "{found}");
    assert!(found["forced"].as_u64() > found["alerts"].as_u64(), "{found}");
    let bytes: u64 = names(&path).iter().flat_map(|night| names(night)).map(size).sum();
    assert_eq!(told["bytes"].as_u64(), Some(bytes));
}

fn size(file: PathBuf) -> u64 {
    fs::metadata(file).unwrap().len()
}

#[test]
fn the_same_survey_has_the_same_bytes() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    let options = survey(40, "100..110");
    assert_eq!(written(one.path(), &options), written(two.path(), &options));
    let files = |dir: &Path| -> Vec<_> { names(dir).iter().flat_map(|n| names(n)).collect() };
    let files = [files(one.path()), files(two.path())];
    assert!(!files[0].is_empty());
    for (one, two) in files[0].iter().zip(&files[1]) {
        assert_eq!(one.file_name(), two.file_name());
        assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
    }
}

#[test]
fn wrong_arguments_are_refused_by_name() {
    let dir = tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, said) in [
        (vec!["--packets", folder], "is not empty"),
        (vec!["--packets", file], "--packets"),
        (vec!["--packets", folder, "--warehouse", folder], "one of --warehouse URL and --packets"),
        (vec![], "one of --warehouse URL and --packets"),
        (vec!["--warehouse", "memory://none", "--cutouts"], "--cutouts: "),
        (vec!["--packets", folder, "--nights", "5..3"], "3..5"),
        (vec!["--packets", folder, "--nights", "0..400"], "0 to 399"),
    ] {
        let all = ["generate", "--objects", "5"].into_iter().chain(arguments.iter().copied());
        let refused = run(all);
        assert_eq!(refused.code, Some(2), "{arguments:?} {refused:?}");
        assert!(refused.stderr.contains(said), "{arguments:?} {}", refused.stderr);
    }
    assert_eq!(names(dir.path()), [Path::new(file)], "untouched");
}

#[tokio::test]
async fn nights_without_an_alert_are_refused() {
    let dir = tempdir().unwrap();
    let used = written(&dir.path().join("all"), &survey(3, "0..399"));
    let there = names(&dir.path().join("all"));
    assert_eq!(used.nights as usize, there.len());
    let has = |night: &usize| there.iter().any(|dir| dir.ends_with(format!("night-{night:05}")));
    let empty = (0..400).find(|night| !has(night)).unwrap().to_string();
    let options = survey(3, &empty);
    let stopped = CancellationToken::new();
    let folder = dir.path().join("none");
    let packets = write_packets(&folder, &options, false, &stopped, &|_| ()).unwrap_err();
    let tables = generate(&memory(), &options, &|_| ()).await.unwrap_err();
    for error in [packets, tables] {
        assert_eq!(error.kind(), Kind::Argument);
        assert!(error.to_string().contains(&format!("--nights {empty}: ")), "{error}");
    }
    assert!(names(&folder).is_empty());
}

/// A limit of the size of files stands for a full disk.
#[test]
fn a_disk_that_is_full_is_named_and_no_night_is_there_in_part() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("packets");
    let limited = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";
    // In units of 512 bytes: too little for the records, then for the packets of a night.
    for (most, some_nights) in [("8", false), ("4000", true)] {
        let mut command = Command::new("sh");
        command.args(["-c", limited, most]).arg(diaflight().get_program());
        command.args(["generate", "--objects", "100", "--nights", "350..399"]);
        let failed = finish(command.arg("--packets").arg(&folder));
        assert_eq!(failed.code, Some(1), "{failed:?}");
        let said = format!("writing packets to {}: ", folder.display());
        assert!(failed.stderr.contains(&said), "{}", failed.stderr);
        for night in names(&folder) {
            let name = night.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with("night-"), "{name}");
            assert_eq!(names(&night).len(), 1);
        }
        assert_eq!(!names(&folder).is_empty(), some_nights);
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn a_stop_in_the_midst_of_a_night_leaves_the_nights_before_it() {
    let dir = tempdir().unwrap();
    let (whole, part) = (dir.path().join("whole"), dir.path().join("part"));
    let options = survey(60, "100..130");
    let told = written(&whole, &options);
    let stopped = CancellationToken::new();
    let stop = |progress| match progress {
        PacketsProgress::Packets(done, all) if done == all / 2 => stopped.cancel(),
        _ => {}
    };
    write_packets(&part, &options, false, &stopped, &stop).unwrap_err();
    let there = names(&part);
    assert!(!there.is_empty() && there.len() < told.nights as usize);
    for (night, same) in there.iter().zip(names(&whole)) {
        assert_eq!(night.file_name(), same.file_name());
        for (file, same) in names(night).iter().zip(names(&same)) {
            assert_eq!(fs::read(file).unwrap(), fs::read(same).unwrap());
        }
    }
}

#[test]
fn a_signal_stops_the_program_and_nothing_is_left() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let dir = tempdir().unwrap();
        let folder = dir.path().join("packets");
        let mut command = diaflight();
        command.args(["generate", "--objects", "50000", "--packets"]).arg(&folder);
        let mut program = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        while !folder.exists() && program.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        send(signal, &program);
        let ended = program.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{said}");
        assert!(said.contains("stopped by signal"), "{said}");
        assert!(names(&folder).is_empty());
    }
}
