//! Repairs what a check found: deletes what no version names, sorts what is not sorted, and takes out of the table what cannot be read.
//! Rows are never changed in place: older versions still name the files as they were.

use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;

use super::{CheckedTable, Flaw};
use crate::error::{Error, Result};
use crate::warehouse::rewrite::rewrite;
use crate::warehouse::{Change, DataFile, FileSize, Operation, Snapshot, Warehouse};

impl Warehouse {
    /// Repairs a table. `Conflict` if others changed it since it was checked.
    pub(super) async fn repair(&self, checked: &mut CheckedTable) -> Result<()> {
        let (unsorted, unreadable): (Vec<_>, Vec<_>) =
            checked.flawed.drain(..).partition(|(flaw, _)| *flaw == Flaw::Unsorted);
        let snapshot = checked.snapshot.clone();
        let files =
            |flawed: Vec<(Flaw, DataFile)>| flawed.into_iter().map(|(_, file)| file).collect();
        let sorted = self.sort_again(&snapshot, files(unsorted)).await?;
        checked.note(|flaw| flaw == Flaw::Unsorted, sorted, "sorted again");
        let taken = self.take_out(&snapshot, files(unreadable)).await?;
        let unreadable = |flaw| matches!(flaw, Flaw::Missing | Flaw::WrongSize | Flaw::Damaged);
        checked.note(unreadable, taken, "taken out of the table, and its rows with it");
        let orphans = stream::iter(std::mem::take(&mut checked.orphans)).map(Ok).boxed();
        let deleted = snapshot.store.delete_stream(orphans);
        deleted.try_for_each(|_| std::future::ready(Ok(()))).await.map_err(Error::from)?;
        checked.note(|flaw| flaw == Flaw::Orphan, None, "deleted");
        Ok(())
    }

    async fn sort_again(&self, base: &Snapshot, unsorted: Vec<DataFile>) -> Result<Option<u64>> {
        let mut add = Vec::new();
        for file in &unsorted {
            let file = DataFile { sorted: false, ..file.clone() };
            let every = |batch: &RecordBatch| Ok(BooleanBuffer::new_set(batch.num_rows()).into());
            add.extend(rewrite(self, base, &file, FileSize::TARGET, every).await?);
        }
        self.replace_files(base, Operation::Compact, add, unsorted).await
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
