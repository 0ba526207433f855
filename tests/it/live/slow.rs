//! A store that is slow stops the reading, and nothing else: memory is bounded, the brokers keep the rest, and the metrics tell how much.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use super::broker::Broker;
use super::fed::{Alerts, Fed, PARTITIONS, PATIENCE, free_address, wait_for_metrics};
use crate::faults::{Fault, Proxy};
use crate::seaweed::Bucket;

/// More than one batch, which is what it holds beside what it commits.
const MESSAGES: i64 = 24_000;
const MOST_OF_A_BATCH: i64 = 20_000;
/// How long each file takes.
const LATE: Duration = Duration::from_secs(10);
const MOST_MEMORY_KIB: u64 = 900 << 10;

/// How many messages are not read, as the metrics say.
async fn lag(address: &str) -> i64 {
    let metrics = wait_for_metrics(address, &["diaflight_live_lag{".to_string()]).await;
    let lags = metrics.lines().filter(|line| line.starts_with("diaflight_live_lag{"));
    lags.map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum()
}

fn most_memory_kib(process: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_store_leaves_the_messages_with_the_brokers() {
    let (alerts, broker) = (Alerts::of_nights(3000, "0..3").await, Broker::start());
    let bucket = Bucket::create("slow").await;
    let (proxy, address) = (Proxy::of(&bucket), free_address());
    let fed = Fed::in_bucket("slow", &bucket, "w");
    let produce = |messages: i64| {
        let times = (messages as u64).div_ceil(alerts.count as u64).to_string();
        let more = ["--times", &times];
        broker.produce("slow", PARTITIONS as u32, "fink", alerts.folder.path(), &more)
    };
    let more = ["--metrics", &address, "--live-memory-mib", "128"];
    let live = fed.spawn(fed.command(&broker, &more).envs(proxy.variables()));
    let all = |messages: i64| [format!("diaflight_live_messages_total {messages}\n")];
    wait_for_metrics(&address, &all(0)).await;
    proxy.fail("PUT", "/slow/w/", usize::MAX, Fault::Late(LATE));
    let mut produced = produce(MESSAGES);
    // Reading has stopped when just what comes is more to be read.
    let start = Instant::now();
    let behind = loop {
        let before = lag(&address).await;
        let new = produce(1);
        produced += new;
        let mut after = before;
        while after == before {
            assert!(start.elapsed() < 2 * PATIENCE, "{before} stays: {}", fed.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
            after = lag(&address).await;
        }
        if before > 0 && after == before + new {
            break after;
        }
    };
    assert!(behind <= produced - MOST_OF_A_BATCH, "{behind} of {produced}");
    assert!(most_memory_kib(&live.0) < MOST_MEMORY_KIB, "{} KiB", most_memory_kib(&live.0));
    proxy.heal();
    wait_for_metrics(&address, &all(produced)).await;
    assert!(most_memory_kib(&live.0) < MOST_MEMORY_KIB, "{} KiB", most_memory_kib(&live.0));
    assert_eq!(live.stop(), Some(0), "{}", fed.log());
    fed.copy(&bucket, "w").await.assert_same(&alerts.tables).await;
}
