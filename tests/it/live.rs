//! `diaflight live`: what comes by Kafka gives what `ingest` makes of the same alerts, however either side ends.

mod broker;
mod registry;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use diaflight::ingest::{IngestOptions, ingest};
use diaflight::schema::Table;
use diaflight::survey::{SurveyOptions, write_packets};
use diaflight::warehouse::{Partition, Warehouse};
use rand::{RngExt, SeedableRng};
use tempfile::{TempDir, tempdir};
use tokio_util::sync::CancellationToken;

use crate::ingest_properties::{Tables, stored};
use crate::operations::monitoring::{has, named};
use crate::program::{Finished, diaflight, run, send};
use broker::Broker;
use registry::Registry;

const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(120);

/// Alerts of some nights, in a folder, and what an ingest of them gives.
struct Alerts {
    folder: TempDir,
    count: i64,
    tables: Tables,
}

impl Alerts {
    async fn of(objects: u64) -> Self {
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
struct Fed {
    folder: TempDir,
    topic: String,
}

impl Fed {
    fn new(topic: &str) -> Self {
        Self { folder: tempdir().unwrap(), topic: topic.to_string() }
    }

    fn url(&self) -> String {
        self.folder.path().join("warehouse").to_str().unwrap().to_string()
    }

    fn warehouse(&self) -> Warehouse {
        Warehouse::open(&self.url()).unwrap()
    }

    fn arguments(&self, broker: &Broker, more: &[&str]) -> Vec<String> {
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

    fn live(&self, broker: &Broker, more: &[&str]) -> Live {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let mut command = diaflight();
        command.args(self.arguments(broker, more)).stdout(Stdio::null()).stderr(log);
        Live(command.spawn().unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// How many messages have been read, as the warehouse says.
    async fn read(&self) -> i64 {
        let partition = |number| Partition { topic: self.topic.clone(), number };
        let partitions: Vec<_> = (0..PARTITIONS).map(partition).collect();
        self.warehouse().positions(&partitions).await.unwrap().next.values().sum()
    }

    async fn wait_for(&self, messages: i64) {
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
    fn produce(&self, broker: &Broker, alerts: &Alerts) -> i64 {
        broker.produce(&self.topic, PARTITIONS as u32, "fink", alerts.folder.path(), &[])
    }

    async fn wait_for_log(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < PATIENCE, "no {text}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn assert_same(&self, tables: &Tables) {
        let found = stored(&self.warehouse()).await.rows;
        for table in Table::ALL {
            assert_eq!(found[&table].len(), tables[&table].len(), "{}", table.name());
            for (id, row) in &tables[&table] {
                assert_eq!(Some(row), found[&table].get(id), "{} {id:?}", table.name());
            }
        }
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The metrics, once they have some lines.
async fn wait_for_metrics(address: &str, lines: &[String]) -> String {
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
struct Live(Child);

impl Live {
    /// Tells it to stop, and gives its exit code.
    fn stop(mut self) -> Option<i32> {
        send("TERM", &self.0);
        self.0.wait().unwrap().code()
    }

    fn kill(mut self) {
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

#[tokio::test(flavor = "multi_thread")]
async fn every_framing_gives_what_an_ingest_gives() {
    let (alerts, broker) = (Alerts::of(1200).await, Broker::start());
    let registry = Registry::start().await;
    for framing in ["confluent", "fink", "container"] {
        let fed = Fed::new(framing);
        let live = fed.live(&broker, &["--registry", &registry.url()]);
        // The topic is not there yet, then empty, then has some.
        let schema = registry.file(1100);
        let more = ["--schema-out", schema.to_str().unwrap()];
        let produced =
            broker.produce(framing, PARTITIONS as u32, framing, alerts.folder.path(), &more);
        assert_eq!(produced, alerts.count);
        fed.wait_for(produced).await;
        assert_eq!(live.stop(), Some(0), "{}", fed.log());
        fed.assert_same(&alerts.tables).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_time_it_gives_each_row_once() {
    let (alerts, mut broker, fed) = (Alerts::of(4000).await, Broker::start(), Fed::new("killed"));
    let produced = broker.produce("killed", PARTITIONS as u32, "fink", alerts.folder.path(), &[]);
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut kills = 0_u64;
    while fed.read().await < produced {
        let live = fed.live(&broker, &[]);
        // Longer and longer, so that it comes to its end on a slow machine, too.
        let longest = 1500 + 40 * kills;
        tokio::time::sleep(Duration::from_millis(random.random_range(100..longest))).await;
        live.kill();
        kills += 1;
        if kills.is_multiple_of(5) {
            broker.kill_and_start();
        }
        assert!(kills < 300, "{} of {produced}: {}", fed.read().await, fed.log());
    }
    assert!(kills > 3, "{kills} kills only");
    fed.assert_same(&alerts.tables).await;
    let checked = run(["maintain", "check", "--warehouse", &fed.url()]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_kept_and_the_stream_goes_on() {
    let (alerts, broker, fed) = (Alerts::of(1200).await, Broker::start(), Fed::new("bad"));
    let more = ["--bad", "25"];
    let produced = broker.produce("bad", PARTITIONS as u32, "fink", alerts.folder.path(), &more);
    let bad = alerts.count / 25;
    assert_eq!(produced, alerts.count + bad);
    let live = fed.live(&broker, &[]);
    fed.wait_for(produced).await;
    assert_eq!(live.stop(), Some(0));
    fed.assert_same(&alerts.tables).await;
    let kept = Path::new(&fed.url()).join("_live/refused/bad");
    let names: Vec<_> = fs::read_dir(&kept).unwrap().map(|file| file.unwrap().path()).collect();
    let (reasons, files): (Vec<_>, Vec<_>) =
        names.iter().partition(|path| path.extension().unwrap() == "json");
    assert_eq!((reasons.len() as i64, files.len() as i64), (bad, bad));
    let reason: serde_json::Value = serde_json::from_slice(&fs::read(reasons[0]).unwrap()).unwrap();
    assert!(reason["reason"].as_str().unwrap().contains("damaged"), "{reason}");
    // An ingest says the same of them.
    let again = run(["ingest", "--warehouse", &fed.url(), kept.to_str().unwrap()]);
    assert_eq!(again.code, Some(4), "{again:?}");
    assert!(again.stderr.contains("damaged"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_without_a_schema_wait_in_a_folder_and_too_many_stop_it() {
    let (alerts, broker, fed) = (Alerts::of(1200).await, Broker::start(), Fed::new("unknown"));
    let registry = Registry::start().await;
    let produced =
        broker.produce("unknown", PARTITIONS as u32, "confluent", alerts.folder.path(), &[]);
    let stopped: Finished =
        run(fed.arguments(&broker, &["--registry", &registry.url(), "--max-refused", "50"]));
    assert_eq!(stopped.code, Some(4), "{stopped:?}");
    assert!(stopped.stderr.contains("schema 1100"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("messages in a row cannot be read"), "{}", stopped.stderr);
    assert_eq!(fed.read().await, 0, "they are read again when it is started again");
    let schema = registry.file(1100);
    let other = broker.produce(
        "elsewhere",
        1,
        "confluent",
        alerts.folder.path(),
        &["--schema-out", schema.to_str().unwrap()],
    );
    assert_eq!(other, produced);
    // A registry that is down is waited for.
    registry.set_down(true);
    let live = fed.live(&broker, &["--registry", &registry.url()]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fed.read().await, 0);
    registry.set_down(false);
    fed.wait_for(produced).await;
    assert_eq!(live.stop(), Some(0));
    fed.assert_same(&alerts.tables).await;
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
    send("STOP", &first.0);
    produced += fed.produce(&broker, &alerts);
    let begun = Instant::now();
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
    let produced = fed.produce(&broker, &alerts);
    let in_the_way = Path::new(&fed.url()).join("objects");
    fs::create_dir_all(fed.url()).unwrap();
    fs::write(&in_the_way, "a file where the folder of the table would be").unwrap();
    let address = free_address();
    let live = fed.live(&broker, &["--metrics", &address]);
    let health = async || match reqwest::get(format!("http://{address}/health")).await {
        Ok(answer) => answer.status().as_u16(),
        Err(_) => 0,
    };
    let start = Instant::now();
    while health().await != 503 {
        assert!(start.elapsed() < PATIENCE, "{}", fed.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fs::remove_file(&in_the_way).unwrap();
    fed.wait_for(produced).await;
    assert_eq!(health().await, 200);
    assert_eq!(live.stop(), Some(0));
    fed.assert_same(&alerts.tables).await;
}

/// What came while it did not run is read, also in partitions of which it had read nothing.
#[tokio::test(flavor = "multi_thread")]
async fn latest_is_where_it_began_and_reread_is_from_the_start() {
    let (alerts, broker, fed) = (Alerts::of(1200).await, Broker::start(), Fed::new("latest"));
    let before = fed.produce(&broker, &alerts);
    let live = fed.live(&broker, &["--from", "latest"]);
    fed.wait_for_log("\"reading\"").await;
    // Without a table there is no place for positions yet.
    let few = tempdir().unwrap();
    let options = SurveyOptions { objects: 300, seed: 12, nights: "300..304".parse().unwrap() };
    write_packets(few.path(), &options, false, &CancellationToken::new(), &|_| ()).unwrap();
    let new = broker.produce("latest", PARTITIONS as u32, "fink", few.path(), &[]);
    fed.wait_for(before + new).await;
    assert_eq!(live.stop(), Some(0));
    let sources = stored(&fed.warehouse()).await.rows[&Table::Sources].len();
    assert!(sources < alerts.tables[&Table::Sources].len(), "{sources} of before were read");
    let after = fed.produce(&broker, &alerts);
    let live = fed.live(&broker, &["--from", "latest"]);
    fed.wait_for(before + new + after).await;
    assert_eq!(live.stop(), Some(0));
    let twice = stored(&fed.warehouse()).await.rows;
    let address = free_address();
    let live = fed.live(&broker, &["--reread", "--metrics", &address]);
    let all = format!("diaflight_live_messages_total {}\n", before + new + after);
    wait_for_metrics(&address, &[all]).await;
    assert_eq!(live.stop(), Some(0));
    fed.assert_same(&twice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_the_broker_lost_stop_it_unless_it_is_told_to_go_on() {
    let (alerts, fed) = (Alerts::of(1200).await, Fed::new("lost"));
    let produced = {
        let broker = Broker::start();
        let produced = broker.produce("lost", PARTITIONS as u32, "fink", alerts.folder.path(), &[]);
        let live = fed.live(&broker, &[]);
        fed.wait_for(produced).await;
        assert_eq!(live.stop(), Some(0));
        produced
    };
    // A new broker, whose topic has one message.
    let (broker, few) = (Broker::start(), tempdir().unwrap());
    let options = SurveyOptions { objects: 60, seed: 12, nights: "300..304".parse().unwrap() };
    write_packets(few.path(), &options, false, &CancellationToken::new(), &|_| ()).unwrap();
    let new = broker.produce("lost", PARTITIONS as u32, "fink", few.path(), &[]);
    assert!(new < produced);
    let stopped = run(fed.arguments(&broker, &[]));
    assert_eq!(stopped.code, Some(5), "{stopped:?}");
    assert!(stopped.stderr.contains("of lost"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("--on-gap continue"), "{}", stopped.stderr);
    let live = fed.live(&broker, &["--on-gap", "continue"]);
    let start = Instant::now();
    while fed.read().await != new {
        assert!(start.elapsed() < PATIENCE, "{}", fed.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(live.stop(), Some(0));
    let gaps = fs::read_dir(Path::new(&fed.url()).join("_live/gaps/lost")).unwrap();
    assert!(gaps.count() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_came_and_alerts_and_dashboard_are_about_them() {
    let (alerts, broker, fed) = (Alerts::of(1200).await, Broker::start(), Fed::new("metrics"));
    let address = free_address();
    let live = fed.live(&broker, &["--metrics", &address]);
    let produced = broker.produce(
        "metrics",
        PARTITIONS as u32,
        "fink",
        alerts.folder.path(),
        &["--bad", "50"],
    );
    fed.wait_for(produced).await;
    let health = reqwest::get(format!("http://{address}/health")).await.unwrap();
    assert_eq!(health.text().await.unwrap(), "reading\n");
    let refused = alerts.count / 50;
    let lines = [
        format!("diaflight_live_messages_total {produced}\n"),
        "diaflight_live_state 1\n".to_string(),
        format!("diaflight_live_refused_total {refused}\n"),
        format!("diaflight_live_sources_total {}\n", alerts.tables[&Table::Sources].len()),
        r#"diaflight_live_lag{topic="metrics",partition="2"} 0"#.to_string(),
    ];
    let metrics = wait_for_metrics(&address, &lines).await;
    for file in ["live-alerts.yml", "live-dashboard.json"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
        let text = fs::read_to_string(path).unwrap();
        let names = named(&text);
        assert!(names.len() > 3, "{names:?}");
        let unknown: Vec<_> = names.iter().filter(|name| !has(&metrics, name)).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    assert_eq!(live.stop(), Some(0));
}
