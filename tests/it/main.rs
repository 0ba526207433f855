//! One binary for all integration tests: one module for each thing a user does.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may fail by panicking

mod alerts;
mod ingest;
mod ingest_properties;
mod warehouse;
