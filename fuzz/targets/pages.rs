//! Pages of Parquet files that others wrote: a file is damaged at some places, and a lookup gives rows or an error; nothing panics, hangs
//! or takes memory without bound.

#![no_main]

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use diaflight::query::{Columns, Engine, EngineOptions, Query, Source};
use diaflight::schema::Table;
use diaflight::warehouse::{Location, Warehouse};
use futures::TryStreamExt;
use libfuzzer_sys::fuzz_target;
use object_store::ObjectStoreExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterVersion};
use tokio::runtime::{Builder, Runtime};

const ROWS: i64 = 500;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());
/// A file of each kind that is decoded otherwise: plain or dictionary pages, of either version, compressed or not.
static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let kind = |kind: usize| {
        let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
        let codecs = [Compression::UNCOMPRESSED, Compression::LZ4_RAW];
        file(versions[kind & 1], codecs[kind >> 1 & 1], kind >> 2 == 1)
    };
    (0..8).map(kind).collect()
});

fn file(version: WriterVersion, codec: Compression, dictionary: bool) -> Vec<u8> {
    let times: Float64Array = (0..ROWS).map(|row| Some(60_000.0 + row as f64)).collect();
    let fluxes: Float64Array = (0..ROWS).map(|row| (row % 7 > 0).then_some(row as f64)).collect();
    let bands: StringArray = (0..ROWS).map(|row| (row % 5 > 0).then_some("g")).collect();
    let rows = RecordBatch::try_from_iter([
        (
            "diaObjectId",
            Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| row / 9))) as ArrayRef,
        ),
        ("midpointMjdTai", Arc::new(times)),
        ("diaSourceId", Arc::new(Int64Array::from_iter_values(0..ROWS))),
        ("psfFlux", Arc::new(fluxes)),
        ("band", Arc::new(bands)),
    ]);
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(codec)
        .set_dictionary_enabled(dictionary)
        .set_data_page_row_count_limit(50)
        .set_write_batch_size(50)
        .set_max_row_group_row_count(Some(200))
        .build();
    let mut bytes = Vec::new();
    let rows = rows.unwrap();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    bytes
}

/// Where the pages are: before the footer, whose length stands in front of the last four bytes.
fn pages(file: &[u8]) -> Range<usize> {
    let end = file.len() - 8;
    let footer = u32::from_le_bytes(file[end..end + 4].try_into().unwrap());
    4..end - footer as usize
}

fuzz_target!(|edits: &[u8]| {
    let Some((kind, edits)) = edits.split_first() else { return };
    let mut file = FILES[usize::from(*kind) % FILES.len()].clone();
    let pages = pages(&file);
    for edit in edits.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % pages.len();
        file[pages.start + place] = edit[2];
    }
    let _ = RUNTIME.block_on(async {
        let folder = Location::parse("memory://pages/sources").unwrap();
        let place = folder.prefix.clone().join("rows.parquet");
        folder.store.put(&place, file.into()).await.unwrap();
        let warehouse = Warehouse::open("memory://pages/w").unwrap();
        let options = EngineOptions {
            sources: Source::Folder(folder),
            ..EngineOptions::from_warehouse(&warehouse)
        };
        let engine = Engine::open(options).await?;
        let query = Query::newest_first(Table::Sources, (0..ROWS / 9).collect(), Columns::All);
        let rows = engine.run(&query).await?.rows;
        Ok::<_, diaflight::error::Error>(rows.try_for_each(|_| async { Ok(()) }).await)
    });
});
