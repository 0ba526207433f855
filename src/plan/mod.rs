//! What we add to DataFusion's planner: our tables, plan nodes and rules, which it uses beside its own.
//!
//! [`SnapshotTable`] is a table with a snapshot, [`OpenTable`] one whose snapshot is chosen when its plan is executed. Where a filter names
//! objects ([`condition`]), both are read by a [`LookupExec`], through the key index; where it asks for a part of the sky ([`region`]), the
//! first one is, too. All other scans are DataFusion's own, of the
//! [`files`] that the log's ranges leave, in [`groups`] that keep the order of the files, and without conclusions from statistics that
//! leave out NaN ([`nan`], [`hidden`]). Rows that updates replace are left out ([`newest`]).
//!
//! [`streaming_sort`] replaces sorts whose input is sorted already or in part ([`reverse_within`], [`sort_unless_sorted`], [`gathered`]).
//! [`bounds`] and [`plan_check`] refuse statements whose planning would take too long.

mod base_session;
pub mod bounds;
mod condition;
mod files;
mod gathered;
mod groups;
mod hidden;
mod lookup;
mod named_files;
mod nan;
mod nested_cases;
mod newest;
mod open_table;
mod plan_check;
mod region;
mod reverse_within;
mod snapshot_table;
mod sort_unless_sorted;
mod streaming_sort;

pub use base_session::{base_config, base_state};
pub use lookup::LookupExec;
pub use open_table::OpenTable;
pub use plan_check::PlanCheck;
pub use snapshot_table::SnapshotTable;

use datafusion::common::ScalarValue;

/// The values of parameters, by their names without the `$`.
pub type ParameterValues = Vec<(&'static str, ScalarValue)>;

/// The value of a parameter, by its name in an expression (`$ids`).
pub fn parameter_value<'a>(values: &'a ParameterValues, id: &str) -> Option<&'a ScalarValue> {
    let name = id.strip_prefix('$')?;
    values.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}
