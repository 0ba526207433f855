//! What the two kinds of sessions have in common: those that plan queries, and those that run SQL statements.

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionConfig;

use super::nested_cases::NESTED_CASES;
use super::streaming_sort::StreamingSort;
use crate::astronomy;

/// What every session over snapshots has in common: DataFusion's functions and the astronomical ones, and the rules of this folder.
pub fn base_state(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionStateBuilder {
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_optimizer_rule(Arc::new(NESTED_CASES))
        .with_physical_optimizer_rule(Arc::new(StreamingSort));
    builder.scalar_functions().get_or_insert_default().extend(astronomy::functions());
    builder
}

/// The options with which every session over snapshots begins.
pub fn base_config() -> SessionConfig {
    let mut config = SessionConfig::new();
    let options = config.options_mut();
    // Rubin's names are mixed case: `SELECT psfFlux FROM sources`.
    options.sql_parser.enable_ident_normalization = false;
    options.execution.parquet.pushdown_filters = true;
    // Scans are of whole row groups; objects are found by the key index. Decoding the page indexes of all columns anew for each
    // part of a table takes a fifth of the time of reading it.
    options.execution.parquet.enable_page_index = false;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.collect_statistics = false;
    config
}
