//! Writes sorted batches to Parquet files of bounded size, as [`DataFile`]s to commit. Files that are not committed are
//! [discarded](Warehouse::discard_uncommitted) by the warehouse.

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, new_null_array};
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use object_store::path::Path;
use parquet::file::properties::WriterProperties;
use uuid::Uuid;

use super::DataFile;
use super::layout::{self, FileSize, UPDATES};
use super::parquet_file::ParquetFile;
use crate::error::{Error, Result};
use crate::schema::Table;
use crate::warehouse::Warehouse;

/// Writes one table's files in key order, in memory of one row group and the key index of the file. A new file begins once
/// the current one is full and the object changes, so the files of one writer are disjoint in keys.
pub struct SortedWriter {
    warehouse: Warehouse,
    table: Table,
    schema: SchemaRef,
    folder: Path,
    full: FileSize,
    properties: WriterProperties,
    order: Option<OrderCheck>,
    open: Option<ParquetFile>,
    done: Vec<DataFile>,
}

impl SortedWriter {
    /// A writer of files of the usual size.
    pub fn new(warehouse: &Warehouse, table: Table, schema: SchemaRef) -> Self {
        Self::with_file_size(warehouse, table, schema, FileSize::TARGET)
    }

    /// A writer of files of another size than usual.
    pub fn with_file_size(
        warehouse: &Warehouse,
        table: Table,
        schema: SchemaRef,
        full: FileSize,
    ) -> Self {
        Self {
            warehouse: warehouse.clone(),
            table,
            folder: warehouse.location.prefix.clone().join(table.name()),
            full,
            properties: layout::properties(table, &schema),
            schema,
            order: None,
            open: None,
            done: Vec::new(),
        }
    }

    /// The table whose files it writes.
    pub(crate) fn table(&self) -> Table {
        self.table
    }

    /// The columns of the files.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Writes the files where those of the table's updates are.
    pub(crate) fn of_updates(mut self) -> Self {
        self.folder = self.folder.join(UPDATES);
        self
    }

    /// Appends rows; they must not sort before those already written (`Internal` error otherwise). Columns
    /// are matched by name, missing ones are null; one that the schema does not have is an `Internal` error.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut rest = fit(batch, &self.schema)?;
        let order = match &mut self.order {
            Some(order) => order,
            none => none.insert(OrderCheck::new(self.table, &self.schema)?),
        };
        let mut last_key = order.last_key;
        order.check(&rest)?;
        while rest.num_rows() > 0 {
            let room = self.open.as_ref().map_or(self.full.rows, |file| file.room(self.full));
            let cut = cut(key_column(&rest, self.table)?, last_key, room);
            if cut > 0 {
                let part = rest.slice(0, cut);
                last_key = Some(key_column(&part, self.table)?.value(cut - 1));
                self.append(&part).await?;
            }
            rest = rest.slice(cut, rest.num_rows() - cut);
            if rest.num_rows() > 0 {
                self.close().await?;
            }
        }
        Ok(())
    }

    /// Completes the last file, and returns all. There is none if no row was written.
    pub async fn finish(mut self) -> Result<Vec<DataFile>> {
        self.close().await?;
        Ok(self.done)
    }

    async fn append(&mut self, rows: &RecordBatch) -> Result<()> {
        let file = match &mut self.open {
            Some(file) => file,
            none => {
                let path = self.folder.clone().join(layout::file_name(Uuid::new_v4()));
                let upload = self.warehouse.upload(path.clone());
                let (schema, properties) = (self.schema.clone(), self.properties.clone());
                none.insert(ParquetFile::create(self.table, path, schema, properties, upload)?)
            }
        };
        file.write(rows).await
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(file) = self.open.take() {
            self.done.push(file.finish().await?);
        }
        Ok(())
    }
}

/// How many of the rows go into the current file: those that fit, and the other rows of the last object.
fn cut(keys: &Int64Array, last_key: Option<i64>, room: usize) -> usize {
    if keys.len() <= room {
        return keys.len();
    }
    let before = |i: usize| if i == 0 { last_key } else { Some(keys.value(i - 1)) };
    (room..keys.len()).find(|&i| before(i) != Some(keys.value(i))).unwrap_or(keys.len())
}

/// The batch with the columns of a schema, matched by name. Missing ones are null.
pub(crate) fn fit(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    for field in batch.schema_ref().fields() {
        schema.field_with_name(field.name())?;
    }
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => column.clone(),
        None => new_null_array(field.data_type(), batch.num_rows()),
    });
    Ok(RecordBatch::try_new(schema.clone(), columns.collect())?)
}

fn key_column(batch: &RecordBatch, table: Table) -> Result<&Int64Array> {
    let key = table.key();
    let keys = batch.column_by_name(key).and_then(|keys| keys.as_primitive_opt::<Int64Type>());
    keys.ok_or_else(|| Error::internal(format!("no int64 column {key}")))
}

/// Checks that rows arrive in the table's order.
pub(crate) struct OrderCheck {
    table: Table,
    columns: Vec<usize>,
    /// The indices of the key and the id, which are never null.
    never_null: Vec<usize>,
    converter: RowConverter,
    last: Option<OwnedRow>,
    last_key: Option<i64>,
}

impl OrderCheck {
    /// For batches of this schema.
    pub(crate) fn new(table: Table, schema: &Schema) -> Result<Self> {
        let index = |name: &&str| schema.index_of(name);
        let columns = table.sort_columns().iter().map(index).collect::<Result<Vec<_>, _>>()?;
        let fields = columns.iter().map(|&i| SortField::new(schema.field(i).data_type().clone()));
        Ok(Self {
            table,
            converter: RowConverter::new(fields.collect())?,
            never_null: vec![schema.index_of(table.key())?, schema.index_of(table.id_column())?],
            columns,
            last: None,
            last_key: None,
        })
    }

    fn check(&mut self, batch: &RecordBatch) -> Result<()> {
        for &column in &self.never_null {
            if batch.column(column).null_count() > 0 {
                let message = format!("{} is null", batch.schema_ref().field(column).name());
                return Err(Error::internal(message));
            }
        }
        if !self.follows(batch)? {
            return Err(Error::internal("rows are not in the table's order"));
        }
        self.last_key = Some(key_column(batch, self.table)?.value(batch.num_rows() - 1));
        Ok(())
    }

    /// Whether the rows of a batch, which has some, are in order and follow those before.
    pub(crate) fn follows(&mut self, batch: &RecordBatch) -> Result<bool> {
        let columns: Vec<_> = self.columns.iter().map(|&i| batch.column(i).clone()).collect();
        let rows = self.converter.convert_columns(&columns)?;
        let all = self.last.iter().map(|last| last.row()).chain(rows.iter());
        let sorted = all.is_sorted();
        let end = batch.num_rows() - 1;
        self.last = Some(rows.row(end).owned());
        Ok(sorted)
    }
}
