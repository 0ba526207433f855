//! Folders of Parquet files that someone else wrote.

use super::*;
use arrow::array::{DictionaryArray, LargeStringArray};
use arrow::compute::cast;
use arrow::datatypes::Int32Type;
use diaflight::warehouse::Location;
use parquet::arrow::ArrowWriter;

/// Sources as others write them: served names, large and dictionary strings.
fn foreign(first: i64, rows: i64) -> RecordBatch {
    let ours = sources(first, rows, 1);
    let strings = vec!["g"; rows as usize];
    let dictionary: DictionaryArray<Int32Type> = strings.iter().copied().collect();
    RecordBatch::try_from_iter([
        ("r:diaObjectId", ours.column(0).clone()),
        ("r:midpointMjdTai", ours.column(1).clone()),
        ("r:diaSourceId", ours.column(2).clone()),
        ("band", Arc::new(dictionary) as ArrayRef),
        ("f:otype", Arc::new(LargeStringArray::from(strings)) as ArrayRef),
    ])
    .unwrap()
}

fn put(folder: &TempDir, name: &str, batch: &RecordBatch) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn location(folder: &TempDir) -> Location {
    Location::parse(folder.path().to_str().unwrap()).unwrap()
}

async fn refused(folder: &TempDir) -> diaflight::error::Error {
    Snapshot::from_folder(Table::Sources, &location(folder)).await.unwrap_err()
}

#[tokio::test]
async fn a_folder_of_other_peoples_files_is_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "b.parquet", &foreign(FIRST_ID, 10));
    put(&folder, "year=1/a.parquet", &sources(5, 10, 2));
    std::fs::create_dir(folder.path().join("_other")).unwrap();
    std::fs::write(folder.path().join("_other/x.json"), "{}").unwrap();

    let location = location(&folder);
    let snapshot = Snapshot::from_folder(Table::Sources, &location).await.unwrap();
    let keys: Vec<_> = snapshot.files.iter().map(|file| file.keys.clone()).collect();
    assert_eq!(keys, [5..=14, FIRST_ID..=FIRST_ID + 9]);
    let family = |name| family(snapshot.schema.field_with_name(name).unwrap());
    assert_eq!(family(KEY), Some(Family::Rubin));
    assert_eq!(family("psfFlux"), Some(Family::Rubin));
    assert_eq!(family("otype"), Some(Family::Fink));
    assert_eq!(family("xm_simbad_otype"), Some(Family::Fink), "the writer's own word");
    assert_eq!(family(provenance::ALERT_ID), None);
    let mut last = snapshot.schema.fields().iter().rev();
    assert_eq!(last.next().unwrap().name(), "year", "of a path");
    let last = last.take(4);
    assert!(last.into_iter().all(|field| provenance::field(field.name()).is_some()));
    assert_eq!(rows(&snapshot).await.len(), 30);

    let columns = Some(&["otype", "band", "nothing"][..]);
    let batches = read(snapshot.store.clone(), &snapshot.files[1], columns, 100);
    let batch = batches.try_collect::<Vec<_>>().await.unwrap().remove(0);
    assert_eq!(batch.num_columns(), 2);
    assert_eq!(batch.column_by_name("otype").unwrap().as_string::<i32>().value(9), "g");
}

#[tokio::test]
async fn a_version_is_that_of_the_listing() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "a.parquet", &sources(1, 10, 2));
    let location = location(&folder);
    let source = Source::Folder(location.clone());
    let first = source.newest(Table::Sources).await.unwrap().unwrap();
    let other = Source::Folder(location).newest(Table::Sources).await.unwrap().unwrap();
    assert_eq!(first.version, other.version, "at any server the same");
    assert!(first.version < 1 << 53, "a double holds it");
    assert!(source.newer(&first).await.unwrap().is_none());
    std::fs::write(folder.path().join(".b.parquet.tmp"), "half of it").unwrap();
    assert!(source.newer(&first).await.unwrap().is_none(), "no data");
    put(&folder, "b.parquet", &sources(20, 10, 2));
    let second = source.newer(&first).await.unwrap().unwrap().snapshot;
    assert_eq!(second.files.len(), 2);
    assert!(source.newer(&second).await.unwrap().is_none());
    std::fs::remove_file(folder.path().join("b.parquet")).unwrap();
    let third = source.newer(&second).await.unwrap().unwrap().snapshot;
    assert_eq!(third.version, first.version, "the same files again");
    put(&folder, "a.parquet", &sources(1, 10, 2));
    let fourth = source.newer(&third).await.unwrap().unwrap().snapshot;
    assert_eq!(fourth.files.len(), 1);
    assert!(![&first, &second].iter().any(|before| before.version == fourth.version));
}

#[tokio::test]
async fn without_statistics_a_file_may_hold_any_key() {
    use parquet::file::properties::{EnabledStatistics, WriterProperties};
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("a.parquet")).unwrap();
    let properties =
        WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None).build();
    let batch = sources(1, 3, 1);
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let snapshot = Snapshot::from_folder(Table::Sources, &location(&folder)).await.unwrap();
    assert_eq!(snapshot.files[0].keys, i64::MIN..=i64::MAX);
    assert_eq!(snapshot.files[0].times_mjd, None);
}

