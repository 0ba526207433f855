//! However it ends, and whoever reads: each row is there once.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use diaflight::schema::Table;
use rand::{RngExt, SeedableRng};

use super::broker::Broker;
use super::fed::{Alerts, Fed, PATIENCE, free_address};
use crate::program::{run, send};

/// In a folder, where the steps are system calls: see `steps.rs` for those in a bucket.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_time_it_gives_each_row_once() {
    let (alerts, mut broker) = (Alerts::of(1200).await, Broker::start());
    let produced = Fed::new("killed").produce(&broker, &alerts);
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut kills = 0_u64;
    while kills < 120 {
        let (fed, before) = (Fed::new("killed"), kills);
        while fed.read().await < produced {
            let live = fed.live(&broker, &[]);
            // Longer and longer, so that it comes to its end on a slow machine, too.
            let longest_ms = 300 + 30 * (kills - before);
            tokio::time::sleep(Duration::from_millis(random.random_range(20..longest_ms))).await;
            live.kill();
            kills += 1;
            if kills.is_multiple_of(12) {
                broker.kill_and_start();
            }
            assert!(kills < before + 300, "{} of {produced}: {}", fed.read().await, fed.log());
        }
        fed.assert_same(&alerts.tables).await;
        let checked = run(["maintain", "check", "--warehouse", &fed.url()]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_one_reads_and_the_other_takes_over() {
    let (alerts, broker, fed) = (Alerts::of(1200).await, Broker::start(), Fed::new("two"));
    let mut produced = fed.produce(&broker, &alerts);
    let first = fed.live(&broker, &[]);
    fed.wait_for(produced).await;
    let second = fed.live(&broker, &[]);
    fed.wait_for_log("another process reads these topics").await;
    produced += fed.produce(&broker, &alerts);
    fed.wait_for(produced).await;
    assert_eq!(fed.log().matches("\"reading\"").count(), 1, "{}", fed.log());
    // It is not dead but asleep, as on a machine that is suspended.
    let begun = Instant::now();
    send("STOP", &first.0);
    produced += fed.produce(&broker, &alerts);
    fed.wait_for(produced).await;
    let taken_over = begun.elapsed();
    assert!(taken_over > Duration::from_secs(5), "{taken_over:?}: it was not waited for");
    // Awake again, it sees that another one reads.
    send("CONT", &first.0);
    fed.wait_for_log("another process reads these topics now").await;
    produced += fed.produce(&broker, &alerts);
    fed.wait_for(produced).await;
    assert_eq!((first.stop(), second.stop()), (Some(0), Some(0)), "{}", fed.log());
    fed.assert_same(&alerts.tables).await;
}

/// The last commit fails, and nothing comes any more that would make it be tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_is_seen_and_done_again_though_nothing_comes() {
    let (alerts, broker, fed) = (Alerts::of(1200).await, Broker::start(), Fed::new("failing"));
    let mut produced = fed.produce(&broker, &alerts);
    let address = free_address();
    let live = fed.live(&broker, &["--metrics", &address]);
    fed.wait_for(produced).await;
    // In the way of the entry of the log that is to have the next positions.
    let objects = fed.warehouse().snapshot(Table::LAST, None).await.unwrap().unwrap();
    let entry = format!("objects/_delta_log/{:020}.json", objects.version + 1);
    let in_the_way = Path::new(&fed.url()).join(entry);
    fs::create_dir(&in_the_way).unwrap();
    produced += fed.produce(&broker, &alerts);
    let health = async || match reqwest::get(format!("http://{address}/health")).await {
        Ok(answer) => answer.status().as_u16(),
        Err(_) => 0,
    };
    let start = Instant::now();
    while health().await != 503 {
        assert!(start.elapsed() < PATIENCE, "{}", fed.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(fed.log().contains("committing table objects"), "{}", fed.log());
    fs::remove_dir(&in_the_way).unwrap();
    fed.wait_for(produced).await;
    assert_eq!(live.stop(), Some(0));
    fed.assert_same(&alerts.tables).await;
}
