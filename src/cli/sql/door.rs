//! Runs statements, against tables read in this process or against a server, and streams their rows.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::FlightEndpoint;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::cli::serve::sql_room;
use crate::config::{SqlArgs, StatementRoom};
use crate::error::{Error, Kind, Result};
use crate::query::{Engine, EngineOptions};
use crate::sql::{Sql, SqlOptions};
use crate::tls;
use crate::warehouse::Warehouse;
use crate::workers::Workers;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

type FlightSqlClient = FlightSqlServiceClient<Channel>;

pub(crate) enum Door {
    Local(Sql),
    Remote { url: String, client: FlightSqlClient },
}

impl Door {
    /// Opens the warehouse, or connects to the server.
    pub(crate) async fn open(arguments: &SqlArgs) -> Result<Self> {
        match (&arguments.warehouse, &arguments.server) {
            (Some(url), None) => local(url, &arguments.room).await,
            (None, Some(url)) => remote(url, arguments).await,
            _ => Err(Error::argument("give one of --warehouse URL and --server URL")),
        }
    }

    /// Starts a statement. Dropping the rows stops it.
    pub(crate) async fn run(&self, statement: &str) -> Result<SendableRecordBatchStream> {
        match self {
            Door::Local(sql) => sql.prepare(statement, None).await?.run().await,
            Door::Remote { url, client } => fetch(url, client.clone(), statement).await,
        }
    }
}

/// There is no time limit: the person who waits can stop the statement.
async fn local(url: &str, room: &StatementRoom) -> Result<Door> {
    let warehouse = Warehouse::open(url)?;
    let engine = Engine::open(EngineOptions::from_warehouse(&warehouse)).await?;
    let options = SqlOptions { time_limit: Duration::MAX, ..sql_room(room) };
    let sql = Sql::new(engine, Workers::new()?, &options)?;
    if sql.relations().await?.is_empty() {
        let text = format!("--warehouse {url}: there is no table; ingest alerts first");
        return Err(Error::argument(text));
    }
    Ok(Door::Local(sql))
}

async fn remote(url: &str, arguments: &SqlArgs) -> Result<Door> {
    let channel =
        endpoint(url, arguments.ca_cert.as_deref())?.connect().await.map_err(|error| {
            let cause = std::iter::successors(error.source(), |&cause| cause.source()).last();
            let cause = cause.map_or(error.to_string(), ToString::to_string);
            Error::new(Kind::NotReady, format!("--server {url}: {cause}"))
        })?;
    // The server limits its messages by rows, and a row may be long.
    let client = FlightServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let mut client = FlightSqlServiceClient::new_from_inner(client);
    if let Some(token) = &arguments.token {
        token.check()?;
        client.set_token(token.expose().to_string());
    }
    Ok(Door::Remote { url: url.to_string(), client })
}

/// Flight's schemes are those of HTTP under other names.
fn endpoint(url: &str, ca_cert: Option<&Path>) -> Result<Endpoint> {
    let invalid = |reason: &str| Error::argument(format!("--server {url}: {reason}"));
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let uri = match scheme {
        "http" | "grpc" => format!("http://{rest}"),
        "https" | "grpc+tls" => format!("https://{rest}"),
        _ => {
            return Err(invalid(
                "give a URL that begins with http://, https://, grpc:// or grpc+tls://",
            ));
        }
    };
    let secure = uri.starts_with("https");
    let endpoint = Endpoint::from_shared(uri)
        .map_err(|_| invalid("not a URL; give one such as grpc://localhost:3000"))?;
    let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
    if !secure {
        return Ok(endpoint);
    }
    let (own, system) = (ClientTlsConfig::new(), ClientTlsConfig::new().with_native_roots());
    let endpoint = match ca_cert {
        None => endpoint.tls_config(system),
        Some(file) => {
            let pem = ca(file).map_err(|error| error.context("--ca-cert"))?;
            // A small container has no roots of its own, which tonic refuses.
            let both = endpoint.clone().tls_config(system.ca_certificate(pem.clone()));
            both.or_else(|_| endpoint.tls_config(own.ca_certificate(pem)))
        }
    };
    endpoint.map_err(|error| invalid(&format!("TLS: {error}")))
}

fn ca(file: &Path) -> Result<Certificate> {
    tls::certificates(file)?;
    Ok(Certificate::from_pem(std::fs::read(file)?))
}

/// The rows of all parts of the answer, one part after the other.
async fn fetch(
    url: &str,
    mut client: FlightSqlClient,
    statement: &str,
) -> Result<SendableRecordBatchStream> {
    let url = url.to_string();
    let info = client.execute(statement.to_string(), None).await;
    let mut info = info.map_err(|error| failure(&url, error))?;
    let parts = std::mem::take(&mut info.endpoint);
    let schema = Arc::new(info.try_decode_schema()?);
    let rows = stream::iter(parts)
        .then(move |part| open_part(client.clone(), part))
        .try_flatten()
        .map_err(move |error| DataFusionError::from(failure(&url, error)));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

async fn open_part(
    mut client: FlightSqlClient,
    part: FlightEndpoint,
) -> Result<FlightRecordBatchStream, FlightError> {
    let ticket = part
        .ticket
        .ok_or_else(|| FlightError::protocol("the server sent an endpoint without a ticket"))?;
    client.do_get(ticket).await
}

/// The error of a call: the message of the server as it is, or the cause of a failed connection.
fn failure(url: &str, error: FlightError) -> Error {
    match &error {
        FlightError::Tonic(status) if status.source().is_none() => Error::from(error),
        _ => Error::from(error).context(format!("--server {url}")),
    }
}
