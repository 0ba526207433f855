//! A storage that hangs stops the reading, and nothing else: the brokers keep what is not read, and once it is well, all is there.

use std::time::{Duration, Instant};

use super::broker::Broker;
use super::fed::{Alerts, Fed, PATIENCE, free_address, wait_for_metrics};
use crate::faults::{Fault, Proxy};
use crate::seaweed::Bucket;

/// The most messages that are read while a commit hangs: two batches, and what the client of the brokers has fetched beyond them.
const MOST_READ: i64 = 1500;
const COMMIT_ALERTS: &str = "200";

/// The sum of the lags of all partitions, once they are told.
async fn lag(address: &str) -> i64 {
    let metrics = wait_for_metrics(address, &["diaflight_live_lag{".to_string()]).await;
    let lines = metrics.lines().filter(|line| line.starts_with("diaflight_live_lag{"));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_hangs_stops_the_reading() {
    // Small ones, of the first nights: this broker gives all that it has at once, and a client takes 100 MB.
    let (alerts, broker) = (Alerts::of_nights(1200, "0..8").await, Broker::start());
    let bucket = Bucket::create("slow").await;
    let (fed, proxy) = (Fed::in_bucket("slow", &bucket, "slow"), Proxy::of(&bucket));
    // The same again and again changes nothing.
    let mut produced = 0;
    while produced < 2 * MOST_READ {
        produced += fed.produce(&broker, &alerts);
    }
    proxy.fail("PUT", "/slow/*_delta_log/", usize::MAX, Fault::Hold);
    let address = free_address();
    let more = ["--commit-alerts", COMMIT_ALERTS, "--metrics", &address];
    let live = fed.spawn(fed.command(&broker, &more).envs(proxy.variables()));
    let start = Instant::now();
    while proxy.count("PUT", "/slow/*_delta_log/") == 0 {
        assert!(start.elapsed() < PATIENCE, "no commit: {}", fed.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Each 15 seconds the brokers are asked what is not read yet.
    let mut last = lag(&address).await;
    loop {
        tokio::time::sleep(Duration::from_secs(20)).await;
        let now = lag(&address).await;
        assert!(now >= produced - MOST_READ, "{} were read", produced - now);
        if now == last {
            break;
        }
        last = now;
    }
    proxy.heal();
    let all = format!("diaflight_live_messages_total {produced}\n");
    wait_for_metrics(&address, &[all]).await;
    assert_eq!(live.stop(), Some(0), "{}", fed.log());
    fed.copy(&bucket, "slow").await.assert_same(&alerts.tables).await;
}
