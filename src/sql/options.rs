//! How much all statements may take together. In: nothing. Out: the limits, with their defaults.

use std::time::Duration;

/// The limits of statements.
#[derive(Clone, Debug)]
pub struct SqlOptions {
    /// Memory of all statements together for sorts, joins and groups; beyond it they spill to temporary files or fail.
    pub memory_bytes: usize,
    /// Temporary files of all statements together.
    pub temp_bytes: u64,
    /// From getting a place to the last row.
    pub time_limit: Duration,
    pub max_concurrent_statements: usize,
    /// How long a statement over that number waits for a place before it is refused.
    pub queue_limit: Duration,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            temp_bytes: 10 << 30,
            time_limit: Duration::from_secs(300),
            max_concurrent_statements: 4,
            queue_limit: Duration::from_secs(1),
        }
    }
}
