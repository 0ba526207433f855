//! What a query does, as text for a person: its SQL, the values of its parameters, its physical plan, and the rows that the key index lets
//! the scan read.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::Query;
use super::prepared_tables::PreparedTables;
use super::query_sql::QuerySql;
use crate::error::Result;
use crate::index::RowGroupPart;
use crate::plan::LookupExec;

/// The explanation of a query against snapshots.
pub(crate) async fn text(
    query: &Query,
    prepared: &PreparedTables,
    plan: Option<Arc<dyn ExecutionPlan>>,
) -> Result<String> {
    let statement = QuerySql::from_query(query);
    let mut text = format!("-- SQL\n{}\n-- Parameters\n", statement.text);
    for (name, value) in statement.values {
        let _ = writeln!(text, "${name} = {value}");
    }
    if let Some(filter) = &query.filter {
        let _ = writeln!(text, "\n-- Filter\n{filter}");
    }
    if let Some(limit) = query.limit {
        let _ = writeln!(text, "\n-- Limit\n{limit}");
    }
    let Some(plan) = plan else {
        let _ = writeln!(text, "\n-- No plan: none of the columns is there");
        return Ok(text);
    };
    let (versions, shown) = (prepared.versions(), displayable(plan.as_ref()).indent(false));
    let _ = write!(text, "\n-- Plan, snapshot {versions}\n{shown}");
    let files = prepared.tables().iter().map(|table| table.snapshot().files.len());
    let _ = writeln!(text, "\n-- Scan, of {} files", files.sum::<usize>());
    scans(&plan, &mut text).await?;
    Ok(text)
}

/// What the leaves of a plan read.
async fn scans(plan: &Arc<dyn ExecutionPlan>, text: &mut String) -> Result<()> {
    let mut plans = vec![plan];
    while let Some(plan) = plans.pop() {
        if let Some((table, wanted)) =
            plan.downcast_ref::<LookupExec>().and_then(LookupExec::lookup)
        {
            let parts = table.all_parts(wanted).await?;
            for of_file in parts.chunk_by(|a, b| a.file.number == b.file.number) {
                let name = table.snapshot.name_of(&of_file[0].file.file);
                let _ = writeln!(text, "{name}: {}", row_groups(of_file));
            }
        }
        if let Some(source) = plan.downcast_ref::<DataSourceExec>()
            && let Some(scan) = source.data_source().downcast_ref::<FileScanConfig>()
        {
            for file in scan.file_groups.iter().flat_map(|group| group.files()) {
                let _ = writeln!(text, "{}: every row group", file.path());
            }
        }
        plans.extend(plan.children());
    }
    Ok(())
}

/// Which row groups of a file, and how many rows of each may be of the objects.
fn row_groups(parts: &[RowGroupPart]) -> String {
    let groups = parts.chunk_by(|a, b| a.group == b.group).map(|parts| {
        let rows: usize = parts.iter().map(RowGroupPart::candidates).sum();
        format!("{} ({rows} rows)", parts[0].group)
    });
    let groups = groups.collect::<Vec<_>>().join(", ");
    format!("row groups {groups} of {}", parts[0].file.groups.len())
}
