//! Repairs what a check found: deletes what no version names, writes anew what is not sorted, or has wrong statistics or a wrong key index,
//! and takes out of the table what cannot be read. Rows are never changed in place: older versions still name the files as they were.

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;

use super::{CheckedTable, Flaw};
use crate::error::Result;
use crate::warehouse::delta_log::Log;
use crate::warehouse::rewrite::rewrite;
use crate::warehouse::vacuum::delete_unused;
use crate::warehouse::{Change, DataFile, FileSize, Operation, Snapshot, Warehouse};

impl Warehouse {
    /// Repairs a table. `Conflict` if others changed it since it was checked.
    pub(super) async fn repair(&self, checked: &mut CheckedTable) -> Result<()> {
        let to_rewrite = |flaw| {
            use Flaw::{DamagedKeyIndex, Unsorted, WrongKeyIndex, WrongStatistics};
            matches!(flaw, Unsorted | WrongStatistics | WrongKeyIndex | DamagedKeyIndex)
        };
        let to_take_out = |flaw| matches!(flaw, Flaw::Missing | Flaw::WrongSize | Flaw::Damaged);
        let flawed = std::mem::take(&mut checked.flawed);
        let (misleading, others): (Vec<_>, Vec<_>) =
            flawed.into_iter().partition(|(flaw, _)| to_rewrite(*flaw));
        let unreadable = others.into_iter().filter(|(flaw, _)| to_take_out(*flaw)).collect();
        let snapshot = checked.snapshot.clone();
        let files =
            |flawed: Vec<(Flaw, DataFile)>| flawed.into_iter().map(|(_, file)| file).collect();
        let written = self.write_again(&snapshot, files(misleading)).await?;
        checked.note(to_rewrite, written, "written again");
        let taken = self.take_out(&snapshot, files(unreadable)).await?;
        checked.note(to_take_out, taken, "taken out of the table, and its rows with it");
        let log = Log::new(&self.location, snapshot.table)?;
        delete_unused(&log, std::mem::take(&mut checked.orphans)).await?;
        checked.note(|flaw| flaw == Flaw::Orphan, None, "deleted");
        Ok(())
    }

    async fn write_again(&self, base: &Snapshot, files: Vec<DataFile>) -> Result<Option<u64>> {
        let mut add = Vec::new();
        for file in &files {
            let file = DataFile { sorted: false, ..file.clone() };
            let every = |batch: &RecordBatch| Ok(BooleanBuffer::new_set(batch.num_rows()).into());
            add.extend(rewrite(self, base, &file, FileSize::TARGET, every).await?);
        }
        self.replace_files(base, Operation::Compact, add, files).await
    }

    async fn take_out(&self, base: &Snapshot, files: Vec<DataFile>) -> Result<Option<u64>> {
        self.replace_files(base, Operation::Delete, Vec::new(), files).await
    }

    /// Commits, if there is something to replace.
    async fn replace_files(
        &self,
        base: &Snapshot,
        operation: Operation,
        add: Vec<DataFile>,
        remove: Vec<DataFile>,
    ) -> Result<Option<u64>> {
        if remove.is_empty() {
            return Ok(None);
        }
        let change = Change { operation, schema: base.schema.clone(), add, remove };
        self.commit(base.table, Some(base), change).await.map(Some)
    }
}

impl CheckedTable {
    fn note(&mut self, of: impl Fn(Flaw) -> bool, version: Option<u64>, done: &str) {
        let by = version.map(|version| format!(" (version {version})")).unwrap_or_default();
        for finding in self.findings.iter_mut().filter(|finding| of(finding.flaw)) {
            finding.repaired = Some(format!("{done}{by}"));
        }
    }
}