#[tokio::test]
async fn what_would_bring_rows_twice_is_refused_by_name() {
    let hats = "Norder=0/Dir=0/Npix=1.parquet";
    for (names, said) in [
        (
            vec!["a.parquet", "old/_delta_log/00000000000000000000.json"],
            "old is a Delta table: give the path",
        ),
        (vec!["a.parquet", "b.parquet", "_delta_log/_last_checkpoint"], "whose log has no commit"),
        (vec!["a.parquet", "old/_delta_log/_last_checkpoint"], "old is a Delta table"),
        (vec!["t/.hoodie/hoodie.properties", "t/a.parquet"], "t is a Hudi table"),
        (vec!["metadata/v1.metadata.json", "data/a.parquet"], "of an Iceberg table"),
        (
            vec![&format!("stars/dataset/{hats}"), &format!("margin/dataset/{hats}")],
            "more than one HATS catalogue",
        ),
        (vec!["band=g/a.parquet", "b.parquet"], "column band is in some files"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let all = sources(1, 2, 1);
            let columns =
                if name.starts_with("band=") { vec![0, 1, 2, 3] } else { vec![0, 1, 2, 3, 4] };
            put(&folder, name, &all.project(&columns).unwrap());
        }
        let error = refused(&folder).await;
        assert_eq!(error.kind(), Kind::Input, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(refused(&folder).await.kind(), Kind::NotFound);

    std::fs::write(folder.path().join("notes.txt"), "not Parquet at all").unwrap();
    let error = refused(&folder).await;
    assert_eq!(error.kind(), Kind::Input);
    let error = error.to_string();
    assert!(error.contains("notes.txt") && error.contains("begin with `_`"), "{error}");
    let file = folder.path().join("notes.txt");
    let error = Location::parse_folder(file.to_str().unwrap()).unwrap_err().to_string();
    assert!(error.contains("notes.txt is a file"), "{error}");

    let batch = sources(1, 2, 1);
    let with = |name: &str, column: ArrayRef| {
        let mut columns: Vec<(String, ArrayRef)> = vec![(name.into(), column)];
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            columns.push((field.name().clone(), column.clone()));
        }
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let unsigned = |batch: &RecordBatch| {
        let mut columns = batch.columns().to_vec();
        columns[0] = cast(&columns[0], &DataType::UInt64).unwrap();
        let names = batch.schema();
        let names = names.fields().iter().map(|field| field.name().clone());
        RecordBatch::try_from_iter(names.zip(columns)).unwrap()
    };
    let cases = [
        (unsigned(&batch), "column diaObjectId is of type UInt64; write it as Int64"),
        (with("f:psfFlux", batch.column(3).clone()), "column psfFlux occurs twice"),
        (batch.project(&[0, 1]).unwrap(), "no column diaSourceId of type Int64"),
    ];
    for (batch, said) in cases {
        let folder = tempfile::tempdir().unwrap();
        put(&folder, "a.parquet", &batch);
        let error = refused(&folder).await;
        assert_eq!(error.kind(), Kind::Input);
        let error = error.to_string();
        assert!(error.contains("a.parquet") && error.contains(said), "{error}");
    }

    let folder = tempfile::tempdir().unwrap();
    put(&folder, "a.parquet", &sources(1, 2, 1));
    put(&folder, "b.parquet", &foreign(5, 2).project(&[0, 1, 2]).unwrap());
    let mut fink = foreign(9, 2).project(&[0, 1, 2]).unwrap();
    let fields = fink.schema();
    let fields = fields.fields().iter().map(|field| field.name().replacen("r:", "f:", 1));
    fink = RecordBatch::try_from_iter(fields.zip(fink.columns().to_vec())).unwrap();
    put(&folder, "c.parquet", &fink);
    let error = refused(&folder).await.to_string();
    assert!(error.contains("column diaObjectId: it is Int64 (f) in /"), "{error}");
}

/// What is beside the rows of a HATS catalogue is about it, or it is refused.
#[tokio::test]
async fn nothing_beside_a_hats_catalogue_is_passed_over() {
    let rows = "dataset/Norder=0/Dir=0/Npix=1.parquet";
    for (other, said) in [
        ("dataset/data_thumbnail.parquet", None),
        ("skymap.4.fits", None),
        ("partition_info.csv", None),
        ("new/x.parquet", Some("new/x.parquet is not part of the HATS catalogue")),
        ("x.parquet", Some("x.parquet is not part")),
        ("new/data_thumbnail.parquet", Some("new/data_thumbnail.parquet is not part")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        put(&folder, rows, &sources(1, 2, 1));
        put(&folder, other, &sources(5, 2, 1));
        match said {
            Some(said) => {
                let error = refused(&folder).await;
                assert_eq!(error.kind(), Kind::Input);
                assert!(error.to_string().contains(said), "{error}");
            }
            None => {
                let snapshot = Snapshot::from_folder(Table::Sources, &location(&folder)).await;
                assert_eq!(snapshot.unwrap().files.len(), 1, "{other}");
            }
        }
    }
}

/// A log that has lost its commits: neither a folder of files, nor a place for a new table.
#[tokio::test]
async fn a_table_with_a_damaged_log_is_no_folder_and_no_new_table() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "sources/a.parquet", &sources(1, 2, 1));
    let log = folder.path().join("sources/_delta_log");
    std::fs::create_dir(&log).unwrap();
    std::fs::write(log.join("_last_checkpoint"), "{\"version\": 10, \"size\": 1}").unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    let table = Location::parse(folder.path().join("sources").to_str().unwrap()).unwrap();
    for source in [Source::Warehouse(warehouse), Source::Folder(table)] {
        let error = source.newest(Table::Sources).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
        assert!(error.to_string().contains("_last_checkpoint"), "{error}");
    }
}
