//! One binary for all integration tests: one module for each thing a user does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod alerts;
mod formats;
mod ingest;
mod query;
mod rest;
mod survey;
mod warehouse;
