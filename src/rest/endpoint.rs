//! An endpoint that answers with rows: what it is, and the server it is part of.

use super::App;
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

impl Endpoint {
    pub fn max_body_bytes(&self) -> usize {
        self.app.gate.options.max_body_bytes
    }
}
