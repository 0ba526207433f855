//! What DataFusion's planner is given beside its own. In: SQL that is small enough ([`bounds`]), and snapshots as tables. Out: plans whose
//! nodes look objects up by the key index, keep the order of the files, and believe of statistics only what they know.

pub mod bounds;
mod condition;
mod files;
mod gathered;
mod groups;
mod hidden;
mod lookup;
mod nan;
mod nested_cases;
mod open_table;
mod reverse_within;
mod session;
mod sort_unless_sorted;
mod streaming_sort;
mod table;

pub use condition::{Values, value};
pub use lookup::LookupExec;
pub use open_table::OpenTable;
pub use session::{base_config, base_state};
pub use table::SnapshotTable;
