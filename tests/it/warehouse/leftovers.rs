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

/// What a process that was killed left goes with the next writer, what may belong to a living one stays.
#[tokio::test]
async fn leftovers_of_a_killed_process_go_with_the_next_writer() {
    let (_folder, warehouse) = on_disk();
    append(&warehouse, &sources(1, 5, 1)).await;
    let table = warehouse.location().url.to_file_path().unwrap().join("sources");
    let own = diaflight::process::own_name().unwrap();
    let (place, _) = own.split_once('-').unwrap();
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let dead = format!("{place}-{}-1", ended.id());
    let elsewhere = format!("{:016x}-{}-1", 1, ended.id());

    let on_disk = |file: &DataFile| Path::new("/").join(file.path.as_ref());
    let name = |file: &DataFile| file.path.filename().unwrap().to_string();
    let mark = |name: &str, process: &str| table.join(format!(".{name}.{process}.uncommitted.tmp"));
    let lost = write_files(&warehouse, &sources(100, 5, 1), 100).await.remove(0);
    let living = write_files(&warehouse, &sources(200, 5, 1), 100).await.remove(0);
    assert!(mark(&name(&living), own).exists(), "it is marked until it is committed");
    std::fs::rename(mark(&name(&lost), own), mark(&name(&lost), &dead)).unwrap();
    let committed = newest(&warehouse).await.unwrap().files.remove(0);
    assert!(!mark(&name(&committed), own).exists());
    put(mark(&name(&committed), &dead), 0);
    let temporary =
        |process: &str| put(table.join(format!(".part-1.parquet.{process}.6f1c.tmp")), 0);
    let log = put(table.join(format!("_delta_log/.00000000000000000001.json.{dead}.6f1c.tmp")), 0);
    let (gone, stays) = (temporary(&dead), [temporary(own), temporary(&elsewhere)]);

    warehouse.check_writable(Table::Sources).await.unwrap();
    for path in
        [&gone, &log, &on_disk(&lost), &mark(&name(&lost), &dead), &mark(&name(&committed), &dead)]
    {
        assert!(!path.exists(), "{}", path.display());
    }
    for path in
        stays.iter().chain(&[on_disk(&living), mark(&name(&living), own), on_disk(&committed)])
    {
        assert!(path.exists(), "{}", path.display());
    }
    warehouse.discard_uncommitted().await;
    assert!(!on_disk(&living).exists() && !mark(&name(&living), own).exists());
}

#[test]
fn the_folder_of_a_killed_ingest_goes_with_the_next() {
    let (own, temp) = (diaflight::process::own_name().unwrap(), tempfile::tempdir().unwrap());
    let (place, _) = own.split_once('-').unwrap();
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let folders = [format!("{place}-{}-1", ended.id()), own.to_string()].map(|process| {
        let folder = temp.path().join(format!("diaflight-ingest-{process}.x1y2z3"));
        std::fs::create_dir(&folder).unwrap();
        put(folder.join("rows"), 0);
        folder
    });
    let night = crate::nights::write(temp.path())[0].clone();
    let warehouse = temp.path().join("w");
    let ingest = ["ingest", "--warehouse", warehouse.to_str().unwrap(), &night, "--temp-dir"];
    let temp_dir = [temp.path().to_str().unwrap()];
    crate::program::run(ingest.iter().chain(&temp_dir)).succeeded();
    assert_eq!(folders.map(|folder| folder.exists()), [false, true]);
}
