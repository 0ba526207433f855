//! The scan of some objects. In: a lookup: what is wanted of a table. Out: batches of exactly its rows.
//!
//! The index says which pages of which row groups may hold them. [`fetch`](fetch::fetch) gets these pages and nothing else, in one request
//! for each row group; [`decode`](decode::decode) copies the wanted rows out of them; [`read()`] does both for several row groups side by side.

mod decode;
mod fetch;
mod hybrid;
mod projection;
mod read;
mod values;

pub use projection::{Projection, row_bytes};
pub use read::{Counts, Lookup, read};
