//! The key index: which pages of which files can hold an object. In: a snapshot's files and the asked
//! `diaObjectId`s. Out: the files to open, each with the row groups and pages to read in it.
//!
//! Files come from the key ranges in the snapshot, pages from each file's own Parquet column index,
//! read when the file is first needed and kept in DataFusion's metadata cache.

use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;

use crate::error::Result;
use crate::schema::KEY;
use crate::warehouse::{DataFile, Snapshot, stored_name};

/// Footers read at once when a lookup meets files for the first time.
pub const CONCURRENT_FOOTERS: usize = 16;

/// Of `files`, those that may hold any of `keys` (sorted), each with the pages to read.
pub async fn select(
    snapshot: &Snapshot,
    files: Vec<DataFile>,
    keys: &[i64],
    footers: &Arc<FileMetadataCache>,
) -> Result<Vec<(DataFile, PartitionedFile)>> {
    let candidates =
        files.into_iter().filter(|file| any_within(keys, *file.keys.start(), *file.keys.end()));
    stream::iter(candidates)
        .map(|file| async move {
            let selected = select_pages(&snapshot.store, &file, keys, footers).await;
            selected.map(|selected| selected.map(|selected| (file, selected)))
        })
        .buffered(CONCURRENT_FOOTERS)
        .try_filter_map(|file| async { Ok(file) })
        .try_collect()
        .await
}

/// The file with the pages to read in it; `None` where its pages show that it holds none of the keys.
async fn select_pages(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
    keys: &[i64],
    footers: &Arc<FileMetadataCache>,
) -> Result<Option<PartitionedFile>> {
    let plan = access_plan(&*footer(store, file, footers).await?, keys);
    let needed = plan.inner().iter().any(RowGroupAccess::should_scan);
    Ok(needed.then(|| whole(file).with_extension(plan)))
}

/// A file, all of it.
pub fn whole(file: &DataFile) -> PartitionedFile {
    PartitionedFile::new_from_meta(object_meta(file))
}

/// A file's footer with its page index, from the cache or the store.
pub async fn footer(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
    footers: &Arc<FileMetadataCache>,
) -> Result<Arc<ParquetMetaData>> {
    let footer = DFParquetMetadata::new(store.as_ref(), &object_meta(file))
        .with_file_metadata_cache(Some(footers.clone()))
        .with_page_index_policy(Some(PageIndexPolicy::Optional))
        .fetch_metadata()
        .await?;
    Ok(footer)
}

/// Which rows of a file to read for `keys` (sorted): as exact as the file's statistics are.
fn access_plan(footer: &ParquetMetaData, keys: &[i64]) -> ParquetAccessPlan {
    let mut plan = ParquetAccessPlan::new_all(footer.num_row_groups());
    let Some(column) = key_column(footer) else { return plan };
    for (i, group) in footer.row_groups().iter().enumerate() {
        if let Some(Statistics::Int64(range)) = group.column(column).statistics()
            && let (Some(&min), Some(&max)) = (range.min_opt(), range.max_opt())
            && !any_within(keys, min, max)
        {
            plan.skip(i);
        } else if let Some(selection) = page_selection(footer, i, column, keys) {
            if selection.selects_any() {
                plan.scan_selection(i, selection);
            } else {
                plan.skip(i);
            }
        }
    }
    plan
}

/// The pages of one row group that may hold a key; `None` without a page index.
fn page_selection(
    footer: &ParquetMetaData,
    group: usize,
    column: usize,
    keys: &[i64],
) -> Option<RowSelection> {
    let ColumnIndexMetaData::INT64(index) = footer.column_index()?.get(group)?.get(column)? else {
        return None;
    };
    let pages = footer.offset_index()?.get(group)?.get(column)?.page_locations();
    let rows = footer.row_group(group).num_rows();
    let ends = pages.iter().skip(1).map(|page| page.first_row_index).chain([rows]);
    let ranges = index.min_values_iter().zip(index.max_values_iter());
    let selectors = pages.iter().zip(ends).zip(ranges).map(|((page, end), range)| {
        let needed = match range {
            (Some(&min), Some(&max)) => any_within(keys, min, max),
            _ => false, // a page of nulls: no key is null
        };
        let rows = (end - page.first_row_index) as usize;
        if needed { RowSelector::select(rows) } else { RowSelector::skip(rows) }
    });
    Some(selectors.collect::<Vec<_>>().into())
}

/// The position of `diaObjectId` among a file's columns.
pub fn key_column(footer: &ParquetMetaData) -> Option<usize> {
    footer
        .file_metadata()
        .schema_descr()
        .columns()
        .iter()
        .position(|column| stored_name(column.name()).1 == KEY)
}

/// Whether any of the sorted keys lies in `[min, max]`.
fn any_within(keys: &[i64], min: i64, max: i64) -> bool {
    let first = keys.partition_point(|&key| key < min);
    keys.get(first).is_some_and(|&key| key <= max)
}

fn object_meta(file: &DataFile) -> ObjectMeta {
    ObjectMeta {
        location: file.path.clone(),
        last_modified: file.modified,
        size: file.size_bytes,
        e_tag: None,
        version: None,
    }
}
