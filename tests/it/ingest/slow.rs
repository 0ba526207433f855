//! Inputs in a bucket that come slowly, in pieces, or change on the way.

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::json;

use crate::alerts::{Alert, Layout};
use crate::faults::{Fault, Proxy};
use crate::program::{diaflight, finish};
use crate::seaweed::Bucket;

/// An Avro file of so many MiB, and how many alerts it has.
fn large_file(mib: usize) -> (Vec<u8>, usize) {
    let packets: Vec<_> = (1..=mib as i64)
        .map(|id| {
            let mut packet = Alert::new(id, id, 61000.5).packet();
            // Hexadecimal digits of two for a byte.
            packet["cutoutDifference"] = json!("5a".repeat(1 << 20));
            packet
        })
        .collect();
    (Layout::raw().avro(&packets, None, 1), packets.len())
}

fn ingest(proxy: &Proxy, input: &str) -> crate::program::Finished {
    let warehouse = tempfile::tempdir().unwrap();
    let mut ingest = diaflight();
    ingest.args(["ingest", "--json", "--warehouse"]).arg(warehouse.path()).arg(input);
    finish(ingest.envs(proxy.variables()))
}

#[tokio::test]
async fn an_object_whose_answers_are_cut_short_is_read_whole() {
    let bucket = Bucket::create("cut-short").await;
    let (bytes, alerts) = large_file(11);
    bucket.store().put(&Path::from("night/a.avro"), bytes.into()).await.unwrap();
    let proxy = Proxy::of(&bucket);
    proxy.fail("GET", "/cut-short/night/a.avro", 12, Fault::CutAfter(700_000));
    proxy.fail("GET", "/cut-short/night/a.avro", 2, Fault::Refuse);
    let summary = ingest(&proxy, &bucket.url("night")).succeeded().json();
    assert_eq!(summary["sources"]["added"], alerts, "{summary}");
    let reads = proxy
        .asked()
        .iter()
        .filter(|asked| asked.starts_with("GET /cut-short/night/a.avro"))
        .count();
    assert!(reads > 14, "{reads}");
}

#[tokio::test]
async fn an_object_that_never_comes_is_an_error_that_names_it() {
    let bucket = Bucket::create("never-comes").await;
    let (bytes, _) = large_file(1);
    bucket.store().put(&Path::from("night/a.avro"), bytes.into()).await.unwrap();
    let proxy = Proxy::of(&bucket);
    proxy.fail("GET", "/never-comes/night/a.avro", usize::MAX, Fault::Refuse);
    let failed = ingest(&proxy, &bucket.url("night"));
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("night/a.avro"), "{failed:?}");
}

#[tokio::test]
async fn an_object_replaced_while_it_is_copied_is_an_error_that_names_it() {
    let bucket = Bucket::create("replaced").await;
    let key = Path::from("night/a.avro");
    let (bytes, _) = large_file(9);
    bucket.store().put(&key, bytes.clone().into()).await.unwrap();
    let proxy = Arc::new(Proxy::of(&bucket));
    // The copy has a part of each range, and then waits.
    proxy.fail("GET", "/replaced/night/a.avro", 3, Fault::CutAfter(1000));
    proxy.fail("GET", "/replaced/night/a.avro", usize::MAX, Fault::Refuse);
    let (through, input) = (proxy.clone(), bucket.url("night"));
    let ingesting = tokio::task::spawn_blocking(move || ingest(&through, &input));
    let reads = || proxy.asked().iter().filter(|asked| asked.contains("night/a.avro")).count();
    while reads() < 5 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let other: Vec<_> = bytes.iter().map(|byte| byte ^ 1).collect();
    bucket.store().put(&key, other.into()).await.unwrap();
    proxy.heal();
    let failed = ingesting.await.unwrap();
    assert_eq!(failed.code, Some(4), "{failed:?}");
    assert!(failed.stderr.contains("night/a.avro has changed"), "{failed:?}");
}

/// Longer than a request may take.
#[tokio::test]
#[ignore = "takes a minute"]
async fn an_object_that_takes_longer_than_a_request_may_is_read_whole() {
    let bucket = Bucket::create("slow").await;
    let (bytes, alerts) = large_file(20);
    let seconds = 60;
    let bytes_per_second = bytes.len() / 4 / seconds;
    bucket.store().put(&Path::from("night/a.avro"), bytes.into()).await.unwrap();
    let proxy = Proxy::of(&bucket);
    proxy.fail("GET", "/slow/night/a.avro", usize::MAX, Fault::Trickle(bytes_per_second));
    let summary = ingest(&proxy, &bucket.url("night")).succeeded().json();
    assert_eq!(summary["sources"]["added"], alerts, "{summary}");
}
