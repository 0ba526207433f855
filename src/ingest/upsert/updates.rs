//! Which rows of an ingest are left beside their table as updates, and when updates are folded into it by an ingest.

use chrono::Utc;

use super::{Upsert, Winners};
use crate::error::{Error, Result};
use crate::ingest::staged::StagedRows;
use crate::schema::Table;
use crate::warehouse::{Change, Level, MOST_UPDATES, MergePolicy, Snapshot, SortedWriter, Update};

impl Upsert<'_> {
    /// Whether updates are folded into their table before more come: with these they might be too many, or some are of objects that the
    /// table does not have any more, and that come back.
    pub(super) fn folds_first(&self, base: &Snapshot, staged: &StagedRows) -> bool {
        let rows: u64 = base.update_files().filter_map(|file| file.rows).sum();
        base.foreign_deletes || (rows > 0 && rows + staged.rows > MOST_UPDATES)
    }

    /// Folds updates into their table where that writes at most three times what they have. Nothing of the ingest is lost where it fails.
    pub(super) async fn fold_if_cheap(&self, table: Table) {
        let fold = async {
            let Some(base) = self.warehouse.snapshot(table, None).await? else { return Ok(()) };
            let bytes: u64 = base.files.iter().map(|file| file.size_bytes).sum();
            let of_updates: u64 = base.update_files().map(|file| file.size_bytes).sum();
            if of_updates > 0 && bytes <= self.rewrite_bytes.max(3 * of_updates) {
                self.warehouse.fold(table, &MergePolicy::DEFAULT).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = fold.await {
            tracing::warn!(table = table.name(), %error, "updates were not folded; maintain run does it");
        }
    }

    /// Whether what replaces rows of a table is left beside it: it has updates already, or to write the files again costs too much.
    pub(super) fn leaves_updates(&self, base: &Snapshot, winners: &Winners) -> bool {
        let Winners { touched, added, replaced, .. } = winners;
        if !base.table.has_updates() || touched.is_empty() {
            return false;
        }
        let bytes: u64 = touched.iter().map(|(file, _)| file.size_bytes).sum();
        let news = bytes_of_rows(base, added + replaced);
        let waiting = base.update_files().next().is_some();
        waiting || (bytes > self.rewrite_bytes.max(2 * news) && *replaced <= MOST_UPDATES)
    }

    /// Writes the staged rows that are new, and those that replace others, apart: as the update of a number.
    pub(super) async fn write_updates(
        &self,
        table: Table,
        staged: &StagedRows,
        winners: Winners,
        number: u64,
        change: &mut Change,
    ) -> Result<()> {
        let Winners { staged: enter, replacing, .. } = winners;
        let new = &enter & &!&replacing;
        let schema = &change.schema;
        let writer = || SortedWriter::new(self.warehouse, table, schema.clone());
        let new = self.write_staged(staged, new, writer()).await?;
        change.add.extend(new.into_iter().map(|file| file.folded(number)));
        let updates = self.write_staged(staged, replacing, writer().of_updates()).await?;
        let level = Level::of_run(updates.iter().map(|file| file.size_bytes).sum()).min(Level::L2);
        let update = Update { number, since_ms: Utc::now().timestamp_millis() };
        let updates =
            updates.into_iter().map(|file| file.placed(Some(level), None).updating(update));
        change.add.extend(updates);
        Ok(())
    }
}

/// About how many bytes so many rows of a table take in its files.
fn bytes_of_rows(base: &Snapshot, rows: u64) -> u64 {
    let (bytes, of_base) = base.files.iter().fold((0, 0), |(bytes, rows), file| {
        (bytes + u128::from(file.size_bytes), rows + u128::from(file.rows.unwrap_or_default()))
    });
    (bytes * u128::from(rows) / of_base.max(1)).min(u128::from(u64::MAX / 4)) as u64
}
