//! The same rows written in many ways, of every type and with nulls: each file answers as the rows themselves do.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, UInt64Array,
};
use arrow::compute::take_record_batch;
use diaflight::query::{Columns, Order, Rows, TimeMatch};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::ColumnPath;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::runtime::Runtime;

use super::{engine_over, parquet_of, query, rows};
use diaflight::query::Query;

/// Rows sorted by object and time; `nulls` of ten values of the other columns are null.
fn table(per_object: &[usize], nulls: u32) -> RecordBatch {
    let objects = per_object.iter().enumerate();
    let keys: Vec<_> = objects.flat_map(|(id, n)| std::iter::repeat_n(id as i64, *n)).collect();
    let rows = 0..keys.len();
    let hash =
        |row: usize, salt: u64| (row as u64 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let there = |row: usize, salt: u64| hash(row, salt) % 10 >= u64::from(nulls);
    let ints = |salt| rows.clone().map(move |row| there(row, salt).then(|| hash(row, salt) as i64));
    let floats = |salt| ints(salt).map(|value| value.map(|value| value as f64 / 7.0));
    let columns: [(&str, ArrayRef); 9] = [
        ("diaObjectId", Arc::new(Int64Array::from(keys))),
        (
            "midpointMjdTai",
            Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| 6e4 + row as f64))),
        ),
        ("diaSourceId", Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row as i64)))),
        (
            "i32",
            Arc::new(Int32Array::from_iter(ints(1).map(|value| value.map(|value| value as i32)))),
        ),
        ("i64", Arc::new(Int64Array::from_iter(ints(2)))),
        (
            "f32",
            Arc::new(Float32Array::from_iter(
                floats(3).map(|value| value.map(|value| value as f32)),
            )),
        ),
        ("f64", Arc::new(Float64Array::from_iter(floats(4)))),
        (
            "flag",
            Arc::new(BooleanArray::from_iter(
                ints(5).map(|value| value.map(|value| value % 2 == 0)),
            )),
        ),
        (
            "text",
            Arc::new(StringArray::from_iter(
                ints(6).map(|value| value.map(|value| format!("é{}", value % 13))),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn layout() -> impl Strategy<Value = WriterProperties> {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::LZ4_RAW,
        Compression::SNAPPY,
        Compression::ZSTD(Default::default()),
    ];
    let pages = select(vec![1usize, 7, 64, 512, 100_000]);
    let groups = select(vec![50usize, 300, 100_000]);
    let encoding =
        select(vec![None, Some(Encoding::BYTE_STREAM_SPLIT), Some(Encoding::DELTA_BINARY_PACKED)]);
    (select(codecs.to_vec()), pages, groups, any::<(bool, bool, bool, bool)>(), encoding).prop_map(
        |(codec, pages, groups, (dictionary, second, index, uneven), encoding)| {
            let version =
                if second { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
            let statistics = if index { EnabledStatistics::Page } else { EnabledStatistics::Chunk };
            let builder = WriterProperties::builder()
                .set_compression(codec)
                .set_writer_version(version)
                .set_dictionary_enabled(dictionary)
                .set_statistics_enabled(statistics)
                .set_offset_index_disabled(!index && uneven)
                .set_max_row_group_row_count(Some(groups))
                .set_write_batch_size(pages.min(1024))
                .set_data_page_row_count_limit(pages);
            let builder = if uneven { builder.set_data_page_size_limit(200) } else { builder };
            encoded(builder, encoding).build()
        },
    )
}

/// Floats, or whole numbers, in an encoding that the index leaves to the Parquet reader.
fn encoded(
    builder: WriterPropertiesBuilder,
    encoding: Option<Encoding>,
) -> WriterPropertiesBuilder {
    let columns = match encoding {
        None => &[][..],
        Some(Encoding::BYTE_STREAM_SPLIT) => &["f32", "f64"],
        Some(_) => &["i32", "i64", "diaObjectId"],
    };
    columns.iter().zip(encoding.into_iter().cycle()).fold(builder, |builder, (name, encoding)| {
        let column = ColumnPath::from(*name);
        builder
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, encoding)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_layout_answers_alike(
        per_object in proptest::collection::vec(0usize..40, 1..30),
        nulls in select(vec![0, 1, 9, 10]),
        layout in layout(),
        ids in proptest::collection::vec(0i64..32, 1..6),
        time in proptest::option::of(0u32..300),
    ) {
        let table = table(&per_object, nulls);
        prop_assume!(table.num_rows() > 0);
        let names: Vec<_> = table.schema().fields().iter().map(|field| format!("r:{}", field.name())).collect();
        let runtime = Runtime::new().unwrap();
        let answer = runtime.block_on(async {
            static CASES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
            let case = CASES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let (_, engine) = engine_over(&format!("layout-{case}"), vec![parquet_of(&table, layout)], 1 << 20).await;
            let time = time.map(|row| TimeMatch::parse(&format!("{}.0", 60000 + row)).unwrap());
            let sources = Rows::Sources { order: Order::NewestFirst, time };
            rows(&engine, &Query { rows: sources, ..query(&ids, Columns::Named(names)) }).await
        });
        let of_row = |row: usize| (0..per_object.len()).find(|id| per_object[..=*id].iter().sum::<usize>() > row).unwrap();
        let wanted = |row: &usize| {
            // A time given to one decimal matches what rounds or is cut to it.
            ids.contains(&(of_row(*row) as i64)) && time.is_none_or(|time| time as usize == *row)
        };
        let expected: UInt64Array = (0..table.num_rows()).rev().filter(wanted).map(|row| row as u64).collect();
        let expected = take_record_batch(&table, &expected).unwrap();
        prop_assert_eq!(answer.num_rows(), expected.num_rows());
        for (column, name) in table.schema().fields().iter().enumerate() {
            prop_assert_eq!(answer.column(column), expected.column(column), "{}", name.name());
        }
    }
}
