//! Reads all of one file: its footer, all pages of all columns, the number of rows, their order, the ranges by which the log finds
//! them, and the key index by which lookups do. A page without a checksum is only known to be readable.

use std::ops::RangeInclusive;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;

use super::{Flaw, is_of_store, key_index};
use crate::error::{Error, Result};
use crate::warehouse::files::OrderCheck;
use crate::warehouse::{BATCH_ROWS, DataFile, Snapshot, described, read};

/// What is wrong with a file whose size in the store this is; `None` if nothing is. A store that fails is an error.
pub(super) async fn flaw(
    snapshot: &Snapshot,
    file: &DataFile,
    size: Option<u64>,
) -> Result<Option<(Flaw, String)>> {
    let of = lost(file);
    let Some(size) = size else {
        return Ok(Some((Flaw::Missing, format!("it is in the log and not in the store: {of}"))));
    };
    if size != file.size_bytes {
        let what = format!("it has {size} bytes, and {} in the log: {of}", file.size_bytes);
        return Ok(Some((Flaw::WrongSize, what)));
    }
    // What is damaged may stop the reader: then its task has stopped alone.
    let (snapshot, file) = (snapshot.clone(), file.clone());
    let read = tokio::spawn(async move { read_all(&snapshot, &file).await }).await;
    match read.unwrap_or_else(|error| Err(Error::internal(format!("its reader stopped: {error}"))))
    {
        Ok(None) => Ok(None),
        Ok(Some((flaw, what))) => Ok(Some((flaw, format!("{what}: {of}")))),
        Err(error) if is_of_store(&error) => {
            Ok(Some((Flaw::Unreachable, format!("the store does not give it ({error})"))))
        }
        Err(error) => Ok(Some((Flaw::Damaged, format!("it is damaged ({error}): {of}")))),
    }
}

/// What is lost with a file.
fn lost(file: &DataFile) -> String {
    let rows = file.rows.map_or("an unknown number of".to_string(), |rows| rows.to_string());
    let (first, last) = (file.keys.start(), file.keys.end());
    format!("{rows} rows of objects {first} to {last}")
}

async fn read_all(snapshot: &Snapshot, file: &DataFile) -> Result<Option<(Flaw, String)>> {
    let own = described(&snapshot.store, snapshot.table, vec![file.clone()]).await?;
    let sorted = own.iter().all(|own| own.sorted);
    let mut batches = Box::pin(read(snapshot.store.clone(), file, None, BATCH_ROWS));
    let (mut rows, mut in_order, mut order) = (0, true, None);
    while let Some(batch) = batches.try_next().await? {
        if batch.num_rows() == 0 {
            continue;
        }
        rows += batch.num_rows() as u64;
        for (name, range) in
            [(snapshot.table.key(), &file.keys), (snapshot.table.id_column(), &file.ids)]
        {
            if !is_within(&batch, name, range) {
                let what = format!(
                    "it has a {name} outside of the range in the log, where no lookup finds it"
                );
                return Ok(Some((Flaw::WrongStatistics, what)));
            }
        }
        if sorted && in_order {
            let check = match &mut order {
                Some(check) => check,
                none => none.insert(OrderCheck::new(snapshot.table, batch.schema_ref())?),
            };
            in_order = check.follows(&batch)?;
        }
    }
    if let Some(told) = file.rows.filter(|told| *told != rows) {
        return Ok(Some((
            Flaw::WrongStatistics,
            format!("it has {rows} rows, and {told} in the log"),
        )));
    }
    if !in_order {
        return Ok(Some((Flaw::Unsorted, "its rows are not in the order that it claims".into())));
    }
    key_index::flaw(&snapshot.store, snapshot.table, file).await
}

fn is_within(batch: &RecordBatch, name: &str, range: &RangeInclusive<i64>) -> bool {
    let column = batch.column_by_name(name).and_then(|ids| ids.as_primitive_opt::<Int64Type>());
    let ends = column.and_then(|ids| Some((min(ids)?, max(ids)?)));
    ends.is_none_or(|(least, greatest)| range.contains(&least) && range.contains(&greatest))
}
