//! Pages that are damaged: a lookup gives rows, or an error that names the file. No page ends the server or is told as a bug of it.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use diaflight::error::{Error, Kind};
use diaflight::query::Columns;
use futures::TryStreamExt;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterVersion};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{engine_over, parquet_of, query};

const ROWS: i64 = 300;

/// Rows with nulls, in several pages.
fn table() -> RecordBatch {
    let fluxes: Float64Array = (0..ROWS).map(|row| (row % 7 > 0).then_some(row as f64)).collect();
    let bands: StringArray = (0..ROWS).map(|row| (row % 5 > 0).then_some("g")).collect();
    let times = Float64Array::from_iter_values((0..ROWS).map(|row| 6e4 + row as f64));
    let ids =
        |per: i64| Arc::new(Int64Array::from_iter_values((0..ROWS).map(move |row| row / per)));
    let columns: [(&str, ArrayRef); 5] = [
        ("diaObjectId", ids(9)),
        ("midpointMjdTai", Arc::new(times)),
        ("diaSourceId", ids(1)),
        ("psfFlux", Arc::new(fluxes)),
        ("band", Arc::new(bands)),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn file(version: WriterVersion, codec: Compression, dictionary: bool) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(codec)
        .set_dictionary_enabled(dictionary)
        .set_data_page_row_count_limit(50)
        .set_write_batch_size(50);
    parquet_of(&table(), properties.build())
}

/// Where the pages are: before the footer, whose length stands in front of the last four bytes.
fn pages(file: &[u8]) -> Range<usize> {
    let end = file.len() - 8;
    let footer = u32::from_le_bytes(file[end..end + 4].try_into().unwrap());
    4..end - footer as usize
}

async fn looked_up(name: &str, file: Vec<u8>) -> Result<(), Error> {
    let (_, engine) = engine_over(name, vec![file], 1 << 20).await;
    let ids: Vec<_> = (0..ROWS / 9).collect();
    let rows = engine.run(&query(&ids, Columns::All)).await?.rows;
    rows.try_for_each(|_| async { Ok(()) }).await.map_err(Error::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_page_is_an_error_of_its_file() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut refused = 0;
    for (version, codec) in [
        (WriterVersion::PARQUET_1_0, Compression::UNCOMPRESSED),
        (WriterVersion::PARQUET_2_0, Compression::UNCOMPRESSED),
        (WriterVersion::PARQUET_2_0, Compression::LZ4_RAW),
    ] {
        for dictionary in [false, true] {
            let whole = file(version, codec, dictionary);
            looked_up("whole", whole.clone()).await.unwrap();
            for _ in 0..200 {
                let mut damaged = whole.clone();
                for _ in 0..random.random_range(1..4) {
                    let place = random.random_range(pages(&whole));
                    damaged[place] = random.random();
                }
                let Err(error) = looked_up("damaged", damaged).await else { continue };
                refused += 1;
                assert_eq!(error.kind(), Kind::Storage, "{error}");
                assert!(error.to_string().contains(".parquet"), "{error}");
            }
        }
    }
    assert!(refused > 20, "{refused} of 1200 were refused");
}
