//! An endpoint that answers with rows: what it is, the server it is part of, and the requests it takes.

use axum::extract::{OptionalFromRequest, Request};

use super::App;
use super::received::Sent;
use crate::error::{Error, Result};
use crate::request::RowRequest;
use crate::request::arguments::Arguments;
use crate::schema::Table;

/// What an endpoint is.
#[derive(Clone, Copy)]
pub struct Definition {
    pub table: Table,
    /// One line for a GET without arguments.
    pub about: &'static str,
}

/// An endpoint of a running server.
#[derive(Clone)]
pub struct Endpoint {
    pub app: App,
    pub definition: Definition,
}

impl OptionalFromRequest<Endpoint> for RowRequest {
    type Rejection = Error;

    async fn from_request(request: Request, endpoint: &Endpoint) -> Result<Option<Self>> {
        let table = endpoint.definition.table;
        let parse = move |arguments: Arguments<'_>| Self::parse(table, arguments);
        let sent = Sent::of(request.extensions());
        sent.parse(Self::arguments(table), &endpoint.app.workers, parse).await
    }
}
