//! Writes the rows of a file of a table again, all or some of them, as files of our writer: in the table's order, with all columns of its
//! newest schema. It holds one row group in memory; a file that is not sorted is sorted first, in [`SORT_BYTES`].

use std::future::ready;
use std::pin::pin;

use arrow::array::BooleanArray;
use arrow::compute::{SortOptions, filter_record_batch};
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, TryStreamExt};

use super::files::fit;
use super::{BATCH_ROWS, DataFile, FileSize, Snapshot, SortedWriter, Sorter, Warehouse, read};
use crate::error::Result;

/// Memory for sorting a file; what does not fit goes to a temporary folder.
const SORT_BYTES: usize = 256 << 20;
/// The order of each of [`Table::sort_columns`](crate::schema::Table::sort_columns).
pub(super) const IN_FILES: SortOptions = SortOptions { descending: false, nulls_first: true };

/// Writes the rows of a file that `keeps` has a `true` for; the new files have its tag. The file must be [as its footer has
/// it](super::described). The new files are not committed.
pub(super) async fn rewrite(
    warehouse: &Warehouse,
    base: &Snapshot,
    file: &DataFile,
    full: FileSize,
    keeps: impl Fn(&RecordBatch) -> Result<BooleanArray> + Send + 'static,
) -> Result<Vec<DataFile>> {
    let schema = base.schema.clone();
    let rows = read(base.store.clone(), file, None, BATCH_ROWS).and_then(move |batch| {
        let kept = || Ok(filter_record_batch(&fit(&batch, &schema)?, &keeps(&batch)?)?);
        ready(kept())
    });
    let mut writer = SortedWriter::with_file_size(warehouse, base.table, base.schema.clone(), full);
    if file.is_update() {
        writer = writer.of_updates();
    }
    let written =
        if file.sorted { write(writer, rows).await } else { sort(base, writer, rows).await };
    let written = written.map_err(|error| error.context(format!("rewriting /{}", file.path)))?;
    Ok(written.into_iter().map(|new| new.in_place_of(&file.tag)).collect())
}

async fn sort(
    base: &Snapshot,
    writer: SortedWriter,
    rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
) -> Result<Vec<DataFile>> {
    let folder = tempfile::tempdir()?;
    let sorter = Sorter::new(SORT_BYTES, folder.path())?;
    let order: Vec<_> = base.table.sort_columns().iter().map(|name| (*name, IN_FILES)).collect();
    let rows = rows.map_err(DataFusionError::from).boxed();
    let rows = Box::pin(RecordBatchStreamAdapter::new(base.schema.clone(), rows));
    write(writer, sorter.sort(rows, &order)?).await
}

/// Writes rows that are in the table's order.
pub(super) async fn write(
    mut writer: SortedWriter,
    rows: impl Stream<Item = Result<RecordBatch>>,
) -> Result<Vec<DataFile>> {
    let mut rows = pin!(rows);
    while let Some(batch) = rows.try_next().await? {
        writer.write(&batch).await?;
    }
    writer.finish().await
}
