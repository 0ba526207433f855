//! The warehouse on S3: what a folder does, a bucket does, also when an ingest dies on the way.

use std::process::Stdio;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};
use tempfile::tempdir;

use crate::answers::{Answer, answers, assert_same};
use crate::program::{Finished, diaflight, finish, run};
use crate::seaweed::Bucket;
use crate::server::Server;
use crate::{nights, shared};

/// Every answer about some objects from a bucket, by a server of its own.
pub async fn served(bucket: &Bucket, warehouse: &str, objects: &[i64]) -> Vec<Answer> {
    answers(&Server::serve(warehouse, &bucket.variables()).await, objects).await
}

/// The same from a folder that took the files undisturbed.
pub async fn served_from_a_folder(files: &[String], objects: &[i64]) -> Vec<Answer> {
    let folder = tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    run(["ingest", "--warehouse", warehouse].into_iter().chain(files.iter().map(String::as_str)))
        .succeeded();
    answers(&Server::serve(warehouse, &[]).await, objects).await
}

fn ran(bucket: &Bucket, warehouse: &str, arguments: &[&str]) -> Finished {
    let mut command = diaflight();
    command.args(arguments).args(["--warehouse", warehouse]).envs(bucket.variables());
    finish(&mut command).succeeded()
}

/// Delta commits rely on it: of two who create the same version, one learns that it came too late.
#[tokio::test]
async fn an_object_is_created_once() {
    let bucket = Bucket::create("created-once").await;
    let (store, path) = (bucket.store(), Path::from("_delta_log/00000000000000000000.json"));
    let create =
        async |text: &'static str| store.put_opts(&path, text.into(), PutMode::Create.into()).await;
    create("first").await.unwrap();
    let second = create("second").await.unwrap_err();
    assert!(matches!(second, Error::AlreadyExists { .. }), "{second}");
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "first");
}

#[tokio::test]
async fn a_bucket_and_a_folder_answer_alike() {
    let bucket = Bucket::create("alike").await;
    let folder = tempdir().unwrap();
    let mut cases = vec![(nights::write(folder.path()).to_vec(), &nights::OBJECTS[..])];
    if let [Some(avro), Some(parquet)] = [shared::SET_A, shared::FINK_PARQUET].map(shared::path) {
        let files = [avro, parquet].map(|file| file.to_str().unwrap().to_string());
        cases.push((files.to_vec(), &shared::OBJECTS));
    }
    for (case, (files, objects)) in cases.iter().enumerate() {
        let warehouse = bucket.url(&format!("deep/er/{case}"));
        let inputs: Vec<_> = files.iter().map(String::as_str).collect();
        ran(&bucket, &warehouse, &[&["ingest"], &inputs[..]].concat());
        let in_bucket = served(&bucket, &warehouse, objects).await;
        assert_same(&in_bucket, &served_from_a_folder(files, objects).await);
    }
}

/// Kills an ingest as soon as the bucket holds one object, two, three, ... and runs it again.
#[tokio::test]
async fn a_killed_ingest_run_again_gives_the_same_tables() {
    let folder = tempdir().unwrap();
    let [night, _] = nights::write(folder.path());
    let objects = &nights::OBJECTS[..2];
    let expected = served_from_a_folder(std::slice::from_ref(&night), objects).await;
    let bucket = Bucket::create("killed").await;
    let store = bucket.store();
    for count in 1.. {
        let name = format!("after-{count}");
        let (warehouse, prefix) = (bucket.url(&name), Path::from(name));
        let list = async || store.list(Some(&prefix)).try_collect::<Vec<_>>().await.unwrap();
        let mut ingest = diaflight();
        ingest.args(["ingest", "--warehouse", &warehouse, &night]).envs(bucket.variables());
        let mut child = ingest.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let finished = loop {
            let listed = list().await.len();
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break true;
            }
            if listed >= count {
                child.kill().unwrap();
                break child.wait().unwrap().success();
            }
        };
        // No object is visible before its sources.
        let listed = list().await;
        let visible = ["objects", "fp", "sources"].map(|table| {
            let commit = format!("{prefix}/{table}/_delta_log/00000000000000000000.json");
            listed.iter().any(|object| object.location.as_ref() == commit)
        });
        assert!(visible.is_sorted(), "{visible:?}");
        ran(&bucket, &warehouse, &["ingest", &night]);
        assert_same(&served(&bucket, &warehouse, objects).await, &expected);
        if finished {
            assert!(count > 3, "never killed on its way");
            return;
        }
    }
}

#[tokio::test]
async fn maintenance_changes_no_answer() {
    let bucket = Bucket::create("maintained").await;
    let warehouse = bucket.url("warehouse");
    let folder = tempdir().unwrap();
    for night in nights::write(folder.path()) {
        ran(&bucket, &warehouse, &["ingest", &night]);
    }
    let before = served(&bucket, &warehouse, &nights::OBJECTS).await;
    let compacted = ran(&bucket, &warehouse, &["maintain", "compact", "--json"]).json();
    assert_eq!(compacted["sources"]["files_removed"], 2, "{compacted}");
    assert_eq!(compacted["sources"]["files_added"], 1, "{compacted}");
    assert_same(&served(&bucket, &warehouse, &nights::OBJECTS).await, &before);
    let vacuum = ["maintain", "vacuum", "--json", "--grace-hours", "0"];
    let vacuumed = ran(&bucket, &warehouse, &vacuum).json();
    assert_eq!(vacuumed["sources"]["files_deleted"], 2, "{vacuumed}");
    assert_same(&served(&bucket, &warehouse, &nights::OBJECTS).await, &before);
}
