//! Each format over a light curve (107 rows) of four and of all 121 columns, and over 20,000 rows of four.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array};
use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{Field, Schema};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use diaflight::encode::{Format, encode};
use futures::{TryStreamExt, stream};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// As DataFusion hands them over.
const BATCH_ROWS: usize = 8192;

fn formats(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (rows, columns) in [(107, 4), (107, 121), (20_000, 4)] {
        let mut group = criterion.benchmark_group(format!("{rows}x{columns}"));
        group.throughput(Throughput::Elements((rows * columns) as u64));
        let table = table(rows, columns);
        for format in Format::ALL {
            group.bench_function(format.name(), |bencher| {
                bencher.to_async(&runtime).iter(|| bytes(format, &table));
            });
        }
    }
}

/// The number of bytes of the document.
async fn bytes(format: Format, table: &[RecordBatch]) -> usize {
    let batches: Vec<_> = table.iter().cloned().map(Ok).collect();
    let rows = RecordBatchStreamAdapter::new(table[0].schema(), stream::iter(batches));
    let chunks = encode(format, Box::pin(rows));
    chunks.try_fold(0, async |sum, chunk| Ok(sum + chunk.len())).await.unwrap()
}

/// The four columns of a light curve, then, as in an alert's diaSource, for the most part floats.
fn table(rows: usize, columns: usize) -> Vec<RecordBatch> {
    let mut random = ChaCha8Rng::seed_from_u64(20261123);
    let columns: Vec<(String, ArrayRef)> = (0..columns)
        .map(|i| match i {
            0 => ("r:diaObjectId".to_string(), ids(rows)),
            1 => ("r:midpointMjdTai".to_string(), times(&mut random, rows)),
            2 => ("r:psfFlux".to_string(), floats(&mut random, rows)),
            3 => ("r:band".to_string(), bands(&mut random, rows)),
            i => (format!("r:measurement{i}"), column(&mut random, rows, i)),
        })
        .collect();
    let field =
        |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let table = RecordBatch::try_new(schema, arrays).unwrap();
    let starts = (0..rows).step_by(BATCH_ROWS);
    starts.map(|start| table.slice(start, BATCH_ROWS.min(rows - start))).collect()
}

fn column(random: &mut ChaCha8Rng, rows: usize, i: usize) -> ArrayRef {
    match i % 12 {
        0 => Arc::new((0..rows).map(|_| Some(random.random_bool(0.1))).collect::<BooleanArray>()),
        1 => {
            Arc::new((0..rows).map(|_| Some(random.random_range(0..4096))).collect::<Int32Array>())
        }
        // Never measured.
        2 => Arc::new(Float32Array::new_null(rows)),
        3 | 4 => {
            let value = |random: &mut ChaCha8Rng| {
                random.random_bool(0.8).then(|| random.random::<f64>() * 360.0)
            };
            Arc::new((0..rows).map(|_| value(random)).collect::<Float64Array>())
        }
        _ => floats(random, rows),
    }
}

fn ids(rows: usize) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(
        (0..rows).map(|row| 170028485706776685 + row as i64 / 107),
    ))
}

fn times(random: &mut impl Rng, rows: usize) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(
        (0..rows).map(|_| 61_000.0 + random.random::<f64>() * 3650.0),
    ))
}

fn floats(random: &mut impl Rng, rows: usize) -> ArrayRef {
    Arc::new(Float32Array::from_iter_values(
        (0..rows).map(|_| (random.random::<f32>() - 0.3) * 5000.0),
    ))
}

fn bands(random: &mut impl Rng, rows: usize) -> ArrayRef {
    let bands = ["u", "g", "r", "i", "z", "y"];
    Arc::new(StringArray::from_iter_values((0..rows).map(|_| bands[random.random_range(0..6)])))
}

criterion_group!(benches, formats);
criterion_main!(benches);
