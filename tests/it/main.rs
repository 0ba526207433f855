//! One binary for all integration tests: one module for each thing a user does.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may fail by panicking

mod alerts;
mod answers;
mod cli;
mod conformance;
mod delta;
mod nights;
mod program;
mod python;
mod query;
mod s3;
mod seaweed;
mod server;
mod shared;
