//! `/metrics`, and the alerts and the dashboard that are made of them, by the real Prometheus.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::tempdir;

use super::{a_file_of, serve, survey};
use crate::program::{finish, installed};
use crate::server::Server;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");

/// The metrics that a text names.
pub(crate) fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("diaflight_") || word.starts_with("process_")).collect()
}

/// Whether a text of metrics has a series, or the description of one that has no value yet.
pub(crate) fn has(metrics: &str, name: &str) -> bool {
    let ends = ["", "_total", "_bucket", "_count", "_sum", "_info"];
    let families = ends.iter().filter_map(|end| name.strip_suffix(end));
    families.into_iter().any(|family| metrics.contains(&format!("# TYPE {family} ")))
}

#[tokio::test]
async fn alerts_and_dashboard_are_about_metrics_that_there_are() {
    let place = tempdir().unwrap();
    let server = Server::start(&mut serve(&survey(place.path())));
    server.ready().await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    for file in ["alerts.yml", "dashboard.json"] {
        let text = fs::read_to_string(Path::new(DEPLOY).join(file)).unwrap();
        let names = named(&text);
        assert!(names.len() > 10, "{names:?}");
        let unknown: Vec<_> = names.iter().filter(|name| !has(&metrics, name)).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    for line in [
        "diaflight_ready 1.0",
        r#"diaflight_table_version{table="sources"} 0.0"#,
        r#"diaflight_table_missing_files{table="objects"} 0.0"#,
        r#"diaflight_permits_limit{work="requests"} 128.0"#,
        r#"diaflight_memory_limit_bytes{pool="statements"} 1073741824.0"#,
        r#"diaflight_storage_requests_total{operation="get",outcome="ok"} "#,
        concat!(r#"diaflight_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

struct Prometheus {
    process: Child,
    url: String,
}

impl Prometheus {
    /// Prometheus with our alerts, of which none waits, over one server.
    fn start(folder: &Path, server: &str) -> Self {
        let read = |name: &str| fs::read_to_string(Path::new(DEPLOY).join(name)).unwrap();
        let config = read("prometheus.yml").replace(": 5s", ": 1s").replace("server:8080", server);
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        let alerts = read("alerts.yml");
        let now = alerts.lines().filter(|line| !line.trim_start().starts_with("for: "));
        fs::write(folder.join("alerts.yml"), now.collect::<Vec<_>>().join("\n")).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={free}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, url: format!("http://{free}") }
    }

    /// The rules with their states; `None` while it starts.
    async fn rules(&self) -> Option<Vec<Value>> {
        let answer = reqwest::get(format!("{}/api/v1/rules", self.url)).await.ok()?;
        let answer: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
        answer["data"]["groups"][0]["rules"].as_array().cloned()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn prometheus_fires_the_alert_of_a_lost_file() {
    if !installed("prometheus") {
        return;
    }
    let check = finish(
        Command::new("promtool").args(["check", "rules"]).arg(format!("{DEPLOY}/alerts.yml")),
    );
    assert_eq!(check.code, Some(0), "{check:?}");
    let place = tempdir().unwrap();
    let warehouse = survey(place.path());
    let server = Server::start(&mut serve(&warehouse));
    server.ready().await;
    let prometheus = Prometheus::start(place.path(), server.url.trim_start_matches("http://"));
    fs::remove_file(a_file_of(&warehouse, "objects")).unwrap();
    let start = Instant::now();
    let rules = loop {
        let rules = prometheus.rules().await.unwrap_or_default();
        let fires =
            |name: &str| rules.iter().any(|rule| rule["name"] == name && rule["state"] == "firing");
        if fires("DiaflightFilesMissing") && fires("DiaflightNotReady") {
            break rules;
        }
        assert!(start.elapsed() < Duration::from_secs(90), "{rules:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    let quiet =
        ["DiaflightDown", "DiaflightReplicasDiffer", "DiaflightDataOld", "DiaflightMemoryFull"];
    for rule in rules.iter().filter(|rule| quiet.iter().any(|name| rule["name"] == *name)) {
        assert_eq!(rule["state"], "inactive", "{rule}");
    }
}
