//! The server that is attacked: the built program with given flags, over a survey. Gives its URL, clients, and a bystander that
//! checks that others are still served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_flight::FlightDescriptor;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use reqwest::Client;
use serde_json::{Value, json};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::attacker::PATIENCE;
use super::survey::Survey;
use crate::program::diaflight;
use crate::server::Server;

pub struct Victim {
    pub server: Server,
    pub url: String,
    pub survey: Arc<Survey>,
    bystander: Client,
}

impl Victim {
    /// Serves the survey of all tests with these flags beside the defaults.
    pub async fn with(flags: &[&str]) -> Self {
        Self::over(Survey::shared().await, flags).await
    }

    /// Serves a survey with these flags beside the defaults.
    pub async fn over(survey: impl Into<Arc<Survey>>, flags: &[&str]) -> Self {
        let survey = survey.into();
        let mut command = diaflight();
        let warehouse = survey.folder.path().to_str().unwrap();
        command.args(["serve", "--warehouse", warehouse, "--listen", "127.0.0.1:0"]).args(flags);
        let server = Server::start(&mut command);
        server.ready().await;
        let url = server.url.clone();
        // One who comes anew each time: a connection that is kept open may have had to make room.
        let bystander = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(PATIENCE);
        Self { server, url, survey, bystander: bystander.build().unwrap() }
    }

    /// Somebody else's lookup is answered.
    pub async fn answers_others(&self) {
        self.answers(1, 0).await;
    }

    /// Lookups of single objects and of 40 at once are answered in full.
    pub async fn answers_lookups(&self) {
        for (objects, turns) in [(1, 20), (40, 10)] {
            for turn in 0..turns {
                self.answers(objects, turn).await;
            }
        }
    }

    async fn answers(&self, objects: usize, turn: usize) {
        let url = format!("{}{}", self.url, self.survey.lookup(objects, turn));
        let answer = self.bystander.get(url).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{objects} objects: {text}");
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert!(rows.len() >= objects, "{} rows of {objects} objects", rows.len());
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

    /// A connection of its own, which sends messages of any size.
    pub async fn flight(&self) -> FlightServiceClient<Channel> {
        let channel = Endpoint::from_shared(self.url.clone()).unwrap().connect().await.unwrap();
        FlightServiceClient::new(channel)
            .max_encoding_message_size(usize::MAX)
            .max_decoding_message_size(64 << 20)
    }

    /// Plans and runs a statement. What it is refused with, if it is.
    pub async fn run(&self, statement: &str) -> Result<(), Status> {
        run(self.flight().await, statement).await
    }

    /// Looks objects up with a filter.
    pub async fn filter(&self, filter: &str) -> Result<(), Status> {
        self.command(json!({"endpoint": "sources", "diaObjectId": [1, 2, 3], "filter": filter}))
            .await
    }

    pub async fn command(&self, command: Value) -> Result<(), Status> {
        let mut flight = self.flight().await;
        let descriptor = FlightDescriptor::new_cmd(command.to_string());
        let info = flight.get_flight_info(descriptor).await?.into_inner();
        let rows = flight.do_get(info.endpoint[0].ticket.clone().unwrap()).await?;
        rows.into_inner().try_for_each(|_| async { Ok(()) }).await
    }
}

pub async fn run(flight: FlightServiceClient<Channel>, statement: &str) -> Result<(), Status> {
    let mut client = FlightSqlServiceClient::new_from_inner(flight);
    let status = |error| match error {
        FlightError::Tonic(status) => *status,
        other => Status::unknown(other.to_string()),
    };
    let info = client.execute(statement.to_string(), None).await.map_err(status)?;
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let rows = client.do_get(ticket).await.map_err(status)?;
    rows.try_for_each(|_| async { Ok(()) }).await.map_err(status)
}
