//! diaflight: the light curves of Rubin alerts, served from plain Parquet in object storage.
//!
//! The rooms, in the order in which data flows; each uses only those above it.
//! ```text
//! write:  alert packets -> ingest | survey -> warehouse (Delta tables of sorted Parquet)
//! read:   rest -> query (one SQL text + bound parameters) -> warehouse -> encode -> bytes
//! ```

pub mod config;
pub mod encode;
pub mod error;
pub mod ingest;
pub mod log;
pub mod query;
pub mod rest;
pub mod schema;
pub mod server;
pub mod survey;
pub mod warehouse;
