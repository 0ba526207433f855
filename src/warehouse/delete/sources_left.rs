//! Which objects have no source left once some sources are gone. Reads keys and times alone, and holds the ids of the objects that lose a
//! source: nine bytes each.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;

use super::selection::RowChoice;
use crate::error::Result;
use crate::schema::{KEY, TIME};
use crate::warehouse::{BATCH_ROWS, Snapshot, read};

/// The objects that have no source left, ascending, and the number of those that keep some of theirs.
pub(super) async fn without_sources(
    sources: &Snapshot,
    doomed: &RowChoice,
) -> Result<(Vec<i64>, u64)> {
    let mut losing: Vec<i64> = Vec::new();
    each_key(sources, doomed, true, |key| {
        // Files are sorted by object, so most repetitions follow each other.
        if losing.last() != Some(&key) {
            losing.push(key);
        }
    })
    .await?;
    losing.sort_unstable();
    losing.dedup();
    let mut has_left = vec![false; losing.len()];
    each_key(sources, doomed, false, |key| {
        if let Ok(place) = losing.binary_search(&key) {
            has_left[place] = true;
        }
    })
    .await?;
    let kept = has_left.iter().filter(|left| **left).count() as u64;
    let mut left = has_left.into_iter();
    losing.retain(|_| left.next() == Some(false));
    Ok((losing, kept))
}

/// Shows the objects of all rows that are doomed, or of those that are not.
pub(super) async fn each_key(
    table: &Snapshot,
    doomed: &RowChoice,
    wanted: bool,
    mut show: impl FnMut(i64),
) -> Result<()> {
    for file in table.files.iter().filter(|file| !wanted || doomed.may_be_in(file)) {
        let mut rows = Box::pin(read(table.store.clone(), file, Some(&[KEY, TIME]), BATCH_ROWS));
        while let Some(batch) = rows.try_next().await? {
            let doomed = doomed.selected(&batch)?;
            let keys = batch[KEY].as_primitive::<Int64Type>();
            let rows = keys.iter().zip(doomed).filter(|(_, doomed)| *doomed == wanted);
            rows.filter_map(|(key, _)| key).for_each(&mut show);
        }
    }
    Ok(())
}
