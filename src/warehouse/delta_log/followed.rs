//! The newest snapshot of a table from an older one and the commits since, so that a refresh reads what is new and not the whole log again.
//! The commits of its updates count as its own.

use std::collections::{HashMap, HashSet};

use deltalake_core::kernel::Action;
use object_store::path::Path;

use super::Log;
use super::foreign_deletes::told;
use super::positions::is_position;
use super::updates::named_in;
use crate::error::Result;
use crate::warehouse::{DataFile, Snapshot};

/// After more commits than these the log is read anew: its checkpoints hold the sum of them.
const MOST_COMMITS: u64 = 50;

/// The newest snapshot. `None` if it does not follow in this way: there are many commits since, or one that changes more than files.
pub(super) async fn followed(log: &Log, known: &Snapshot) -> Result<Option<Snapshot>> {
    let mut changes = FileChanges::default();
    let mut version = known.version;
    while let Some(actions) = log.actions(version + 1).await? {
        version += 1;
        let few = version - known.version <= MOST_COMMITS;
        let foreign_deletes = known.updates.is_some() && told(&actions) != Some(false);
        if !few || foreign_deletes || !changes.take(log, actions, known.table_id)? {
            return Ok(None);
        }
    }
    let updates = changes.updates.or(known.updates);
    if let (Some(of_updates), true) = (&log.updates, updates != known.updates) {
        let (Some(before), Some(named)) = (known.updates, updates) else { return Ok(None) };
        if named < before || named - before > MOST_COMMITS {
            return Ok(None);
        }
        for version in before + 1..=named {
            let Some(actions) = of_updates.actions(version).await? else { return Ok(None) };
            // Columns are those of the table.
            let actions = actions.into_iter().filter(|one| !matches!(one, Action::Metadata(_)));
            if !changes.take(of_updates, actions.collect(), known.table_id)? {
                return Ok(None);
            }
        }
    }
    let entry = log.entry(version).await?;
    let files = changes.applied_to(&known.files);
    let foreign_deletes = known.foreign_deletes && version == known.version;
    Ok(Some(Snapshot { version, entry, files, updates, foreign_deletes, ..known.clone() }))
}

/// What some commits changed.
#[derive(Default)]
struct FileChanges {
    added: HashMap<Path, DataFile>,
    removed: HashSet<Path>,
    /// The version of the updates that they name last.
    updates: Option<u64>,
}

impl FileChanges {
    /// Takes the actions of the next commit. Returns whether they change files alone.
    fn take(&mut self, log: &Log, actions: Vec<Action>, table_id: u64) -> Result<bool> {
        let mut new = Vec::new();
        for action in actions {
            match action {
                Action::Add(add)
                    if add.deletion_vector.is_none() && add.partition_values.is_empty() =>
                {
                    new.push(log.data_file(&add, table_id)?);
                }
                Action::Remove(remove) => {
                    let path = log.full_path(&remove.path);
                    self.added.remove(&path);
                    self.removed.insert(path);
                }
                Action::CommitInfo(_) => {}
                // Who reads the rows does not ask from where they came.
                action if is_position(&action) => {}
                action => match named_in(&action) {
                    Some(named) => self.updates = Some(named),
                    None => return Ok(false),
                },
            }
        }
        for file in new {
            self.removed.remove(&file.path);
            self.added.insert(file.path.clone(), file);
        }
        Ok(true)
    }

    /// The files afterwards.
    fn applied_to(self, known: &[DataFile]) -> Vec<DataFile> {
        let Self { added, removed, .. } = self;
        let stays =
            |file: &&DataFile| !removed.contains(&file.path) && !added.contains_key(&file.path);
        let mut files: Vec<_> = known.iter().filter(stays).cloned().collect();
        files.extend(added.into_values());
        files.sort_unstable_by(DataFile::in_key_order);
        files
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};

    use super::*;
    use crate::schema::{KEY, TIME, Table};
    use crate::warehouse::{Change, MergePolicy, Operation, SortedWriter, Warehouse};

    fn rows(keys: &[i64], column: &str) -> RecordBatch {
        let numbers = || Arc::new(Int64Array::from(keys.to_vec())) as ArrayRef;
        let times = Arc::new(Float64Array::from_iter_values(keys.iter().map(|key| *key as f64)));
        let columns: [(&str, ArrayRef); 4] =
            [(KEY, numbers()), (TIME, times), ("diaSourceId", numbers()), (column, numbers())];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    async fn commit(warehouse: &Warehouse, rows: RecordBatch, removes: usize) {
        let base = warehouse.snapshot(Table::Sources, None).await.unwrap();
        let schema = match &base {
            Some(base) if base.schema.fields().len() > rows.num_columns() => base.schema.clone(),
            _ => rows.schema(),
        };
        let mut writer = SortedWriter::new(warehouse, Table::Sources, schema.clone());
        writer.write(&rows).await.unwrap();
        let add = writer.finish().await.unwrap();
        let remove =
            base.iter().flat_map(|base| base.files.iter().take(removes).cloned()).collect();
        let change = Change { operation: Operation::Ingest, schema, add, remove };
        warehouse.commit(Table::Sources, base.as_ref(), change).await.unwrap();
    }

    /// What follows from each older version is what the log says.
    #[tokio::test]
    async fn a_snapshot_follows_from_an_older_one() {
        let warehouse = Warehouse::open("memory://followed").unwrap();
        let log = Log::new(warehouse.location(), Table::Sources).unwrap();
        let mut known: Vec<Snapshot> = Vec::new();
        for night in 0..13 {
            commit(&warehouse, rows(&[night, night + 7], "a"), usize::from(night % 3 == 2)).await;
            if night == 8 {
                warehouse.compact(Table::Sources, &MergePolicy::default()).await.unwrap();
            }
            let newest = log.read(None).await.unwrap().unwrap();
            for older in &known {
                let followed = followed(&log, older).await.unwrap().unwrap();
                let of = |snapshot: &Snapshot| {
                    (snapshot.version, snapshot.entry.clone(), snapshot.files.clone())
                };
                assert_eq!(of(&followed), of(&newest), "from version {}", older.version);
            }
            known.push(newest);
        }
        // A new column is in the metadata of the table, which are read from the log.
        let before = log.read(None).await.unwrap().unwrap();
        let column = |name| (name, Arc::new(Int64Array::from(vec![1])) as ArrayRef);
        let time: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        let both = [column(KEY), (TIME, time), column("diaSourceId"), column("a"), column("b")];
        let both = RecordBatch::try_from_iter(both).unwrap();
        commit(&warehouse, both, 0).await;
        assert!(followed(&log, &before).await.unwrap().is_none());
    }
}
