//! What an endpoint is: its path, its arguments, what it answers and how. In: a line of [`endpoints`](super::endpoints). Out: its
//! route, and for its handler the request that came, understood.

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
    pub path: &'static str,
    /// A few words for the list of all endpoints.
    pub summary: &'static str,
    /// One line for a GET without arguments.
    pub about: &'static str,
    /// Whose rows it answers with or shows.
    pub table: Table,
    pub arguments: &'static [&'static Argument],
    pub returns: Returns,
    /// What is told of arguments that it cannot take, and of what it does not have: a kind of error, and an example.
    pub errors: &'static [(Kind, &'static str)],
    /// Its handlers.
    pub methods: fn() -> MethodRouter<EndpointState>,
}

/// What comes with a 200.
pub enum Returns {
    /// Rows of the table, in every format.
    Rows,
    /// Of one of these media types.
    Bytes(&'static [&'static str]),
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
    pub app: App,
    pub endpoint: &'static Endpoint,
}

impl EndpointState {
    /// The arguments of a request as `parse` understands them; `None` for a GET without any.
    pub async fn parse<T: Send + 'static>(
        &self,
        request: Request,
        parse: impl FnOnce(Arguments<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let sent = Sent::from_extensions(request.extensions());
        sent.parse(self.endpoint.arguments, &self.app.workers, parse).await
    }

    /// The answer to a GET without arguments.
    pub fn about(&self) -> Response {
        format!("{}\n", self.endpoint.about).into_response()
    }
}
