//! Alert packets to table rows. In: files or prefixes of Avro or Parquet alerts. Out: one commit
//! per table, and a [`Summary`].

mod evolution;
mod filter;
mod merge;
mod sort;
mod staging;
mod stored;
mod winners;

use std::path::PathBuf;

/// How to ingest.
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// Also take `prvDiaSources` as sources.
    pub history: bool,
    /// What one ingest may use in memory.
    pub memory_bytes: usize,
    /// Where staged rows and sorted runs go; the system's temporary folder by default.
    pub temp_dir: Option<PathBuf>,
}
