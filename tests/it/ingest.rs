//! Ingest of alert files: what comes out of the real ones, and what is refused.

mod bombs;
mod copies;
mod cost;
mod damaged;
mod inputs;
mod packets;
mod real;
mod slow;
mod types;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::{concat_batches, sort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Int64Type, Schema};
use diaflight::error::{Error, Result};
use diaflight::ingest::{IngestOptions, Summary, ingest};
use diaflight::schema::{Table, served_columns};
use diaflight::warehouse::Warehouse;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use crate::alerts::Alert;
use crate::shared;

/// A warehouse and a folder for inputs, gone after the test.
struct Place {
    dir: TempDir,
    warehouse: Warehouse,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::open(&format!("memory://{}", uuid::Uuid::new_v4())).unwrap();
        Self { dir, warehouse }
    }

    /// Writes an input file.
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join("in").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_string()
    }

    async fn ingest_with(&self, inputs: &[&str], history: bool) -> Result<Summary> {
        let inputs: Vec<_> = inputs.iter().map(|input| input.to_string()).collect();
        let options = IngestOptions { history, memory_bytes: 64 << 20, ..IngestOptions::default() };
        ingest(&self.warehouse, &inputs, &options, &|_| {}).await
    }

    async fn ingest(&self, inputs: &[&str]) -> Result<Summary> {
        self.ingest_with(inputs, false).await
    }

    /// Ingests one file of packets and gives the error.
    async fn refusal(&self, name: &str, bytes: impl AsRef<[u8]>) -> Error {
        let file = self.file(name, bytes);
        let error = self.ingest(&[&file]).await.expect_err(name);
        assert!(error.to_string().contains(name), "{error} does not name {name}");
        assert!(self.is_empty().await, "{name} left something behind");
        error
    }

    async fn is_empty(&self) -> bool {
        let mut empty = true;
        for table in Table::ALL {
            empty &= self.warehouse.snapshot(table, None).await.unwrap().is_none();
        }
        empty
    }

    /// The served columns of a table, by served name; rows by id.
    async fn served(&self, table: Table) -> RecordBatch {
        let snapshot = self.warehouse.snapshot(table, None).await.unwrap().expect("the table");
        let mut batches = Vec::new();
        for file in &snapshot.files {
            let bytes = snapshot.store.get(&file.path).await.unwrap().bytes().await.unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
            batches.extend(reader.map(|batch| {
                let batch = batch.unwrap();
                let column = |name: &String| batch.column_by_name(name).unwrap().clone();
                let names = snapshot.schema.fields().iter().map(|field| field.name());
                let columns = names.map(|name| (name, column(name), true));
                RecordBatch::try_from_iter_with_nullable(columns).unwrap()
            }));
        }
        let all = match batches.first() {
            Some(first) => concat_batches(&first.schema(), &batches).unwrap(),
            None => RecordBatch::new_empty(snapshot.schema.clone()),
        };
        let served = served_columns(&snapshot.schema).into_iter();
        let served = served.map(|(name, at)| (name, all.column(at).clone()));
        by_id(
            &RecordBatch::try_from_iter_with_nullable(served.map(|(n, a)| (n, a, true))).unwrap(),
            table,
        )
    }
}

fn by_id(batch: &RecordBatch, table: Table) -> RecordBatch {
    let ids = column(batch, &format!("r:{}", table.id_column()));
    let order = sort_to_indices(ids, None, None).unwrap();
    take_record_batch(batch, &order).unwrap()
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"))
}

fn longs(batch: &RecordBatch, name: &str) -> Vec<i64> {
    column(batch, name).as_primitive::<Int64Type>().values().to_vec()
}

fn names_and_types(schema: &Schema) -> Vec<(String, DataType)> {
    schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
}

/// A file beside the project; `None`, said aloud, where there is none.
fn real_alerts(name: &str) -> Option<String> {
    Some(shared::path(name)?.to_str().unwrap().to_string())
}

fn expected(table: Table) -> RecordBatch {
    let path = format!("conformance/cases/expected/{}-all-full.parquet", table.name());
    let file = std::fs::File::open(shared::path(&path).unwrap()).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(|batch| batch.unwrap()).collect();
    by_id(&concat_batches(&schema, &batches).unwrap(), table)
}

/// Alerts of two objects with history, forced photometry, and a Solar System alert between them.
fn some_alerts() -> Vec<Alert> {
    vec![
        Alert::new(301, 1007, 61000.5).with_history(1001, 60990.5).with_forced(5001, 60990.5),
        Alert::of_solar_system(1008, 61000.5),
        Alert::new(302, 1009, 61000.75).with_forced(5002, 60990.5).with_forced(5003, 60991.5),
    ]
}
