//! Parses what a client asks for, whether it came by REST or Flight, into typed requests; an error names the argument and says what would
//! be right.

pub mod argument;
pub mod arguments;
mod cone;
mod crossmatch;
mod date;
pub mod ignored;
pub mod json;
mod nested;
mod places;
mod plot;
mod position;
pub mod query;
mod region;
mod rows;
mod schema;
mod scs;
mod search;
mod skymap;
mod stream;
mod votable;

pub use cone::ConeRequest;
pub use crossmatch::CrossmatchRequest;
pub use plot::PlotRequest;
pub use rows::{RowRequest, missing_id};
pub use schema::{DescribedEndpoint, SchemaRequest};
pub use scs::ScsRequest;
pub use skymap::SkymapRequest;
pub use stream::{StreamRequest, resume_point};
