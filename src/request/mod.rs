//! What a client asks for, understood; nothing of HTTP or gRPC. In: arguments by name, from a JSON object or a query
//! string. Out: a [`RowRequest`], or the error that names the argument and what would be right.

pub mod argument;
pub mod arguments;
pub mod ignored;
pub mod json;
mod plot;
pub mod query;
mod rows;
mod schema;

pub use plot::PlotRequest;
pub use rows::RowRequest;
pub use schema::SchemaRequest;
