//! diaflight: the light curves of Rubin alerts, served from plain Parquet in object storage.
//!
//! ```text
//! write:  alert packets -> ingest | survey -> warehouse (Delta tables of sorted Parquet)
//! read:   rest | flight -> request -> query (a SQL statement + bound values) -> plan -> index -> scan -> encode | plot -> bytes
//!         flight | prompt -> sql (any statement that reads) -> plan -> index -> scan, or DataFusion's Parquet source -> batches
//! ```
//! The rooms, in the order in which data flows; each uses only those above it. [`query::Engine`] answers queries.

#![warn(missing_docs, unreachable_pub)]

pub mod error;
pub mod log;
pub mod token;
pub mod process;
mod nearest;
pub mod schema;
pub mod astronomy;
pub mod key_pages;
pub mod warehouse;
pub mod index;
pub mod scan;

pub mod ingest;
pub mod live;
pub mod survey;

pub mod limits;
pub mod region;
pub mod workers;
pub mod plan;
pub mod query;
pub mod sql;
pub mod encode;
pub mod plot;
pub mod request;
pub mod origin;
pub mod telemetry;
pub mod failure;
pub mod incoming;
pub mod access;
pub mod rest;
pub mod flight;
pub mod tls;
pub mod server;

pub mod config;
pub mod cli;
