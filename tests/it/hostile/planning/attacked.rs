//! A server under attack: what attackers ask it, and a bystander who asks for little all the while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arrow_flight::FlightDescriptor;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use diaflight::survey::{SurveyOptions, generate};
use diaflight::warehouse::Warehouse;
use futures::TryStreamExt;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::server::Server;

/// Of a bystander, for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOKUP: &str = "/api/v1/sources?diaObjectId=1&columns=r:band";

pub struct Attacked {
    _folder: TempDir,
    pub server: Server,
    channel: Channel,
}

impl Attacked {
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let options = SurveyOptions { objects: 300, seed: 3 };
        generate(&Warehouse::open(path).unwrap(), &options, &|_| {}).await.unwrap();
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, value.to_string())).collect();
        let server = Server::serve(path, &variables).await;
        let channel = Endpoint::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
        Self { _folder: folder, server, channel }
    }

    pub fn flight(&self) -> FlightServiceClient<Channel> {
        FlightServiceClient::new(self.channel.clone()).max_encoding_message_size(usize::MAX)
    }

    /// Plans and runs a statement. What it is refused with, if it is.
    pub async fn run(&self, statement: &str) -> Result<(), Status> {
        run(self.flight(), statement).await
    }

    /// Looks objects up with a filter.
    pub async fn filter(&self, filter: &str) -> Result<(), Status> {
        self.command(json!({"endpoint": "sources", "diaObjectId": [1, 2, 3], "filter": filter}))
            .await
    }

    pub async fn command(&self, command: serde_json::Value) -> Result<(), Status> {
        let descriptor = FlightDescriptor::new_cmd(command.to_string());
        let info = self.flight().get_flight_info(descriptor).await?.into_inner();
        let rows = self.flight().do_get(info.endpoint[0].ticket.clone().unwrap()).await?;
        rows.into_inner().try_for_each(|_| async { Ok(()) }).await
    }

    pub fn bystander(&self) -> Bystander {
        let (stopped, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stop, count) = (stopped.clone(), answered.clone());
        let url = format!("{}{LOOKUP}", self.server.url);
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let endpoint = Endpoint::from_shared(self.server.url.clone()).unwrap();
        let asking = tokio::spawn(async move {
            let flight = FlightServiceClient::new(endpoint.connect().await.unwrap());
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
                timeout(PATIENCE, run(flight.clone(), "SELECT 1")).await.unwrap().unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Bystander { stopped, answered, asking }
    }
}

async fn run(flight: FlightServiceClient<Channel>, statement: &str) -> Result<(), Status> {
    let mut client = FlightSqlServiceClient::new_from_inner(flight);
    let of_status = |error| match error {
        FlightError::Tonic(status) => *status,
        other => Status::unknown(other.to_string()),
    };
    let info = client.execute(statement.to_string(), None).await.map_err(of_status)?;
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let rows = client.do_get(ticket).await.map_err(of_status)?;
    rows.try_for_each(|_| async { Ok(()) }).await.map_err(of_status)
}

/// Somebody who looks objects up, and runs a statement, all the while.
pub struct Bystander {
    stopped: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    asking: JoinHandle<()>,
}

impl Bystander {
    pub async fn end(self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.asking.await.expect("a bystander was not answered");
        assert!(self.answered.load(Ordering::Relaxed) > 0);
    }
}
