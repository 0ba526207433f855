//! Checks the [key index](crate::key_pages) that a file carries against the keys of its rows and against its footer: the directory, the
//! pages of each row group, and the filter. The column of the keys is read once more for it.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::file::metadata::ParquetMetaData;

use super::{Flaw, is_of_store};
use crate::error::{Error, Result};
use crate::key_pages::{
    Directory, GroupPages, IndexPlace, KeyFilter, RowGroup, WrittenGroup, columns,
};
use crate::schema::Table;
use crate::warehouse::files::footer_with_pages;
use crate::warehouse::{BATCH_ROWS, DataFile, read};

/// What is wrong with the index that a file carries; `None` if nothing is, or the log tells of none. A store that fails is an error.
pub(super) async fn flaw(
    store: &Arc<dyn ObjectStore>,
    table: Table,
    file: &DataFile,
) -> Result<Option<(Flaw, String)>> {
    let Some(place) = file.tag.index else { return Ok(None) };
    match wrong(store, table.key(), file, place).await {
        Ok(None) => Ok(None),
        Ok(Some(why)) => {
            let what = format!("its key index is wrong ({why}), so that lookups miss rows or fail");
            Ok(Some((Flaw::WrongKeyIndex, what)))
        }
        Err(error) if is_of_store(&error) => Err(error),
        Err(error) => {
            let what = format!(
                "its key index cannot be read ({error}), so that lookups read more of the file"
            );
            Ok(Some((Flaw::DamagedKeyIndex, what)))
        }
    }
}

/// What the index says wrongly. An error if a part of it, or the footer, cannot be read.
async fn wrong(
    store: &Arc<dyn ObjectStore>,
    key_name: &str,
    file: &DataFile,
    place: IndexPlace,
) -> Result<Option<String>> {
    let part = async |range| Ok::<_, Error>(store.get_range(&file.path, range).await?);
    let directory = part(place.range(file.size_bytes)?).await?;
    let directory = Directory::decode(&directory, file.size_bytes)?;
    let key_filter = KeyFilter::decode(&part(directory.key_filter.clone()).await?)?;
    let footer = footer_with_pages(store.clone(), &file.path, file.size_bytes).await?;
    let footer = footer.metadata();
    let Some(key) = described_key(&directory, key_name, footer)? else {
        return Ok(Some("it describes other columns or row groups".to_string()));
    };
    let mut batches = Box::pin(read(store.clone(), file, Some(&[key_name]), BATCH_ROWS));
    let mut keys: Vec<i64> = Vec::new();
    for (number, group) in directory.groups.iter().enumerate() {
        let pages = part(group.pages.clone()).await?;
        while keys.len() < group.rows
            && let Some(batch) = batches.try_next().await?
        {
            let Some(more) = keys_of(&batch, key_name) else {
                return Ok(Some(format!("it has rows without a {key_name}")));
            };
            keys.extend(more);
        }
        let rest = keys.split_off(group.rows.min(keys.len()));
        if let Some(why) = wrong_group(footer, key, number, group, &pages, &keys)? {
            return Ok(Some(why));
        }
        if let Some(key) = keys.iter().find(|key| !key_filter.may_have(**key)) {
            return Ok(Some(format!("its filter does not know {key_name} {key}")));
        }
        keys = rest;
    }
    Ok(None)
}

/// The place of the key among the columns. `None` if the directory names other columns than the footer, or row groups of other sizes.
fn described_key(
    directory: &Directory,
    key_name: &str,
    footer: &ParquetMetaData,
) -> Result<Option<usize>> {
    let described = footer.file_metadata().schema_descr();
    let told = directory.groups.iter().map(|group| Some(group.rows));
    let there = footer.row_groups().iter().map(|group| usize::try_from(group.num_rows()).ok());
    if columns(&directory.columns)? != *described || !told.eq(there) {
        return Ok(None);
    }
    Ok(described.columns().iter().position(|column| column.path().string() == key_name))
}

fn keys_of<'a>(batch: &'a RecordBatch, key_name: &str) -> Option<&'a [i64]> {
    let keys = batch.column_by_name(key_name)?.as_primitive_opt::<Int64Type>()?;
    (keys.null_count() == 0).then(|| &**keys.values())
}

/// What the index says wrongly of a row group, whose rows have these keys.
fn wrong_group(
    footer: &ParquetMetaData,
    key: usize,
    number: usize,
    told: &RowGroup,
    pages: &[u8],
    keys: &[i64],
) -> Result<Option<String>> {
    if Some(told.keys) != keys.first().copied().zip(keys.last().copied()) {
        return Ok(Some(format!("row group {number} has other keys")));
    }
    let group = footer.row_group(number);
    let pages = GroupPages::decode(pages, told.rows, group.num_columns(), key)?;
    let written = WrittenGroup::of_file(footer, number, key, keys);
    let written = written.map(|written| written.pages(group)).transpose()?;
    let same = written.is_some_and(|written| written == pages);
    Ok((!same).then(|| format!("the pages of row group {number} have other keys or places")))
}
