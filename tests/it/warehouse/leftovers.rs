//! Leftovers of other programs in a table's folder: vacuum removes the old files of writers and ignores the rest.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::*;
use diaflight::warehouse::VacuumOptions;
use object_store::MultipartUpload;

fn put(path: PathBuf, days_old: u64) -> PathBuf {
    std::fs::write(&path, "left behind").unwrap();
    let time = SystemTime::now() - Duration::from_secs(days_old * 86_400);
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
    path
}

#[tokio::test]
async fn temporary_files_go_once_they_are_old() {
    let (_folder, warehouse) = on_disk();
    append(&warehouse, &sources(1, 5, 1)).await;
    let table = warehouse.location().url.to_file_path().unwrap().join("sources");
    let names = [
        ".part-1.parquet.6f1c2f6e.tmp",
        ".writable.6f1c2f6e.tmp",
        "_delta_log/.00000000000000000001.json.6f1c2f6e.tmp",
    ];
    let old = names.map(|name| put(table.join(name), 20));
    let young = names.map(|name| put(table.join(name.replace("6f", "7a")), 0));
    let others = ["_delta_log/.00000000000000000000.crc", "_theirs/x.tmp", "a\tb"];
    let others = others.map(|name| {
        std::fs::create_dir_all(table.join("_theirs")).unwrap();
        put(table.join(name), 20)
    });
    assert_eq!(newest(&warehouse).await.unwrap().version, 0);
    let done = warehouse.vacuum(Table::Sources, &VacuumOptions::default()).await.unwrap();
    assert_eq!(done.files_deleted, 3);
    assert!(!old.iter().any(|path| path.exists()));
    assert!(young.iter().chain(&others).all(|path| path.exists()));
    assert_eq!(rows(&newest(&warehouse).await.unwrap()).await.len(), 5);
}

/// A folder of someone else's: the temporary names of our writers are no data there either.
#[tokio::test]
async fn readers_pass_over_temporary_files() {
    let (_folder, warehouse) = on_disk();
    append(&warehouse, &sources(1, 5, 1)).await;
    let table = warehouse.location().url.to_file_path().unwrap().join("sources");
    std::fs::remove_dir_all(table.join("_delta_log")).unwrap();
    put(table.join(".part-1.parquet.6f1c2f6e.tmp"), 0);
    let location = diaflight::warehouse::Location::parse(table.to_str().unwrap()).unwrap();
    let snapshot = Snapshot::from_folder(Table::Sources, &location).await.unwrap();
    assert_eq!(snapshot.files.len(), 1);
    put(table.join("a\tb.parquet"), 0);
    let error = Snapshot::from_folder(Table::Sources, &location).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Input);
    assert!(error.to_string().contains("a\\tb.parquet"), "{error}");
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let (_folder, warehouse) = on_disk();
    let location = warehouse.location();
    let path = location.prefix.clone().join("sources").join("part-1.parquet");
    let entries = || {
        let folder = Path::new("/").join(location.prefix.as_ref()).join("sources");
        std::fs::read_dir(folder).unwrap().count()
    };
    let mut upload = location.store.put_multipart(&path).await.unwrap();
    upload.put_part("first".into()).await.unwrap();
    assert_eq!(entries(), 1);
    upload.abort().await.unwrap();
    assert_eq!(entries(), 0);
    assert!(upload.complete().await.is_err());
    let mut dropped = location.store.put_multipart(&path).await.unwrap();
    dropped.put_part("first".into()).await.unwrap();
    drop(dropped);
    assert_eq!(entries(), 0);
    let mut whole = location.store.put_multipart(&path).await.unwrap();
    let parts = [whole.put_part("first ".into()), whole.put_part("second".into())];
    futures::future::try_join_all(parts.into_iter().rev()).await.unwrap();
    whole.complete().await.unwrap();
    let read = location.store.get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!((entries(), &read[..]), (1, &b"first second"[..]));
}
