//! Finds the objects of a folder that hold its rows, and the columns that stand only in their paths (`year=2026/month=3/x.parquet`). A
//! folder in which rows would be read twice is refused.

use std::str::FromStr;

use arrow::datatypes::{DataType, Field};
use bigdecimal::BigDecimal;
use datafusion::common::ScalarValue;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::columns::{Union, stored_column};
use super::hats;
use crate::error::{Error, Result};
use crate::schema::{Table, catalog};
use crate::warehouse::delta_log::{DELTA_LOG, value_from_text};
use crate::warehouse::storage::Listing;
use crate::warehouse::{Location, stored_name};

/// A file that holds rows.
#[derive(Debug)]
pub(crate) struct DataObject {
    /// The object in the store.
    pub object: ObjectMeta,
    /// The columns in its path.
    pub told: Told,
}

/// Names and values as a path has them; `None` is null.
pub(crate) type Told = Vec<(String, Option<String>)>;

/// A null in a path, as Hive and its followers write it.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The objects with rows, in the order of names.
pub(crate) fn data(location: &Location, listing: Listing) -> Result<Vec<DataObject>> {
    let objects = listing.objects.iter().map(|object| object.location.as_ref());
    for name in objects.chain(listing.unreadable.iter().map(String::as_str)) {
        refuse_table_within(location, name)?;
    }
    let objects = hats::rows(location, listing.data(location)?)?;
    let data = |object: ObjectMeta| {
        let told = told(location.below(object.location.as_ref()));
        DataObject { object, told }
    };
    Ok(objects.into_iter().map(data).collect())
}

/// Refuses a folder that contains a table. Tables keep files that are not part of them any more, and only the log knows which ones are.
fn refuse_table_within(location: &Location, name: &str) -> Result<()> {
    let name = location.below(name);
    let (kind, table) = if let Some(table) = folder_of(name, DELTA_LOG) {
        let kind = match table {
            "" => "a Delta table whose log has no commit: repair its log, or move its files",
            _ => "a Delta table: give the path of that table",
        };
        (kind, table)
    } else if let Some(table) = folder_of(name, ".hoodie") {
        ("a Hudi table, which is not supported: export it as Parquet", table)
    } else if name.ends_with(".metadata.json") {
        ("part of an Iceberg table, which is not supported: export it as Parquet", name)
    } else {
        return Ok(());
    };
    Err(Error::input(format!("{}{table} is {kind}", location.url)))
}

/// The parent of a folder of this name within a path, if there is one; empty if the parent is the location itself.
fn folder_of<'a>(name: &'a str, folder: &str) -> Option<&'a str> {
    let mut begin = 0;
    for part in name.split('/') {
        if part == folder {
            return Some(name[..begin].trim_end_matches('/'));
        }
        begin += part.len() + 1;
    }
    None
}

fn told(name: &str) -> Told {
    let folders = name.rsplit_once('/').map_or("", |(folders, _)| folders);
    let pairs = folders.split('/').filter_map(|part| part.split_once('='));
    let decoded = |text: &str| {
        Path::from_url_path(text).map_or_else(|_| text.to_string(), |path| path.to_string())
    };
    let pairs = pairs.filter(|(name, _)| !name.is_empty());
    pairs.map(|(name, value)| (decoded(name), (value != NULL).then(|| decoded(value)))).collect()
}

/// The columns in the paths, and their values for each file.
pub(crate) struct PathColumns {
    /// The columns as stored here.
    pub fields: Vec<Field>,
    /// For each file, the values by column name.
    pub values: Vec<Vec<(String, ScalarValue)>>,
}

