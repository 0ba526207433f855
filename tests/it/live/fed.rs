//! A warehouse that is fed by `diaflight live`, and the alerts that come to it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diaflight::ingest::{IngestOptions, ingest};
use diaflight::schema::Table;
use diaflight::survey::{SurveyOptions, write_packets};
use diaflight::warehouse::{Partition, Warehouse};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::{TempDir, tempdir};
use tokio_util::sync::CancellationToken;

use super::broker::Broker;
use crate::ingest_properties::{Tables, stored};
use crate::program::{diaflight, send};
use crate::seaweed::Bucket;

pub const PARTITIONS: i32 = 3;
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Alerts of some nights, in a folder, and what an ingest of them gives.
pub struct Alerts {
    pub folder: TempDir,
    pub count: i64,
    pub tables: Tables,
}

impl Alerts {
    pub async fn of(objects: u64) -> Self {
        Self::of_nights(objects, "300..304").await
    }

    pub async fn of_nights(objects: u64, nights: &str) -> Self {
        let folder = tempdir().unwrap();
        let options = SurveyOptions { objects, seed: 11, nights: nights.parse().unwrap() };
        let stop = CancellationToken::new();
        let written = write_packets(folder.path(), &options, false, &stop, &|_| ()).unwrap();
        let warehouse = Warehouse::open(&format!("memory://{}", uuid::Uuid::new_v4())).unwrap();
        let inputs = [folder.path().to_str().unwrap().to_string()];
        ingest(&warehouse, &inputs, &IngestOptions::default(), &|_| ()).await.unwrap();
        let (count, tables) = (written.alerts as i64, stored(&warehouse).await.rows);
        assert!(count > 30, "{count}");
        Self { folder, count, tables }
    }
}

/// A warehouse that alerts come to.
pub struct Fed {
    folder: TempDir,
    topic: String,
    url: String,
}

impl Fed {
    pub fn new(topic: &str) -> Self {
        let folder = tempdir().unwrap();
        let url = folder.path().join("warehouse").to_str().unwrap().to_string();
        Self { folder, topic: topic.to_string(), url }
    }

    /// One in a bucket: this process does not look into it.
    pub fn in_bucket(topic: &str, bucket: &Bucket, prefix: &str) -> Self {
        Self { url: bucket.url(prefix), ..Self::new(topic) }
    }

    /// A copy of it, in a folder.
    pub async fn copy(&self, bucket: &Bucket, prefix: &str) -> Self {
        let (copy, store) = (Self::new(&self.topic), bucket.store());
        let objects: Vec<_> = store.list(Some(&prefix.into())).try_collect().await.unwrap();
        for object in objects {
            let name = object.location.as_ref().strip_prefix(prefix).unwrap();
            let file = Path::new(&copy.url).join(&name[1..]);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let bytes = store.get(&object.location).await.unwrap().bytes().await.unwrap();
            fs::write(file, bytes).unwrap();
        }
        copy
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn warehouse(&self) -> Warehouse {
        Warehouse::open(&self.url()).unwrap()
    }

    pub fn arguments(&self, broker: &Broker, more: &[&str]) -> Vec<String> {
        let (url, address) = (self.url(), broker.address());
        let arguments = [
            "live",
            "--warehouse",
            &url,
            "--kafka",
            &address,
            "--topic",
            &self.topic,
            "--commit-ms",
            "150",
        ];
        arguments.iter().chain(more).map(|argument| argument.to_string()).collect()
    }

    pub fn command(&self, broker: &Broker, more: &[&str]) -> Command {
        let mut command = diaflight();
        command.args(self.arguments(broker, more));
        command
    }

    pub fn live(&self, broker: &Broker, more: &[&str]) -> Live {
        self.spawn(&mut self.command(broker, more))
    }

    pub fn spawn(&self, live: &mut Command) -> Live {
        let log = self.folder.path().join("log");
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        Live(live.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// How many messages have been read, as the warehouse says.
    pub async fn read(&self) -> i64 {
        let partition = |number| Partition { topic: self.topic.clone(), number };
        let partitions: Vec<_> = (0..PARTITIONS).map(partition).collect();
        self.warehouse().positions(&partitions).await.unwrap().next.values().sum()
    }

    pub async fn wait_for(&self, messages: i64) {
        let start = Instant::now();
        while self.read().await < messages {
            assert!(
                start.elapsed() < PATIENCE,
                "{} of {messages}: {}",
                self.read().await,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.read().await, messages);
    }

    /// Produces all alerts, with Fink's framing.
    pub fn produce(&self, broker: &Broker, alerts: &Alerts) -> i64 {
        broker.produce(&self.topic, PARTITIONS as u32, "fink", alerts.folder.path(), &[])
    }

    pub async fn wait_for_log(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < PATIENCE, "no {text}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn assert_same(&self, tables: &Tables) {
        let found = stored(&self.warehouse()).await.rows;
        for table in Table::ALL {
            assert_eq!(found[&table].len(), tables[&table].len(), "{}", table.name());
            for (id, row) in &tables[&table] {
                assert_eq!(Some(row), found[&table].get(id), "{} {id:?}", table.name());
            }
        }
    }
}

pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The metrics, once they have some lines.
pub async fn wait_for_metrics(address: &str, lines: &[String]) -> String {
    let start = Instant::now();
    loop {
        let answer = reqwest::get(format!("http://{address}/metrics")).await;
        let metrics = match answer {
            Ok(answer) => answer.text().await.unwrap(),
            Err(error) => error.to_string(),
        };
        if lines.iter().all(|line| metrics.contains(line)) {
            return metrics;
        }
        assert!(start.elapsed() < PATIENCE, "not all of {lines:?} are in\n{metrics}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A running `diaflight live`.
pub struct Live(pub Child);

impl Live {
    /// Tells it to stop, and gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        send("TERM", &self.0);
        self.0.wait().unwrap().code()
    }

    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
