//! One binary for all integration tests: one module for each thing a user does.
mod warehouse;
