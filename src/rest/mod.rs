//! The documented REST API over the query engine.
