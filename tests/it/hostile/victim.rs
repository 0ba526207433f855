//! The server that is attacked: the built program over a small survey. In: its limits. Out: its URL, its memory, and the word of a
//! bystander.

use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow_flight::{FlightClient, FlightDescriptor};
use diaflight::survey::{self, SurveyOptions};
use diaflight::warehouse::Warehouse;
use futures::TryStreamExt;
use reqwest::Client;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tonic::transport::Endpoint;

use super::attacker::PATIENCE;
use crate::program::diaflight;
use crate::server::Server;

pub struct Victim {
    pub server: Server,
    pub url: String,
    bystander: Client,
}

/// A warehouse that all tests read and none writes, and its longest light curve's object.
async fn warehouse() -> (&'static str, i64) {
    static WAREHOUSE: OnceCell<(TempDir, i64)> = OnceCell::const_new();
    let (folder, id) = WAREHOUSE
        .get_or_init(|| async {
            let folder = tempfile::tempdir().unwrap();
            let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
            let options = SurveyOptions { objects: 600, seed: 1 };
            let made = survey::generate(&warehouse, &options, &|_| {}).await.unwrap();
            (folder, made.examples[0].dia_object_id)
        })
        .await;
    (folder.path().to_str().unwrap(), *id)
}

impl Victim {
    /// Serves with these flags beside the defaults.
    pub async fn with(flags: &[&str]) -> Self {
        let mut command = diaflight();
        command.args(["serve", "--warehouse", warehouse().await.0, "--listen", "127.0.0.1:0"]);
        let server = Server::start(command.args(flags));
        server.ready().await;
        let url = server.url.clone();
        // One who comes anew each time: a connection that is kept open may have had to make room.
        let bystander = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(PATIENCE);
        Self { server, url, bystander: bystander.build().unwrap() }
    }

    /// A path that looks an object up.
    async fn lookup() -> String {
        format!("/api/v1/objects?diaObjectId={}", warehouse().await.1)
    }

    /// Somebody else's lookup is answered.
    pub async fn answers_others(&self) {
        let url = format!("{}{}", self.url, Self::lookup().await);
        let answer = self.bystander.get(url).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("diaObjectId"), "{text}");
    }

    /// A body that asks for every column of every object: some tens of MiB of answer.
    pub async fn everything(&self) -> String {
        let endpoint = Endpoint::from_shared(self.url.clone()).unwrap();
        let mut flight = FlightClient::new(endpoint.connect().await.unwrap());
        let command = json!({"endpoint": "objects", "columns": "r:diaObjectId"}).to_string();
        let info = flight.get_flight_info(FlightDescriptor::new_cmd(command)).await.unwrap();
        let mut ids = Vec::new();
        for endpoint in info.endpoint {
            let rows = flight.do_get(endpoint.ticket.unwrap()).await.unwrap();
            for batch in rows.try_collect::<Vec<_>>().await.unwrap() {
                ids.extend(batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
            }
        }
        assert!(ids.len() > 500);
        json!({"diaObjectId": ids}).to_string()
    }

    /// The value of a line of `/metrics`.
    pub async fn metric(&self, name: &str) -> u64 {
        let answer = self.bystander.get(format!("{}/metrics", self.url)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }

    /// Waits until it has so many connections or fewer: those that make room take their time to close.
    pub async fn has_connections(&self, most: u64) {
        let start = Instant::now();
        while self.metric("diaflight_connections").await > most {
            assert!(start.elapsed() < PATIENCE, "there are still more than {most} connections");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The most memory that the process ever had, in MiB.
    pub fn peak_mib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.server.pid());
        let status = std::fs::read_to_string(path).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    }
}
