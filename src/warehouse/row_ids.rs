//! Compares the ids of the rows in some files of a table with those in others. Reads the id column alone, and only of files whose ranges
//! overlap; a row keeps its id when its object changes, so the ranges of objects do not matter. Holds [`MAX_IDS`] ids and a batch.

use std::pin::pin;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::{Stream, StreamExt, TryStreamExt};

use super::{BATCH_ROWS, DataFile, Snapshot, read};
use crate::error::{Error, Result};

/// As many ids are looked for at once.
const MAX_IDS: usize = 8 << 20;

/// How the ids of files compare with those of others.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ComparedIds {
    /// An id that others have, too.
    pub shared: Option<i64>,
    /// Whether some id is in none of the others.
    pub has_own: bool,
}

/// Looks for the ids of `files` in `others`, all of them in the store of a snapshot.
pub(super) async fn compare_ids(
    snapshot: &Snapshot,
    files: &[DataFile],
    others: &[DataFile],
) -> Result<ComparedIds> {
    let mut compared = ComparedIds::default();
    let mut ids = Vec::new();
    for file in files.iter().filter(|file| !file.is_empty()) {
        if !others.iter().any(|other| may_share(file, other)) {
            compared.has_own = true;
            continue;
        }
        let mut read = pin!(read_ids(snapshot, file));
        while let Some(more) = read.try_next().await? {
            ids.extend(more);
            if ids.len() >= MAX_IDS {
                compared.look_for(std::mem::take(&mut ids), snapshot, others).await?;
            }
        }
    }
    compared.look_for(ids, snapshot, others).await?;
    Ok(compared)
}

impl ComparedIds {
    async fn look_for(
        &mut self,
        mut ids: Vec<i64>,
        snapshot: &Snapshot,
        others: &[DataFile],
    ) -> Result<()> {
        ids.sort_unstable();
        ids.dedup();
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(()) };
        let mut found = vec![false; ids.len()];
        let within = |file: &&DataFile| file.ids.start() <= last && first <= file.ids.end();
        for file in others.iter().filter(within) {
            let mut read = pin!(read_ids(snapshot, file));
            while let Some(theirs) = read.try_next().await? {
                for place in theirs.iter().filter_map(|id| ids.binary_search(id).ok()) {
                    found[place] = true;
                    self.shared = Some(ids[place]);
                }
            }
        }
        self.has_own |= found.contains(&false);
        Ok(())
    }
}

fn may_share(one: &DataFile, other: &DataFile) -> bool {
    one.ids.start() <= other.ids.end() && other.ids.start() <= one.ids.end() && !other.is_empty()
}

fn read_ids(snapshot: &Snapshot, file: &DataFile) -> impl Stream<Item = Result<Vec<i64>>> + use<> {
    let name = snapshot.table.id_column();
    let ids = move |batch: RecordBatch| {
        let ids = batch.column_by_name(name).and_then(|ids| ids.as_primitive_opt::<Int64Type>());
        let ids = ids.ok_or_else(|| Error::internal(format!("no column {name} of its type")))?;
        Ok(ids.iter().flatten().collect())
    };
    read(snapshot.store.clone(), file, Some(&[name]), BATCH_ROWS)
        .map(move |batch| batch.and_then(&ids))
}
