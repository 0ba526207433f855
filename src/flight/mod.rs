//! The second door: Arrow Flight, for bulk clients, beside REST on the same port. In: gRPC calls. Out: Arrow batches over the
//! same engine, tables, names and snapshots. This file says who answers what, and who may.
//!
//! Lookups by id and exchanges are open, as REST is; whole tables need the token, if there is one.

mod access;
mod named;
mod status;
mod wire;

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use axum::Router;
use axum::body::Body;
use futures::stream::{self, BoxStream, StreamExt};
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};
use tower_http::catch_panic::CatchPanicLayer;

use self::access::Access;
use self::named::{Named, NamedRequest};
use self::status::status;
use crate::error::{Error, Result};
use crate::failure;
use crate::limits::Limits;
use crate::query::Engine;
use crate::sql::Sql;
use crate::token::Token;
use crate::workers::Workers;

/// What a client may send in one message: ids of an exchange, as large as pyarrow's batches come.
const MAX_INCOMING_BYTES: usize = 64 << 20;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Flight {
    access: Access,
    named: Named,
}

impl Flight {
    /// Made on the runtime that serves; bulk reads run on `workers`.
    pub fn new(
        engine: Engine,
        _sql: Sql,
        limits: Limits,
        workers: Workers,
        token: Option<Token>,
    ) -> Self {
        Self { access: Access::new(token), named: Named::new(engine, limits, workers) }
    }

    /// Whole tables are for those who have the token.
    fn permit(&self, request: &NamedRequest, metadata: &MetadataMap) -> Result<()> {
        if request.is_whole_table() { self.access.check(metadata) } else { Ok(()) }
    }

    async fn info(&self, request: Request<FlightDescriptor>) -> Result<FlightInfo> {
        let (metadata, _, descriptor) = request.into_parts();
        let request = NamedRequest::of(&descriptor)?;
        self.permit(&request, &metadata)?;
        self.named.info(descriptor, &request).await
    }

    async fn read(&self, request: Request<Ticket>) -> Result<wire::Messages> {
        let (metadata, _, ticket) = request.into_parts();
        let request = Named::request_of(&ticket.ticket)?;
        self.permit(&request, &metadata)?;
        self.named.read(request, wire::compression(&metadata)?).await
    }

    async fn list(&self, criteria: Criteria) -> Result<Vec<FlightInfo>> {
        if !criteria.expression.is_empty() {
            return Err(Error::argument("list_flights takes no criteria; it lists every table"));
        }
        self.named.list().await
    }
}

/// The routes of the service, `/arrow.flight.protocol.FlightService/`, to be merged with others.
pub fn router(flight: Flight) -> Router {
    let service = FlightServiceServer::new(flight).max_decoding_message_size(MAX_INCOMING_BYTES);
    let of_panic = |panic| status(failure::of_panic(panic)).into_http::<Body>();
    let routes = Routes::new(service).into_axum_router().reset_fallback();
    routes.layer(CatchPanicLayer::custom(of_panic))
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
        self.access.handshake(request.metadata()).map_err(status)
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        let infos = self.list(request.into_inner()).await.map_err(status)?;
        Ok(Response::new(stream::iter(infos.into_iter().map(Ok)).boxed()))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.info(request).await.map(Response::new).map_err(status)
    }

    async fn poll_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        Err(Status::unimplemented("nothing takes long to plan here; call get_flight_info"))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let request = NamedRequest::of(request.get_ref()).map_err(status)?;
        self.named.schema(&request).await.map(Response::new).map_err(status)
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        self.read(request).await.map(Response::new).map_err(status)
    }

    async fn do_put(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        Err(Status::unimplemented("nothing is written here: the tables are read-only"))
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Ok(Response::new(self.named.exchange(request.into_inner())))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        let name = &request.get_ref().r#type;
        Err(Status::unimplemented(format!(
            "there is no action {name:?}; list_actions names those there are"
        )))
    }

    async fn list_actions(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        Ok(Response::new(stream::empty().boxed()))
    }
}
