//! Reads parts of the index of a file: the pages of row groups, and the filter of its keys.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt};

use super::file_index::FileIndex;
use crate::error::Result;
use crate::key_pages::{GroupPages, KeyFilter};

/// The pages of some row groups, in one request: from the index that the file carries, or from the page index of Parquet.
pub(super) async fn pages(
    store: &Arc<dyn ObjectStore>,
    file: &FileIndex,
    groups: &[usize],
) -> Result<Vec<GroupPages>> {
    if file.is_carried() {
        let ranges: Vec<_> = groups.iter().map(|&group| file.groups[group].pages.clone()).collect();
        let read = store.get_ranges(&file.file.path, &ranges).await;
        match carried(file, groups, &read.map_err(|error| file.failed(error))?) {
            Ok(pages) => return Ok(pages),
            Err(error) => file.give_up_carried(&error),
        }
    }
    let footer = file.footer(store).await?;
    let pages = footer.pages(store, &file.file, &file.columns, groups).await;
    pages.map_err(|error| file.failed(error))
}

fn carried(file: &FileIndex, groups: &[usize], read: &[Bytes]) -> Result<Vec<GroupPages>> {
    let (columns, key) = (file.columns.descriptor.num_columns(), file.columns.key.column);
    let pages = groups
        .iter()
        .zip(read)
        .map(|(&group, bytes)| GroupPages::decode(bytes, file.groups[group].rows, columns, key));
    pages.collect()
}

/// The filter of the keys of a file; `None` if it carries none, or a damaged one.
pub(super) async fn key_filter(
    store: &Arc<dyn ObjectStore>,
    file: &FileIndex,
) -> Result<Option<KeyFilter>> {
    let Some(place) = file.key_filter() else { return Ok(None) };
    let bytes =
        store.get_range(&file.file.path, place).await.map_err(|error| file.failed(error))?;
    let filter = KeyFilter::decode(&bytes);
    filter.map(Some).or_else(|error| {
        file.give_up_carried(&error);
        Ok(None)
    })
}
