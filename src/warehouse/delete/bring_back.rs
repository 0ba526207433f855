//! Brings back objects that a deletion took as having no source left, and to which another writer added sources before the deletion came
//! to `sources`. That writer may have found the object still there, and nothing to add to it.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};

use super::Progress;
use super::plan::DeletionPlan;
use super::selection::RowChoice;
use super::sources_left::each_key;
use crate::error::Result;
use crate::schema::Table;
use crate::warehouse::rewrite::rewrite;
use crate::warehouse::{Change, DataFile, FileSize, Operation, Snapshot, Warehouse};

impl Warehouse {
    /// Brings back what earlier attempts deleted from `objects`, a newer plan does not delete, and nobody has added again. Whether there
    /// was anything.
    pub(super) async fn bring_back(
        &self,
        plan: &DeletionPlan,
        progress: &mut Progress,
    ) -> Result<bool> {
        let objects = plan.choices.iter().find(|(base, _)| base.table == Table::Objects);
        let (Some((newest, doomed)), Some((version, _))) = (objects, progress.objects.last())
        else {
            return Ok(false);
        };
        let add = self.objects_back(newest, doomed, progress).await?;
        if add.is_empty() {
            return Ok(false);
        }
        let own = add.iter().filter(|file| !file.is_update());
        let rows = own.filter_map(|file| file.rows).sum::<u64>();
        let operation = Operation::Undo { version: *version };
        let change = Change { operation, schema: newest.schema.clone(), add, remove: Vec::new() };
        let committed = self.commit(Table::Objects, Some(newest), change).await?;
        let noted = progress.deleted.of(Table::Objects);
        noted.committed = Some(committed);
        noted.rows = noted.rows.saturating_sub(rows);
        Ok(true)
    }

    /// Writes the rows to bring back. An object that was deleted twice comes from the later version.
    async fn objects_back(
        &self,
        newest: &Snapshot,
        doomed: &RowChoice,
        progress: &Progress,
    ) -> Result<Vec<DataFile>> {
        let deleted = progress.objects.iter().flat_map(|(_, deletion)| deletion.choice.keys.iter());
        let mut wanted: Vec<_> = deleted.copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|key| doomed.keys.binary_search(key).is_err());
        let there = found(newest, &wanted).await?;
        let mut wanted = without(wanted, &there);
        let mut written = Vec::new();
        for (_, deletion) in progress.objects.iter().rev() {
            let files = deletion.change.remove.clone();
            let held = Snapshot { files, ..deletion.base.clone() };
            let back = RowChoice { keys: Arc::new(found(&held, &wanted).await?), times_mjd: None };
            for file in held.files.iter().filter(|file| back.may_be_in(file)) {
                let back = back.clone();
                let keeps =
                    move |batch: &RecordBatch| Ok(BooleanArray::from(back.selected(batch)?));
                written.extend(rewrite(self, newest, file, FileSize::TARGET, keeps).await?);
            }
            wanted = without(wanted, &back.keys);
        }
        Ok(written)
    }
}

/// Those of some objects that a table has, ascending.
async fn found(table: &Snapshot, wanted: &[i64]) -> Result<Vec<i64>> {
    let choice = RowChoice { keys: Arc::new(wanted.to_vec()), times_mjd: None };
    let mut found = Vec::new();
    each_key(table, &choice, true, |key| found.push(key)).await?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn without(mut keys: Vec<i64>, others: &[i64]) -> Vec<i64> {
    keys.retain(|key| others.binary_search(key).is_err());
    keys
}
