//! Files, folders and prefixes; progress.

use diaflight::error::Kind;
use diaflight::ingest::{IngestOptions, IngestProgress, ingest};
use object_store::ObjectStoreExt;

use super::{Place, some_alerts};
use crate::alerts::{Alert, Layout, packets};
use crate::program::run;

#[tokio::test]
async fn folders_and_prefixes_are_read_with_all_below() {
    let place = Place::new();
    let alert = |id| Layout::raw().avro(&[Alert::new(id, id, 61000.5).packet()], None, 1);
    place.file("night/b/1.avro", alert(1));
    place.file("night/a/2", alert(2));
    place.file("night/a/3.parquet", Layout::raw().parquet(&[Alert::new(3, 3, 61000.5).packet()]));
    place.file("night/_SUCCESS", "");
    place.file("night/a/.2.crc", "crc");
    place.file("night/_temporary/0", "half");
    let folder = place.dir.path().join("in/night");
    let summary = place.ingest(&[folder.to_str().unwrap()]).await.unwrap();
    assert_eq!((summary.files, summary.sources.added), (3, 3));
    let url = url::Url::from_directory_path(&folder).unwrap();
    assert_eq!(place.ingest(&[url.as_str()]).await.unwrap().sources.present, 3);

    let store = diaflight::warehouse::Location::parse("memory://ingest-prefix").unwrap().store;
    for (path, id) in [("night/b/1.avro", 4), ("night/a/2", 5), ("nightly", 6)] {
        store.put(&path.into(), alert(id).into()).await.unwrap();
    }
    store.put(&"night/_SUCCESS".into(), Vec::new().into()).await.unwrap();
    store.put(&"night/a".into(), Vec::new().into()).await.unwrap();
    let summary = place.ingest(&["memory://ingest-prefix/night"]).await.unwrap();
    assert_eq!((summary.files, summary.sources.added), (2, 2));
    let summary = place.ingest(&["memory://ingest-prefix/nightly"]).await.unwrap();
    assert_eq!((summary.files, summary.sources.added), (1, 1));
}

#[tokio::test]
async fn an_input_without_files_is_refused_by_name() {
    let place = Place::new();
    let empty = place.dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (inputs, kind, said) in [
        (vec![], Kind::Argument, "nothing to ingest"),
        (vec![" "], Kind::Argument, "empty"),
        (vec!["/no/such/folder"], Kind::NotFound, "/no/such/folder"),
        (vec![empty.to_str().unwrap()], Kind::Input, "no file in it"),
        (vec!["memory://ingest-nothing/here"], Kind::Input, "memory://ingest-nothing/here"),
        (vec!["ftp://host/alerts"], Kind::Argument, "ftp"),
    ] {
        let error = place.ingest(&inputs).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn progress_reaches_the_whole() {
    let place = Place::new();
    let alerts = packets(&some_alerts());
    let inputs = [
        place.file("1", Layout::raw().avro(&alerts, None, 1)),
        place.file("2", Layout::raw().parquet(&alerts)),
    ];
    let seen = std::sync::Mutex::new(Vec::<IngestProgress>::new());
    let options = IngestOptions { memory_bytes: 64 << 20, ..IngestOptions::default() };
    let note = |progress| seen.lock().unwrap().push(progress);
    let summary = ingest(&place.warehouse, &inputs, &options, &note).await.unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted_by_key(|p| (p.files, p.bytes, p.packets)), "{seen:?}");
    let last = seen.last().unwrap();
    assert_eq!((last.files, last.files_total, last.packets), (2, 2, 6));
    assert_eq!((last.bytes, last.bytes_total), (summary.bytes, summary.bytes));
}

#[tokio::test]
async fn a_file_given_twice_is_taken_once() {
    let place = Place::new();
    let file =
        place.file("night/alerts.avro", Layout::raw().avro(&packets(&some_alerts()), None, 1));
    let folder = place.dir.path().join("in/night");
    let url = url::Url::from_file_path(&file).unwrap();
    let link = place.dir.path().join("in/night/again");
    std::os::unix::fs::symlink(&file, link).unwrap();
    let inputs = [&file, &file, url.as_str(), folder.to_str().unwrap()];
    let summary = place.ingest(&inputs).await.unwrap();
    assert_eq!((summary.files, summary.sources.added, summary.sources.present), (5, 2, 8));
    assert_eq!(place.served(diaflight::schema::Table::Sources).await.num_rows(), 2);
}

#[tokio::test]
async fn what_is_no_file_is_refused_by_name() {
    let place = Place::new();
    place.file("night/alerts.avro", Layout::raw().avro(&packets(&some_alerts()), None, 1));
    let night = place.dir.path().join("in/night");
    let pipe = night.join("pipe.avro");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let refused = async |input: &std::path::Path, said: &str| {
        let error = place.ingest(&[input.to_str().unwrap()]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Input, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    };
    refused(&pipe, "pipe.avro is not a file").await;
    refused(&night, "pipe.avro is not a file").await;
    refused(std::path::Path::new("/dev/null"), "/dev/null is not a file").await;
    std::fs::remove_file(&pipe).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(night.join("socket")).unwrap();
    refused(&night, "socket is not a file").await;
    drop(socket);
    std::fs::remove_file(night.join("socket")).unwrap();
    std::os::unix::fs::symlink(&night, night.join("loop")).unwrap();
    refused(&night, "loop is a symbolic link to").await;
    assert!(place.is_empty().await);
}

#[test]
fn refused_packets_are_counted_and_the_first_listed() {
    let place = Place::new();
    let bad: Vec<_> = (0..50).map(|_| Alert::new(5, 0, 61000.5).packet()).collect();
    let file = place.file("bad.avro", Layout::raw().avro(&bad, None, 50));
    let warehouse = place.dir.path().join("warehouse");
    let ingest = ["ingest", "--warehouse", warehouse.to_str().unwrap(), &file];
    let text = run(ingest);
    assert_eq!(text.code, Some(3), "{text:?}");
    assert_eq!(text.stdout.lines().filter(|line| line.contains("bad.avro, record")).count(), 20);
    for said in ["50 packets refused", "and 30 more"] {
        assert!(text.stdout.contains(said), "{text:?}");
    }
    let json = run(ingest.into_iter().chain(["--json"]));
    assert_eq!(json.code, Some(3));
    let json = json.json();
    assert_eq!(json["refused"]["count"], 50);
    assert_eq!(json["refused"]["first"].as_array().unwrap().len(), 20);
}
