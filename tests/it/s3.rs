//! The warehouse on S3: what a folder does, a bucket does, also when an ingest dies on the way.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};

use crate::answers::{Answer, answers, assert_same};
use crate::program::{diaflight, finish, run};
use crate::seaweed::Bucket;
use crate::server::Server;
use crate::shared::{self, OBJECTS};

/// Every answer about set A from a server of its own.
async fn served(warehouse: &str, bucket: Option<&Bucket>) -> Vec<Answer> {
    let variables = bucket.map(Bucket::variables);
    let server = Server::serve(warehouse, variables.as_ref().map_or(&[], |v| v)).await;
    answers(&server, &OBJECTS).await
}

/// Every answer about set A from a folder, undisturbed.
async fn served_from_a_folder(alerts: &[&str]) -> Vec<Answer> {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    run(["ingest", "--warehouse", warehouse].iter().chain(alerts)).succeeded();
    served(warehouse, None).await
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
    let files = [shared::SET_A, shared::FINK_PARQUET].map(shared::path);
    let [Some(avro), Some(parquet)] = &files else { return };
    let alerts = [avro.to_str().unwrap(), parquet.to_str().unwrap()];
    let bucket = Bucket::create("alike").await;
    let warehouse = bucket.url("deep/er");
    let mut ingest = diaflight();
    ingest.args(["ingest", "--warehouse", &warehouse]).args(alerts).envs(bucket.variables());
    finish(&mut ingest).succeeded();
    assert_same(&served(&warehouse, Some(&bucket)).await, &served_from_a_folder(&alerts).await);
}

/// Kills an ingest as soon as the bucket holds one object, two, three, ... and runs it again.
#[tokio::test]
async fn a_killed_ingest_run_again_gives_the_same_tables() {
    let Some(alerts) = shared::path(shared::SET_A) else { return };
    let alerts = alerts.to_str().unwrap();
    let expected = served_from_a_folder(&[alerts]).await;
    let bucket = Bucket::create("killed").await;
    let store = bucket.store();
    for objects in 1.. {
        let name = format!("after-{objects}");
        let (warehouse, prefix) = (bucket.url(&name), Path::from(name));
        let mut ingest = diaflight();
        ingest.args(["ingest", "--warehouse", &warehouse, alerts]).envs(bucket.variables());
        let mut child = ingest.spawn().unwrap();
        let finished = loop {
            let listed: Vec<_> = store.list(Some(&prefix)).try_collect().await.unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                break status.success();
            }
            if listed.len() >= objects {
                child.kill().unwrap();
                break child.wait().unwrap().success();
            }
        };
        finish(&mut ingest).succeeded();
        assert_same(&served(&warehouse, Some(&bucket)).await, &expected);
        if finished {
            assert!(objects > 3, "never killed on its way");
            return;
        }
    }
}

#[tokio::test]
async fn maintenance_changes_no_answer() {
    let files = [shared::SET_A, shared::FINK_PARQUET].map(shared::path);
    let [Some(avro), Some(parquet)] = &files else { return };
    let bucket = Bucket::create("maintained").await;
    let warehouse = bucket.url("warehouse");
    let command = |arguments: &[&str]| {
        let mut command = diaflight();
        command.args(arguments).args(["--warehouse", &warehouse]).envs(bucket.variables());
        finish(&mut command).succeeded()
    };
    for alerts in [avro, parquet] {
        command(&["ingest", alerts.to_str().unwrap()]);
    }
    let before = served(&warehouse, Some(&bucket)).await;
    for task in ["compact", "vacuum"] {
        command(&["maintain", task]);
        assert_same(&served(&warehouse, Some(&bucket)).await, &before);
    }
}
