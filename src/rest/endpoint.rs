//! What an endpoint is made of (see [`endpoints`](super::endpoints)): its path, its arguments, its answers, its handlers. A handler gets
//! the request of its endpoint as a type, already parsed.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use super::App;
use super::received::Sent;
use crate::error::{Kind, Result};
use crate::request::argument::Argument;
use crate::request::arguments::Arguments;
use crate::schema::Table;

/// An endpoint: what the router, `/openapi.json` and the text of `/` are made from.
pub struct Endpoint {
    /// Its path.
    pub path: &'static str,
    /// A few words for the list of all endpoints.
    pub summary: &'static str,
    /// The text that answers a GET without arguments, in one line.
    pub about: &'static str,
    /// The table whose rows it returns or shows.
    pub table: Table,
    /// Its arguments.
    pub arguments: &'static [&'static Argument],
    /// The contents of a 200.
    pub returns: Returns,
    /// The errors that are its own: a kind, and an example of its text.
    pub errors: &'static [(Kind, &'static str)],
    /// Its handlers.
    pub methods: fn() -> MethodRouter<EndpointState>,
}

/// The contents of a 200.
pub enum Returns {
    /// Rows of the table, in every format.
    Rows,
    /// Sources with what their objects say, in every format.
    FoundRows,
    /// A picture, in one of these media types.
    Bytes(&'static [&'static str]),
    /// Events that go on for as long as the client reads them.
    Events,
}

impl Endpoint {
    /// The last part of the path.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// An endpoint of a running server.
#[derive(Clone)]
pub struct EndpointState {
    /// What all handlers share.
    pub app: App,
    /// The endpoint that is served.
    pub endpoint: &'static Endpoint,
}

impl EndpointState {
    /// Parses the arguments of a request; `None` for a GET without any.
    pub async fn parse<T: Send + 'static>(
        &self,
        request: Request,
        parse: impl FnOnce(Arguments<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let sent = Sent::from_extensions(request.extensions());
        sent.parse(self.endpoint.arguments, &self.app.workers, parse).await
    }

    /// The same on the workers, however short the request is: what it has may take long.
    pub async fn parse_on_workers<T: Send + 'static>(
        &self,
        request: Request,
        parse: impl FnOnce(Arguments<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let sent = Sent::from_extensions(request.extensions());
        sent.parse_on_workers(self.endpoint.arguments, &self.app.workers, parse).await
    }

    /// The answer to a GET without arguments.
    pub fn about(&self) -> Response {
        format!("{}\n", self.endpoint.about).into_response()
    }
}