/// The columns that are only in paths. If all files have a column, that of the files counts. The type is that of the catalog, else long,
/// double or text: the first that holds all values exactly.
pub(crate) fn path_columns(table: Table, told: &[&Told], union: &Union) -> Result<PathColumns> {
    let mut columns = PathColumns { fields: Vec::new(), values: vec![Vec::new(); told.len()] };
    let mut names: Vec<&String> =
        told.iter().flat_map(|told| told.iter()).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    for path_name in names {
        let name = stored_name(path_name).1;
        match union.files_with(name) {
            0 => {}
            files if files == told.len() => continue,
            _ => {
                return Err(Error::input(format!(
                    "column {name} is in some files and only in the path of others; give a folder with one kind of them"
                )));
            }
        }
        let texts: Vec<_> = told.iter().map(|told| value(told, path_name)).collect();
        let (data_type, values) = typed(table, name, &texts)?;
        columns.fields.push(stored_column(table, &Field::new(path_name, data_type, true), None));
        for (of_file, value) in columns.values.iter_mut().zip(values) {
            of_file.push((name.to_string(), value));
        }
    }
    Ok(columns)
}

fn value(told: &Told, name: &str) -> Option<String> {
    told.iter().rev().find(|(column, _)| column == name)?.1.clone()
}

fn typed(
    table: Table,
    name: &str,
    texts: &[Option<String>],
) -> Result<(DataType, Vec<ScalarValue>)> {
    let known = catalog(table).iter().find(|column| column.name == name);
    let known = known.map(|column| column.data_type.clone());
    // A column that is text in the catalog stays text, even if its values look like numbers.
    let is_text = known == Some(DataType::Utf8);
    let numbers = [DataType::Int64, DataType::Float64].into_iter().filter(|_| !is_text);
    for data_type in known.into_iter().chain(numbers) {
        let values = texts.iter().map(|text| exactly(text.as_deref(), &data_type));
        if let Some(values) = values.collect() {
            return Ok((data_type, values));
        }
    }
    let values = texts.iter().map(|text| value_from_text(text.clone(), &DataType::Utf8));
    Ok((DataType::Utf8, values.collect::<Result<_, _>>()?))
}

/// A value of a type that is what the text says: of floats, digit by digit.
fn exactly(text: Option<&str>, data_type: &DataType) -> Option<ScalarValue> {
    let value = value_from_text(text.map(str::to_string), data_type).ok()?;
    let is_float = matches!(data_type, DataType::Float32 | DataType::Float64);
    let Some(text) = text.filter(|_| is_float) else { return Some(value) };
    let digits = |text: &str| BigDecimal::from_str(text).ok();
    // NaN and infinities are not decimals and are not rounded.
    (digits(text) == digits(&value.to_string())).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_columns() {
        let null = ("b".to_string(), None);
        let pair = |name: &str, value: &str| (name.to_string(), Some(value.to_string()));
        assert_eq!(
            told("x=5/b=__HIVE_DEFAULT_PARTITION__/c=a%20b/y=9.parquet"),
            [pair("x", "5"), null, pair("c", "a b")]
        );
        assert!(told("=5/plain/x.parquet").is_empty());
        let texts =
            |values: &[&str]| values.iter().map(|v| Some(v.to_string())).collect::<Vec<_>>();
        let of = |name, values: &[&str]| typed(Table::Sources, name, &texts(values)).unwrap().0;
        assert_eq!(of("month", &["03", "12"]), DataType::Int64);
        assert_eq!(of("month", &["03", "x"]), DataType::Utf8);
        assert_eq!(of("visit", &["5"]), DataType::Int64);
        assert_eq!(of("detector", &["5"]), DataType::Int32);
        assert_eq!(of("band", &["5"]), DataType::Utf8);
        for (of_psf_flux, expected) in [
            (["16777216", "0.1"], DataType::Float32),
            (["16777216", "16777217"], DataType::Int64),
            (["0.1", "16777217"], DataType::Float64),
            (["0.1", "99999999999999999999"], DataType::Utf8),
            (["0.1", "NaN"], DataType::Float32),
        ] {
            assert_eq!(of("psfFlux", &of_psf_flux), expected, "{of_psf_flux:?}");
        }
    }
}
