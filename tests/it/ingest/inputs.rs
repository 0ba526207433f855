//! Files, folders and prefixes; progress.

use diaflight::error::Kind;
use diaflight::ingest::{IngestOptions, Progress, ingest};
use object_store::ObjectStoreExt;

use super::{Place, some_alerts};
use crate::alerts::{Alert, Layout, packets};

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
    let seen = std::sync::Mutex::new(Vec::<Progress>::new());
    let options = IngestOptions { history: false, memory_bytes: 64 << 20, temp_dir: None };
    let note = |progress| seen.lock().unwrap().push(progress);
    let summary = ingest(&place.warehouse, &inputs, &options, &note).await.unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted_by_key(|p| (p.files, p.bytes, p.packets)), "{seen:?}");
    let last = seen.last().unwrap();
    assert_eq!((last.files, last.files_total, last.packets), (2, 2, 6));
    assert_eq!((last.bytes, last.bytes_total), (summary.bytes, summary.bytes));
}
