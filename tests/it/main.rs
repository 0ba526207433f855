//! One binary for all integration tests: one module for each thing a user does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod alerts;
mod answers;
mod astronomy;
mod browser;
mod cli;
mod commits;
mod compose;
mod conformance;
mod delta;
mod doors;
mod durable;
mod examples;
mod faults;
mod flight;
mod flight_sql;
mod folders;
mod foreign;
mod formats;
mod hostile;
mod ingest;
mod ingest_properties;
mod light_curves;
mod lookup;
mod names;
mod nights;
mod program;
mod python;
mod query;
mod readme;
mod remade;
mod rest;
mod s3;
mod schema;
mod seaweed;
mod server;
mod shared;
mod sql;
mod sql_command;
mod stopped;
mod stores;
mod survey;
mod tls;
mod views;
mod warehouse;
