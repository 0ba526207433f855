//! What a deletion takes from each table, all of it chosen from one version of each, and the files that hold what stays.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Doomed;
use super::selection::RowChoice;
use super::sources_left::without_sources;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::rewrite::rewrite;
use crate::warehouse::{Change, FileSize, Operation, Snapshot, Warehouse, described};

/// What to delete of each table.
pub(super) struct DeletionPlan {
    /// The tables that exist, objects first, and their rows to delete.
    pub choices: Vec<(Snapshot, RowChoice)>,
    /// Objects that lose some of their sources, but not all.
    pub objects_kept: u64,
}

/// A change of a table whose files are written.
#[derive(Debug)]
pub(super) struct Deletion {
    pub base: Snapshot,
    pub choice: RowChoice,
    pub change: Change,
    pub rows: u64,
}

impl Warehouse {
    /// Chooses the rows. `NotFound` if no table exists.
    pub(super) async fn plan(&self, doomed: &Doomed) -> Result<DeletionPlan> {
        let mut bases = Vec::new();
        for table in Table::ALL.into_iter().rev() {
            bases.extend(self.snapshot(table, None).await?);
        }
        if bases.is_empty() {
            let message = format!("{}: there is no table", self.location.url);
            return Err(Error::new(Kind::NotFound, message));
        }
        let (keys, times_mjd, objects_kept) = match *doomed {
            Doomed::Object(id) => (vec![id], None, 0),
            Doomed::Night { from_mjd, to_mjd } => {
                let times_mjd = Some(from_mjd..=to_mjd);
                let night = RowChoice { keys: Arc::default(), times_mjd: times_mjd.clone() };
                let sources = bases.iter().find(|base| base.table == Table::Sources);
                let (lost, kept) = match sources {
                    Some(sources) => without_sources(sources, &night).await?,
                    None => (Vec::new(), 0),
                };
                (lost, times_mjd, kept)
            }
        };
        let keys = Arc::new(keys);
        let choice = |base: Snapshot| {
            let times_mjd = times_mjd.clone().filter(|_| base.table != Table::Objects);
            (base, RowChoice { keys: keys.clone(), times_mjd })
        };
        Ok(DeletionPlan { choices: bases.into_iter().map(choice).collect(), objects_kept })
    }

    /// Writes what stays of the files that hold rows to delete; in a dry run, only counts.
    pub(super) async fn deletions(
        &self,
        plan: &DeletionPlan,
        dry_run: bool,
    ) -> Result<Vec<Deletion>> {
        let mut deletions = Vec::new();
        for (base, choice) in &plan.choices {
            deletions.push(self.deletion(base.clone(), choice.clone(), dry_run).await?);
        }
        Ok(deletions)
    }

    async fn deletion(&self, base: Snapshot, choice: RowChoice, dry_run: bool) -> Result<Deletion> {
        let candidates = base.files.iter().filter(|file| choice.may_be_in(file)).cloned();
        let candidates = described(&base.store, base.table, candidates.collect()).await?;
        let operation = Operation::Delete;
        let (add, remove) = (Vec::new(), Vec::new());
        let mut change = Change { operation, schema: base.schema.clone(), add, remove };
        let mut rows = 0;
        for file in candidates {
            let doomed = choice.count(&base, &file).await?;
            if doomed == 0 {
                continue;
            }
            let stays = file.rows.unwrap_or_default().checked_sub(doomed);
            if !dry_run && stays != Some(0) {
                let choice = choice.clone();
                let keeps = move |batch: &RecordBatch| choice.others(batch);
                let written = rewrite(self, &base, &file, FileSize::TARGET, keeps).await?;
                if written.iter().map(|file| file.rows).sum::<Option<u64>>() != stays {
                    let message = format!("rewriting /{}: {stays:?} rows were to stay", file.path);
                    return Err(Error::internal(message));
                }
                change.add.extend(written);
            }
            // An update replaces a row that is counted.
            rows += if file.is_update() { 0 } else { doomed };
            change.remove.push(file);
        }
        Ok(Deletion { base, choice, change, rows })
    }
}
