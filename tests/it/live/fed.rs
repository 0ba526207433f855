//! A warehouse that is fed by `diaflight live`, and the alerts that come to it.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use diaflight::ingest::{IngestOptions, ingest};
use diaflight::schema::Table;
use diaflight::survey::{SurveyOptions, write_packets};
use diaflight::warehouse::{Partition, Warehouse};
use tempfile::{TempDir, tempdir};
use tokio_util::sync::CancellationToken;

use super::broker::Broker;
use crate::ingest_properties::{Tables, stored};
use crate::program::{diaflight, send};

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
        let folder = tempdir().unwrap();
        let options = SurveyOptions { objects, seed: 11, nights: "300..304".parse().unwrap() };
        let stop = CancellationToken::new();
        let written = write_packets(folder.path(), &options, false, &stop, &|_| ()).unwrap();
        let warehouse = Warehouse::open(&format!("memory://{}", uuid::Uuid::new_v4())).unwrap();
        let inputs = [folder.path().to_str().unwrap().to_string()];
        ingest(&warehouse, &inputs, &IngestOptions::default(), &|_| ()).await.unwrap();
        let (count, tables) = (written.alerts as i64, stored(&warehouse).await.rows);
        assert!(count > 100, "{count}");
        Self { folder, count, tables }
    }
}

/// A warehouse that alerts come to.
pub struct Fed {
    folder: TempDir,
    topic: String,
}

impl Fed {
    pub fn new(topic: &str) -> Self {
        Self { folder: tempdir().unwrap(), topic: topic.to_string() }
    }

    pub fn url(&self) -> String {
        self.folder.path().join("warehouse").to_str().unwrap().to_string()
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

    pub fn live(&self, broker: &Broker, more: &[&str]) -> Live {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let mut command = diaflight();
        command.args(self.arguments(broker, more)).stdout(Stdio::null()).stderr(log);
        Live(command.spawn().unwrap())
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
