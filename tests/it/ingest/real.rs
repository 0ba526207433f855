//! Real alerts: the tables hold what the files say.

use arrow::array::{Array, AsArray, Int64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Float64Type};
use diaflight::schema::Table;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Place, column, expected, longs, names_and_types, real_alerts};
use crate::shared::{FINK_PARQUET, SET_A};

#[tokio::test]
async fn real_alerts_give_the_expected_tables() {
    let Some(file) = real_alerts(SET_A) else { return };
    let place = Place::new();
    let summary = place.ingest(&[&file]).await.unwrap();
    assert_eq!((summary.files, summary.packets, summary.solar_system), (1, 7, 2));
    assert_eq!((summary.sources.added, summary.objects.added, summary.fp.added), (5, 5, 2321));
    assert_eq!((summary.refused.count, summary.notes.len()), (0, 0));
    for table in Table::ALL {
        let (got, want) = (place.served(table).await, expected(table));
        assert_eq!(names_and_types(got.schema_ref()), names_and_types(want.schema_ref()));
        for (field, (got, want)) in
            want.schema().fields().iter().zip(got.columns().iter().zip(want.columns()))
        {
            assert_eq!(got, want, "{} {}", table.name(), field.name());
        }
    }
}

#[tokio::test]
async fn history_adds_sources_with_rubin_columns_alone() {
    let Some(file) = real_alerts(SET_A) else { return };
    let place = Place::new();
    place.ingest(&[&file]).await.unwrap();
    let without = place.served(Table::Sources).await;
    let summary = place.ingest_with(&[&file], true).await.unwrap();
    assert_eq!((summary.sources.added, summary.sources.present), (1734, 5));
    let sources = place.served(Table::Sources).await;
    assert_eq!(sources.num_rows(), 1739);
    assert_eq!(sources.schema(), without.schema());

    let ids = longs(&sources, "r:diaSourceId");
    let pair = [170050478892122162, 170050478892122163].map(|id| ids.binary_search(&id).unwrap());
    let times = column(&sources, "r:midpointMjdTai").as_primitive::<Float64Type>();
    for at in pair {
        assert_eq!(longs(&sources, "r:diaObjectId")[at], 313897383979122767);
        assert_eq!(format!("{:.10}", times.value(at)), "61095.0636826744");
        for (field, values) in sources.schema().fields().iter().zip(sources.columns()) {
            let of_alert = field.name().starts_with("f:");
            let of_alert = of_alert
                || ["r:observation_reason", "r:target_name"].contains(&field.name().as_str());
            assert!(!of_alert || values.is_null(at), "{} of {}", field.name(), ids[at]);
        }
        assert!(column(&sources, "r:psfFlux").is_valid(at));
    }
    let own =
        ids.iter().enumerate().filter(|(_, id)| longs(&without, "r:diaSourceId").contains(id));
    let own = Int64Array::from(own.map(|(at, _)| at as i64).collect::<Vec<_>>());
    assert_eq!(take_record_batch(&sources, &own).unwrap(), without);
}

#[tokio::test]
async fn science_parquet_gives_its_nested_values() {
    let Some(file) = real_alerts(FINK_PARQUET) else { return };
    let place = Place::new();
    let summary = place.ingest(&[&file]).await.unwrap();
    assert_eq!((summary.packets, summary.solar_system, summary.refused.count), (12, 0, 0));
    assert_eq!((summary.sources.added, summary.objects.added, summary.fp.added), (12, 12, 0));

    let reader = std::fs::File::open(&file).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(reader).unwrap().build().unwrap();
    let nested = reader.map(|batch| batch.unwrap()).next().unwrap();
    let section = |name: &str| nested.column_by_name(name).unwrap().as_struct().clone();
    let sources = place.served(Table::Sources).await;
    let id = section("diaSource").column_by_name("diaSourceId").unwrap().clone();
    let order = arrow::compute::sort_to_indices(&id, None, None).unwrap();
    for (record, prefix) in [("diaSource", "r:"), ("xm", "f:xm_"), ("clf", "f:clf_")] {
        for (field, values) in section(record).fields().iter().zip(section(record).columns()) {
            let want = arrow::compute::take(values, &order, None).unwrap();
            let name = format!("{prefix}{}", field.name());
            assert_eq!(column(&sources, &name), &want, "{name}");
        }
    }
    assert_eq!(column(&sources, "f:xm_spicy_SPICY").data_type(), &DataType::Int32);
    let fp = place.served(Table::Fp).await;
    assert_eq!((fp.num_rows(), fp.num_columns()), (0, expected(Table::Fp).num_columns()));
}

#[tokio::test]
async fn raw_packets_of_both_schemas_take_the_object_of_their_alert() {
    for (name, source_columns, implausible) in [
        ("data/rubin-alerts/lsst-v10_0-fakeAlert.avro", 100, 0),
        ("data/rubin-alerts/lsst-v7_4-fakeAlert.avro", 140, 3),
    ] {
        let Some(file) = real_alerts(name) else { return };
        let place = Place::new();
        let summary = place.ingest_with(&[&file], true).await.unwrap();
        assert_eq!((summary.packets, summary.refused.count), (1, 0), "{name}");
        // Seconds since 1970, of the source and of both entries of its history.
        assert_eq!(summary.implausible_times.count, implausible, "{name}");
        assert_eq!(
            (summary.sources.added, summary.objects.added, summary.fp.added),
            (3, 1, 0),
            "{name}"
        );
        for table in Table::ALL {
            let served = place.served(table).await;
            let objects = longs(&served, "r:diaObjectId");
            assert!(objects.iter().all(|id| *id == 281323062375219201), "{name}: {objects:?}");
            assert!(!served.schema().fields().iter().any(|f| f.name().starts_with("f:")), "{name}");
        }
        let sources = place.served(Table::Sources).await;
        assert_eq!(sources.num_columns(), source_columns, "{name}");
        assert!(longs(&sources, "r:diaSourceId").contains(&281323062375219200), "{name}");
    }
}
