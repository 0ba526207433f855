//! The columns of new tables against the expected answers of the conformance suite.

use std::fs::File;
use std::path::Path;

use arrow::datatypes::DataType;
use diaflight::schema::{DESCRIPTION, Table, describe, new_table_schema, served_columns};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Of the Parquet packets that Fink stores, not of those it transfers.
const OTHER_LAYOUT: [&str; 1] = ["f:xm_spicy_SPICY"];

#[test]
fn a_new_table_has_the_columns_of_the_contract() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/cases/expected");
    if !cases.exists() {
        println!("skipped: {} is not there", cases.display());
        return;
    }
    for table in Table::ALL {
        let file = File::open(cases.join(format!("{}-all-full.parquet", table.name()))).unwrap();
        let expected = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().schema().clone();
        let expected = expected.fields().iter().map(|f| (f.name().clone(), f.data_type().clone()));
        let stored = new_table_schema(table);
        let served: Vec<(String, DataType)> = served_columns(&stored)
            .into_iter()
            .map(|(name, index)| (name, stored.field(index).data_type().clone()))
            .filter(|(name, _)| !OTHER_LAYOUT.contains(&name.as_str()))
            .collect();
        assert_eq!(served, expected.collect::<Vec<_>>());
    }
}

#[test]
fn every_served_column_is_described() {
    for table in Table::ALL {
        for field in new_table_schema(table).fields() {
            let Some(served) = describe(table, field) else { continue };
            assert!(served.metadata().contains_key(DESCRIPTION), "{served:?}");
        }
    }
}
