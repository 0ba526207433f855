//! What a client asks for, understood; nothing of HTTP or gRPC: from arguments by name, of a JSON object, a form or a query
//! string, to a [`RowRequest`], or the error that names the argument and what would be right.

pub mod argument;
pub mod arguments;
pub mod ignored;
pub mod json;
mod plot;
pub mod query;
mod rows;
mod schema;

pub use plot::PlotRequest;
pub use rows::{RowRequest, missing_id};
pub use schema::SchemaRequest;
