//! Killed with -9 at each of its steps, it gives each row once. A step is a request that changes the warehouse, which is in a bucket behind a
//! proxy: this stops at the n-th one, before it is done, or after it is done and before its answer. So the place is exact, and nothing in
//! the program is for it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use diaflight::ingest::{IngestOptions, ingest};
use object_store::{ObjectStoreExt, path};
use rand::{RngExt, SeedableRng};
use walkdir::WalkDir;

use super::broker::Broker;
use super::fed::{Alerts, Fed, PARTITIONS, PATIENCE};
use crate::faults::{Fault, Proxy};
use crate::program::{run, send};
use crate::seaweed::Bucket;

/// The last night makes files that are young enough to be merged of two tables.
const NIGHTS: &str = "297..305";
const MERGES: usize = 2;
const BAD: i64 = 50;

/// A warehouse that has all nights but the last, and a topic with all of them, also messages that cannot be read.
struct Walk {
    name: &'static str,
    alerts: Alerts,
    produced: i64,
    before: Fed,
    broker: Broker,
    bucket: Bucket,
    proxy: Proxy,
    kills: usize,
}

impl Walk {
    async fn begin(name: &'static str) -> Self {
        let (alerts, before) = (Alerts::of_nights(400, NIGHTS).await, Fed::new(name));
        let mut nights: Vec<_> = fs::read_dir(alerts.folder.path()).unwrap().collect();
        nights.sort_by_key(|night| night.as_ref().unwrap().path());
        for night in &nights[..nights.len() - 1] {
            let night = [night.as_ref().unwrap().path().to_str().unwrap().to_string()];
            let options = IngestOptions::default();
            ingest(&before.warehouse(), &night, &options, &|_| ()).await.unwrap();
        }
        let broker = Broker::start();
        let bad = ["--bad", &BAD.to_string()];
        let partitions = PARTITIONS as u32;
        let produced = broker.produce(name, partitions, "fink", alerts.folder.path(), &bad);
        assert!(produced > alerts.count);
        let bucket = Bucket::create(name).await;
        let proxy = Proxy::of(&bucket);
        Self { name, alerts, produced, before, broker, bucket, proxy, kills: 0 }
    }

    /// Copies the warehouse to the bucket.
    async fn copy(&self, prefix: &str) -> Fed {
        let (root, store) = (self.before.url(), self.bucket.store());
        for file in WalkDir::new(&root).into_iter().map(Result::unwrap) {
            if file.file_type().is_file() {
                let name = file.path().strip_prefix(&root).unwrap().to_str().unwrap();
                let to = path::Path::from(format!("{prefix}/{name}"));
                store.put(&to, fs::read(file.path()).unwrap().into()).await.unwrap();
            }
        }
        Fed::in_bucket(self.name, &self.bucket, prefix)
    }

    /// Runs it, and kills it where it stops: `false` if it comes to its end before. Once all is done it is told to end, which has steps, too.
    async fn is_killed(&mut self, fed: &Fed, is_done: impl Fn() -> bool) -> bool {
        let mut live = fed.command(&self.broker, &["--log", "warn,diaflight=debug"]);
        let mut live = fed.spawn(live.envs(self.proxy.variables()));
        let (start, mut is_told) = (Instant::now(), false);
        while !self.proxy.is_stopped() {
            assert!(start.elapsed() < PATIENCE, "{}", fed.log());
            if let Some(ended) = live.0.try_wait().unwrap() {
                assert_eq!(ended.code(), Some(0), "{}", fed.log());
                self.proxy.heal();
                return false;
            }
            if !is_told && is_done() {
                send("TERM", &live.0);
                is_told = true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if self.kills.is_multiple_of(8) {
            self.broker.kill_and_start();
        }
        live.kill();
        self.kills += 1;
        self.proxy.heal();
        true
    }

    /// Reads to the end, in a copy of what is there now: that is what an ingest gives.
    async fn assert_reads_on(&self, prefix: &str) {
        let there = Fed::in_bucket(self.name, &self.bucket, prefix);
        let fed = there.copy(&self.bucket, prefix).await;
        let live = fed.live(&self.broker, &[]);
        fed.wait_for(self.produced).await;
        // All may have been there before it began. What has logged something can be told to end.
        let start = Instant::now();
        while fed.log().is_empty() {
            assert!(start.elapsed() < PATIENCE, "it never began");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(live.stop(), Some(0), "{}", fed.log());
        fed.assert_same(&self.alerts.tables).await;
        let kept = Path::new(&fed.url()).join("_live/refused").join(self.name);
        assert_eq!(fs::read_dir(kept).unwrap().count() as i64, 2 * (self.alerts.count / BAD));
        let checked = run(["maintain", "check", "--warehouse", &fed.url()]);
        assert_eq!(checked.code, Some(0), "{prefix}: {checked:?}");
    }
}

async fn killed_at_each_step(name: &'static str, stop: Fault) {
    let mut walk = Walk::begin(name).await;
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    // The first request takes the lease, the second one says that it is still held.
    let fed = walk.copy("lease").await;
    walk.proxy.fail_nth(2, "/lease/_live/leases/", stop);
    assert!(walk.is_killed(&fed, || false).await);
    walk.assert_reads_on("lease").await;
    for nth in 1.. {
        let prefix = format!("step-{nth}");
        let fed = walk.copy(&prefix).await;
        walk.proxy.fail_nth(nth, name, stop);
        let is_done = || fed.log().matches("merged young files").count() == MERGES;
        let is_killed = walk.is_killed(&fed, is_done).await;
        if is_killed {
            // Another one reads on, and is killed, too; at the latest when it gives up the lease.
            let begun = Instant::now();
            walk.proxy.fail_nth(random.random_range(1..=8), name, stop);
            walk.is_killed(&fed, || begun.elapsed() > Duration::from_secs(1)).await;
        }
        walk.assert_reads_on(&prefix).await;
        if !is_killed {
            assert!(walk.kills > 40, "{} kills only", walk.kills);
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_each_step_it_gives_each_row_once() {
    killed_at_each_step("before-steps", Fault::StopBefore).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_each_step_it_gives_each_row_once() {
    killed_at_each_step("after-steps", Fault::StopAfter).await;
}
