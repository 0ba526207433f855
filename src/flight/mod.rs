//! Arrow Flight for bulk clients, on the same port as REST, with the same engine, tables, names and snapshots. This file says which part
//! answers which call, and who may make it.
//!
//! What is a message of Flight SQL goes to [`statements`], all else to [`endpoints`]. Lookups by id and exchanges are open, as
//! REST is; whole tables and SQL need the token, if there is one.

mod checked_batches;
mod endpoints;
mod handshake;
mod received;
mod statements;
mod status;
mod wire;

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::Any;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use futures::stream::{self, BoxStream, StreamExt};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Extensions, Request, Response, Status, Streaming};
use tower_http::catch_panic::CatchPanicLayer;

use self::endpoints::{EndpointRequest, EndpointService};
use self::statements::Statements;
use self::status::status;
use crate::access::Access;
use crate::error::{Error, Result};
use crate::failure;
use crate::limits::{Caller, Client, Limits, MAX_MESSAGE_BYTES};
use crate::query::Engine;
use crate::sql::Sql;
use crate::telemetry::{Endless, RowsSent};
use crate::workers::Workers;

/// How the type URLs of Flight SQL's messages begin.
const FLIGHT_SQL: &str = "type.googleapis.com/arrow.flight.protocol.sql.";

/// The Flight service. Cheap to clone.
#[derive(Clone)]
pub struct Flight {
    endpoints: EndpointService,
    statements: Statements,
}

impl Flight {
    /// A service whose lookups run on the current runtime, and whose bulk reads run on `workers`.
    /// `stopping` is cancelled when the server is to stop.
    pub fn new(
        engine: Engine,
        sql: Sql,
        limits: Limits,
        workers: Workers,
        stopping: CancellationToken,
    ) -> Self {
        let statements = Statements::new(sql, workers.clone());
        let endpoints = EndpointService::new(engine, limits, workers, stopping);
        Self { endpoints, statements }
    }

    /// The endpoints, with the limits of the client that makes a call.
    fn endpoints_for(&self, extensions: &Extensions) -> EndpointService {
        let client = Client::from_extensions(extensions);
        let has_token = Access::from_extensions(extensions).check().is_ok();
        let caller = Caller { client, has_token };
        self.endpoints.for_caller(caller, RowsSent::from_extensions(extensions))
    }

    async fn info(&self, request: Request<FlightDescriptor>) -> Result<FlightInfo> {
        let (_, extensions, descriptor) = request.into_parts();
        let request = EndpointRequest::from_descriptor(&descriptor)?;
        permit(&request, &extensions)?;
        self.endpoints_for(&extensions).info(descriptor, &request).await
    }

    async fn read(&self, request: Request<Ticket>) -> Result<Response<wire::Messages>> {
        let (metadata, extensions, ticket) = request.into_parts();
        let request = EndpointService::request_of(&ticket.ticket)?;
        permit(&request, &extensions)?;
        let (follows, compression) = (request.follows, wire::compression(&metadata)?);
        let rows = self.endpoints_for(&extensions).read(request, compression).await?;
        let mut response = Response::new(rows);
        if follows {
            response.extensions_mut().insert(Endless);
        }
        Ok(response)
    }

    async fn list(&self, request: Request<Criteria>) -> Result<Vec<FlightInfo>> {
        if !request.get_ref().expression.is_empty() {
            return Err(Error::argument("list_flights takes no criteria; it lists every table"));
        }
        self.endpoints_for(request.extensions()).list().await
    }
}

/// The routes of the service, `/arrow.flight.protocol.FlightService/`, to be merged with others.
pub fn router(flight: Flight) -> Router {
    let limits = flight.endpoints.limits().clone();
    let service = FlightServiceServer::new(flight).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let of_panic = |panic| status(failure::from_panic(panic)).into_http::<Body>();
    let routes = Routes::new(service).into_axum_router().reset_fallback();
    routes
        .layer(from_fn_with_state(limits, received::whole))
        .layer(CatchPanicLayer::custom(of_panic))
}

/// Lets everyone read some objects, but whole tables only with a token.
fn permit(request: &EndpointRequest, extensions: &Extensions) -> Result<()> {
    if request.is_whole_table() { Access::from_extensions(extensions).check() } else { Ok(()) }
}

/// Lets a call through that carries a token, or needs none.
fn with_token<T>(request: &Request<T>) -> Result<(), Status> {
    Access::from_extensions(request.extensions()).check().map_err(status)
}

/// Whether a command or a ticket is a message of Flight SQL; ours are JSON.
fn is_flight_sql(bytes: &[u8]) -> bool {
    Any::decode(bytes).is_ok_and(|any| any.type_url.starts_with(FLIGHT_SQL))
}

type Stream<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl FlightService for Flight {
    type HandshakeStream = Stream<HandshakeResponse>;
    type ListFlightsStream = Stream<FlightInfo>;
    type DoGetStream = Stream<FlightData>;
    type DoPutStream = Stream<PutResult>;
    type DoExchangeStream = Stream<FlightData>;
    type DoActionStream = Stream<arrow_flight::Result>;
    type ListActionsStream = Stream<ActionType>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        handshake::answer(&request).map_err(status)
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        let infos = self.list(request).await.map_err(status)?;
        Ok(Response::new(stream::iter(infos.into_iter().map(Ok)).boxed()))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        if is_flight_sql(&request.get_ref().cmd) {
            with_token(&request)?;
            return self.statements.get_flight_info(request).await;
        }
        self.info(request).await.map(Response::new).map_err(status)
    }

    async fn poll_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        Err(Status::unimplemented(
            "poll_flight_info is not supported; call get_flight_info instead",
        ))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        if is_flight_sql(&request.get_ref().cmd) {
            with_token(&request)?;
            let info = self.statements.get_flight_info(request).await?.into_inner();
            return Ok(Response::new(SchemaResult { schema: info.schema }));
        }
        let endpoints = self.endpoints_for(request.extensions());
        let request = EndpointRequest::from_descriptor(request.get_ref()).map_err(status)?;
        endpoints.schema(&request).await.map(Response::new).map_err(status)
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        if is_flight_sql(&request.get_ref().ticket) {
            with_token(&request)?;
            return self.statements.do_get(request).await;
        }
        self.read(request).await.map_err(status)
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        with_token(&request)?;
        self.statements.do_put(request).await
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        let endpoints = self.endpoints_for(request.extensions());
        Ok(Response::new(endpoints.exchange(request.into_inner())))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        with_token(&request)?;
        self.statements.do_action(request).await
    }

    async fn list_actions(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        Ok(Response::new(stream::iter(Statements::actions().map(Ok)).boxed()))
    }
}
