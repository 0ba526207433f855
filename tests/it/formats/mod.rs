//! Whatever the rows, every format gives their values back to a reader that is not ours.

#![allow(clippy::unwrap_used)]

pub mod decode;
pub mod rows;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use diaflight::encode::{Format, encode};
use diaflight::error::Error;
use futures::{StreamExt, stream};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use decode::Table;
use rows::{Cell, Rows};

const MIN_CHUNK: usize = 64 << 10;
const MAX_CHUNK: usize = 256 << 10;

/// All chunks of a document, and the error it ends with.
fn chunks(
    format: Format,
    schema: SchemaRef,
    batches: Vec<Result<RecordBatch, DataFusionError>>,
) -> (Vec<Vec<u8>>, Option<Error>) {
    let rows = RecordBatchStreamAdapter::new(schema, stream::iter(batches));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let items: Vec<_> = runtime.block_on(encode(format, Box::pin(rows)).collect());
    let count = items.len();
    let (mut chunks, mut failure) = (Vec::new(), None);
    for (i, item) in items.into_iter().enumerate() {
        match item {
            Ok(chunk) => chunks.push(chunk.to_vec()),
            Err(error) => {
                assert_eq!(i + 1, count, "{} goes on after an error", format.name());
                failure = Some(error);
            }
        }
    }
    (chunks, failure)
}

pub fn document(format: Format, schema: SchemaRef, batches: &[RecordBatch]) -> Vec<u8> {
    let (chunks, failure) = chunks(format, schema, batches.iter().cloned().map(Ok).collect());
    assert!(failure.is_none(), "{}: {failure:?}", format.name());
    let last = chunks.len().saturating_sub(1);
    for (i, chunk) in chunks.iter().enumerate() {
        assert!(chunk.len() <= MAX_CHUNK && (i == last || chunk.len() >= MIN_CHUNK));
    }
    chunks.concat()
}

/// Encodes, decodes and compares.
fn check(schema: &SchemaRef, batches: &[RecordBatch]) {
    for format in Format::ALL {
        let body = document(format, schema.clone(), batches);
        let got = decode::decode(format, &body, schema);
        let want = Table::of(schema, batches);
        let name = format.name();
        match got.columns {
            Some(columns) => assert_eq!(columns, want.columns.unwrap(), "{name}: columns"),
            None => assert!(format == Format::Json && want.rows.is_empty(), "{name}: no columns"),
        }
        assert_eq!(got.rows.len(), want.rows.len(), "{name}: rows");
        for (i, (got, want)) in got.rows.iter().zip(&want.rows).enumerate() {
            let want: Vec<Cell> = want.iter().map(|cell| cell.in_format(format)).collect();
            assert_eq!(got, &want, "{name}: row {i}");
        }
    }
}

proptest! {
    #[test]
    fn every_format_gives_every_value_back(rows in rows::arbitrary()) {
        let Rows { schema, batches } = rows;
        check(&schema, &batches);
    }
}

/// Enough rows for many chunks and messages; in batches of `batch_rows`.
fn long(batch_rows: usize) -> (SchemaRef, Vec<RecordBatch>) {
    let fields = vec![
        Field::new("r:diaSourceId", DataType::Int64, false),
        Field::new("r:psfFlux", DataType::Float64, true),
        Field::new("r:band", DataType::Utf8, true),
    ];
    let schema = Arc::new(Schema::new(fields));
    let batch = |start: i64| {
        let ids: Vec<_> = (start..start + batch_rows as i64).collect();
        // A multiplicative hash: no two alike, nothing for a codec to save.
        let flux = ids.iter().map(|id| id.wrapping_mul(0x9E3779B97F4A7C15u64 as i64) as f64 / 1e13);
        let bands = ids.iter().map(|id| ["u", "g", "r", "i", "z", "y"][*id as usize % 6]);
        let flux = Float64Array::from_iter_values(flux);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(ids.clone())),
            Arc::new(flux),
            Arc::new(StringArray::from_iter_values(bands)),
        ];
        RecordBatch::try_new(schema.clone(), columns).unwrap()
    };
    let batches = (0..LONG_ROWS).step_by(batch_rows).map(|start| batch(start as i64)).collect();
    (schema, batches)
}

const LONG_ROWS: usize = 100_000;

#[test]
fn small_and_large_batches_make_the_same_chunks() {
    for batch_rows in [50, LONG_ROWS] {
        let (schema, batches) = long(batch_rows);
        check(&schema, &batches);
    }
}

#[test]
fn an_error_of_the_rows_is_the_last_item_and_no_end_comes_before_it() {
    let (schema, batches) = long(LONG_ROWS / 4);
    for format in Format::ALL {
        let whole = document(format, schema.clone(), &batches[..1]);
        let failure = Err(DataFusionError::from(Error::input("a page is broken")));
        let rows = vec![Ok(batches[0].clone()), failure, Ok(batches[1].clone())];
        let (chunks, failure) = chunks(format, schema.clone(), rows);
        assert_eq!(failure.unwrap().to_string(), "a page is broken");
        let body = chunks.concat();
        let end: &[u8] = match format {
            Format::Json => b"]",
            // The end of the rows is the end of the document.
            Format::Csv => b"",
            Format::Votable => b"</VOTABLE>\n",
            Format::Parquet => b"PAR1",
            Format::Arrow => &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        };
        assert!(whole.ends_with(end));
        assert!(whole.starts_with(&body), "{}: what came is encoded", format.name());
        assert!(end.is_empty() || !body.ends_with(end), "{}: a clean end", format.name());
        // A row group that is not full is not encoded, nor are rows that wait for the lengths of texts.
        let held = [Format::Parquet, Format::Votable].contains(&format);
        let least = if held { 0 } else { whole.len() / 2 };
        assert!(body.len() >= least, "{}: {} bytes", format.name(), body.len());
    }
}

#[test]
fn dropping_the_bytes_drops_the_rows() {
    let (schema, batches) = long(1000);
    let counted = Arc::new(());
    let held = counted.clone();
    let rows = stream::iter(batches).map(move |batch| {
        let _held = &held;
        Ok(batch)
    });
    let rows = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
    let mut bytes = encode(Format::Json, rows);
    let first = futures::executor::block_on(bytes.next());
    assert!(first.unwrap().is_ok());
    assert_eq!(Arc::strong_count(&counted), 2);
    drop(bytes);
    assert_eq!(Arc::strong_count(&counted), 1);
}

#[test]
fn no_columns_are_encoded_too() {
    let schema = Arc::new(Schema::empty());
    let body = |format| document(format, schema.clone(), &[]);
    assert_eq!(body(Format::Json), b"[]");
    assert_eq!(body(Format::Csv), b"\n");
    check(&schema, &[]);
}

/// The expected answers of the conformance cases, through every format.
#[test]
fn real_alerts_survive_every_format() {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/cases/expected");
    let Ok(files) = tables.read_dir() else {
        eprintln!("skipped: there is no {}", tables.display());
        return;
    };
    let mut rows = 0;
    for file in files {
        let file = File::open(file.unwrap().path()).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let schema = builder.schema().clone();
        let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
        check(&schema, &batches);
        rows += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    }
    assert!(rows > 1000, "{rows} rows");
}
