//! Writes the sources of a warehouse in another layout, file for file, into a warehouse of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::pin::pin;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::Utc;
use diaflight::schema::Table;
use diaflight::warehouse::{Change, DataFile, Operation, Snapshot, Warehouse, footer, read};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;

use crate::layout::Layout;

/// A multiple of the rows of a page: a page ends where the writer is given the end of a batch, or later.
const BATCH_ROWS: usize = 16_384;

pub async fn rewrite(from: &Warehouse, layout: &Layout, to: &Warehouse) {
    let snapshot = from.snapshot(Table::Sources, None).await;
    let snapshot = snapshot.expect("a snapshot").expect("sources");
    let complete =
        if layout.required { complete_columns(&snapshot).await } else { BTreeSet::new() };
    let columns = layout.columns(&snapshot.schema, &complete);
    let mut add = Vec::new();
    for file in &snapshot.files {
        add.push(write(&snapshot, file, layout, &columns, to).await);
    }
    let schema = layout.columns(&snapshot.schema, &BTreeSet::new());
    let change = Change { operation: Operation::Generate, schema, add, remove: Vec::new() };
    to.commit(Table::Sources, None, change).await.expect("a commit");
}

async fn write(
    from: &Snapshot,
    file: &DataFile,
    layout: &Layout,
    columns: &SchemaRef,
    to: &Warehouse,
) -> DataFile {
    let folder = to.location().prefix.clone().join(from.table.name());
    let path = folder.clone().join(file.path.filename().expect("a file's name"));
    fs::create_dir_all(format!("/{folder}")).expect("a folder");
    let created = File::create(format!("/{path}")).expect("a file");
    let properties = layout.properties(columns);
    let mut writer =
        ArrowWriter::try_new(created, columns.clone(), Some(properties)).expect("a writer");
    let mut batches = pin!(read(from.store.clone(), file, None, BATCH_ROWS));
    while let Some(batch) = batches.try_next().await.expect("rows") {
        writer.write(&arranged(&batch, columns)).expect("written rows");
    }
    writer.close().expect("a footer");
    let size_bytes = fs::metadata(format!("/{path}")).expect("a file").len();
    DataFile { path, size_bytes, modified: Utc::now(), ..file.clone() }
}

/// A batch with its columns in another order.
fn arranged(batch: &RecordBatch, columns: &SchemaRef) -> RecordBatch {
    let of = |name| batch.column_by_name(name).expect("a column").clone();
    let arrays = columns.fields().iter().map(|field| of(field.name()));
    RecordBatch::try_new(columns.clone(), arrays.collect()).expect("a batch")
}

/// The columns in which no file has a null.
async fn complete_columns(snapshot: &Snapshot) -> BTreeSet<String> {
    let mut complete = BTreeMap::new();
    for file in &snapshot.files {
        let footer = footer(snapshot.store.clone(), &file.path, file.size_bytes).await;
        for group in footer.expect("a footer").metadata().row_groups() {
            for chunk in group.columns() {
                let nulls = chunk.statistics().and_then(|known| known.null_count_opt());
                let name = chunk.column_descr().name().to_string();
                *complete.entry(name).or_insert(true) &= nulls == Some(0);
            }
        }
    }
    complete.into_iter().filter(|(_, complete)| *complete).map(|(name, _)| name).collect()
}
