//! Stores that lack what a warehouse needs, and leftovers of writers that were killed.

use std::net::TcpListener;

use futures::TryStreamExt;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::tempdir;

use crate::faults::{Fault, Proxy};
use crate::nights;
use crate::program::{Finished, diaflight, finish};
use crate::seaweed::Bucket;

fn run(variables: &[(&str, String)], arguments: &[&str]) -> Finished {
    finish(diaflight().args(arguments).envs(variables.iter().cloned()))
}

async fn keys(store: &impl ObjectStore) -> Vec<String> {
    let objects: Vec<_> = store.list(None).try_collect().await.unwrap();
    objects.into_iter().map(|object| object.location.to_string()).collect()
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused_by_name() {
    let bucket = Bucket::create("unconditional").await;
    let folder = tempdir().unwrap();
    let [first, second] = nights::write(folder.path());
    let (with, without) = (bucket.url("with"), bucket.url("without"));
    for night in [&first, &second] {
        run(&bucket.variables(), &["ingest", "--warehouse", &with, night]).succeeded();
    }
    let before = keys(&bucket.store()).await;
    let proxy = Proxy::of(&bucket);
    proxy.fail("PUT", "/", usize::MAX, Fault::Unconditional);
    for arguments in [
        vec!["ingest", "--warehouse", &without, &first],
        vec!["ingest", "--warehouse", &with, &first],
        vec!["generate", "--objects", "2", "--warehouse", &without],
        vec!["demo", "--listen", "127.0.0.1:0", "--warehouse", &without],
        vec!["maintain", "compact", "--warehouse", &with],
    ] {
        let refused = run(&proxy.variables(), &arguments);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let said = refused.stderr.lines().last().unwrap();
        assert!(said.contains("overwrite each other's commits"), "{refused:?}");
        assert!(said.contains(arguments.iter().find(|a| a.starts_with("s3:")).unwrap()), "{said}");
    }
    assert_eq!(keys(&bucket.store()).await, before);
}

/// A lost answer to the first attempt is no sign of such a store.
#[tokio::test]
async fn a_store_that_loses_an_answer_is_written() {
    let bucket = Bucket::create("loses-an-answer").await;
    let folder = tempdir().unwrap();
    let [night, _] = nights::write(folder.path());
    let proxy = Proxy::of(&bucket);
    proxy.fail("PUT", ".writable.", 1, Fault::LoseAnswer);
    run(&proxy.variables(), &["ingest", "--warehouse", &bucket.url("w"), &night]).succeeded();
    assert!(!keys(&bucket.store()).await.iter().any(|key| key.contains(".writable.")));
}

#[test]
fn a_store_that_cannot_be_written_is_known_before_an_input_is_read() {
    let folder = tempdir().unwrap();
    let damaged = nights::save(folder.path(), "damaged.avro", b"no alerts at all");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let variables = [
        ("AWS_ENDPOINT_URL", format!("http://{free}")),
        ("AWS_ALLOW_HTTP", "true".to_string()),
        ("AWS_ACCESS_KEY_ID", "someone".to_string()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_string()),
    ];
    for warehouse in ["s3://bucket/survey", "/proc/self/fd/warehouse"] {
        let refused = run(&variables, &["ingest", "--warehouse", warehouse, &damaged]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(warehouse), "{refused:?}");
        assert!(!refused.stderr.contains("damaged.avro"), "{refused:?}");
    }
}

#[tokio::test]
async fn vacuum_ends_old_uploads_of_the_table_and_no_others() {
    let bucket = Bucket::create("uploads").await;
    let store = bucket.store();
    let folder = tempdir().unwrap();
    let [night, _] = nights::write(folder.path());
    let warehouse = bucket.url("a & b/w%2541");
    run(&bucket.variables(), &["ingest", "--warehouse", &warehouse, &night]).succeeded();
    let mut uploads = Vec::new();
    for key in [
        "a & b/w%41/sources/part-1.parquet",
        "a & b/w%41/sources/part-1.parquet",
        "a & b/w%41/sources/part-2 <&>.parquet",
        "a & b/w%41/fp/part-3.parquet",
        "a & b/w%41/sources2/part-4.parquet",
        "elsewhere/part-5.parquet",
    ] {
        let path = Path::parse(key).unwrap();
        let id = store.create_multipart(&path).await.unwrap();
        store.put_part(&path, &id, 0, "part".into()).await.unwrap();
        uploads.push((path, id));
    }
    let proxy = Proxy::of(&bucket);
    let vacuum = || {
        let arguments = ["maintain", "vacuum", "--json", "--grace-hours", "0", "--warehouse"];
        let done = run(&proxy.variables(), &[&arguments[..], &[&warehouse]].concat());
        let done = done.succeeded().json();
        ["sources", "fp", "objects"].map(|table| done[table]["uploads_ended"].as_u64().unwrap())
    };
    assert_eq!(vacuum(), [0, 0, 0], "uploads that may be under way");
    proxy.fail("GET", "uploads=", usize::MAX, Fault::Altered("<Initiated>20", "<Initiated>19"));
    assert_eq!(vacuum(), [3, 1, 0]);
    assert_eq!(vacuum(), [0, 0, 0]);
    for (number, (path, id)) in uploads.iter().enumerate() {
        let more = store.put_part(path, id, 1, "more".into()).await;
        assert_eq!(more.is_ok(), number >= 4, "{path}: {more:?}");
    }
}

/// S3 allows keys with `//` and with control characters, and object_store's listings end at the first of them.
#[tokio::test]
async fn a_key_that_no_path_can_have_spoils_no_listing() {
    let bucket = Bucket::create("odd-keys").await;
    let folder = tempdir().unwrap();
    let nights = nights::write(folder.path());
    let (warehouse, inputs) = (bucket.url("w"), bucket.url("in"));
    let ran = |arguments: &[&str]| run(&bucket.variables(), arguments);
    for night in &nights {
        ran(&["ingest", "--warehouse", &warehouse, night]).succeeded();
    }
    ran(&["maintain", "compact", "--warehouse", &warehouse]).succeeded();
    for key in ["w/sources/%09first", "w/sources/%09second/x", "w/sources/zz%09last", "in/a%09b"] {
        bucket.put_encoded(key, "odd").await;
    }
    let store = bucket.store();
    store.put(&Path::from("in/plain/-x"), "not Parquet".into()).await.unwrap();
    let vacuum = ["maintain", "vacuum", "--json", "--grace-hours", "0", "--warehouse", &warehouse];
    let vacuumed = ran(&vacuum).succeeded().json();
    assert_eq!(vacuumed["sources"]["files_deleted"], 2, "{vacuumed}");
    let serve = ["serve", "--sources-url", &inputs, "--objects-url", &inputs, "--fp-url", &inputs];
    let refused = ran(&serve);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains(r"in/a\tb: a name with an empty part"), "{refused:?}");
    let refused = ran(&["ingest", "--warehouse", &warehouse, &inputs]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains(r"in/a\tb: a name with an empty part"), "{refused:?}");

    let proxy = Proxy::of(&bucket);
    proxy.fail("GET", "list-type=2", usize::MAX, Fault::Altered("in/plain/-x<", "in/plain//x<"));
    let plain = bucket.url("in/plain");
    let serve = ["serve", "--sources-url", &plain, "--objects-url", &plain, "--fp-url", &plain];
    let refused = run(&proxy.variables(), &serve);
    // SeaweedFS has no such keys and lists none after one: that is an error, too, and it names the key.
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("in/plain//x"), "{refused:?}");
}
