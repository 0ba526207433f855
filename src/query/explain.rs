//! What a query does, for a person. In: a query and its physical plan. Out: text with the SQL, the values of
//! its parameters, the plan, and the rows that the key index lets the scan read.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::{Query, template};
use crate::warehouse::Snapshot;

/// The explanation of a query against a snapshot.
pub fn text(query: &Query, snapshot: &Snapshot, plan: Arc<dyn ExecutionPlan>) -> String {
    let mut text =
        format!("-- SQL\n{}\n-- Parameters\n", template::sql(query.table, query.order).trim_end());
    for (name, value) in template::parameters(query) {
        let _ = writeln!(text, "${name} = {value}");
    }
    if let Some(filter) = &query.filter {
        let _ = writeln!(text, "\n-- Filter\n{filter}");
    }
    if let Some(limit) = query.limit {
        let _ = writeln!(text, "\n-- Limit\n{limit}");
    }
    let version = snapshot.version;
    let _ =
        write!(text, "\n-- Plan, snapshot {version}\n{}", displayable(plan.as_ref()).indent(false));
    let _ = writeln!(text, "\n-- Scan, of {} files", snapshot.files.len());
    scans(plan.as_ref(), &mut text);
    text
}

fn scans(plan: &dyn ExecutionPlan, text: &mut String) {
    if let Some(source) = plan.downcast_ref::<DataSourceExec>()
        && let Some(scan) = source.data_source().downcast_ref::<FileScanConfig>()
    {
        for file in scan.file_groups.iter().flat_map(|group| group.files()) {
            let _ = writeln!(
                text,
                "{}: {}",
                file.path(),
                access(file.extension::<ParquetAccessPlan>())
            );
        }
    }
    for child in plan.children() {
        scans(child.as_ref(), text);
    }
}

/// Which row groups, and how many rows of each.
fn access(plan: Option<&ParquetAccessPlan>) -> String {
    let Some(plan) = plan else { return "every row group".to_string() };
    let groups = plan.inner().iter().enumerate().filter_map(|(i, group)| match group {
        RowGroupAccess::Skip => None,
        RowGroupAccess::Scan => Some(format!("{i} (whole)")),
        RowGroupAccess::Selection(rows) => Some(format!("{i} ({} rows)", rows.row_count())),
    });
    format!("row groups {} of {}", groups.collect::<Vec<_>>().join(", "), plan.len())
}
