//! How DataFusion scans the files of a snapshot: in groups that are read at the same time, each one file after the other, with the order of
//! the rows and the statistics that the log has of the files.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::Schema;
use chrono::{DateTime, TimeDelta, Utc};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::schema::{KEY, TIME, Table};
use crate::warehouse::DataFile;

/// More groups than this are too many to be merged. The files are then read in any order, and sorted where an order is asked for. Each
/// group holds a row group of the wanted columns in memory, 14 MB of all of `sources`; to sort takes as much, and twice the time.
const MAX_ORDERED_GROUPS: usize = 64;

/// The files of a scan, arranged.
pub(crate) struct Groups {
    /// Files to be read one after the other; the groups are read at the same time.
    pub groups: Vec<FileGroup>,
    /// Whether each group on its own is in ascending order of keys.
    pub ordered: bool,
}

/// Arranges `files`, which are in the order of their first keys.
pub(crate) fn arrange(files: Vec<(DataFile, PartitionedFile)>, partitions: usize) -> Groups {
    let sorted = files.iter().all(|(file, _)| file.sorted);
    let chains = if sorted { chains(&files) } else { Vec::new() };
    let ordered = (1..=MAX_ORDERED_GROUPS).contains(&chains.len());
    let members = match chains.len() {
        2..=MAX_ORDERED_GROUPS => chains,
        _ => {
            let all: Vec<_> = (0..files.len()).collect();
            all.chunks(files.len().div_ceil(partitions).max(1)).map(<[_]>::to_vec).collect()
        }
    };
    let group = |members: Vec<usize>| members.into_iter().map(|i| files[i].1.clone()).collect();
    Groups { groups: members.into_iter().map(group).map(FileGroup::new).collect(), ordered }
}

/// The files in as few sequences as possible, in each of which the key ranges follow each other without overlap.
fn chains(files: &[(DataFile, PartitionedFile)]) -> Vec<Vec<usize>> {
    let mut chains: Vec<Vec<usize>> = Vec::new();
    for (i, (file, _)) in files.iter().enumerate() {
        let follows = |chain: &&mut Vec<usize>| {
            chain.last().is_some_and(|&last| files[last].0.keys.end() < file.keys.start())
        };
        match chains.iter_mut().find(follows) {
            Some(chain) => chain.push(i),
            None => chains.push(vec![i]),
        }
    }
    chains
}

/// The columns by which sorted files are sorted, as far as every file has ranges of them: all of the table's, or the key alone.
pub(crate) fn sort_columns<'a>(
    table: Table,
    mut files: impl Iterator<Item = &'a DataFile>,
) -> &'static [&'static str] {
    let columns = table.sort_columns();
    let timed = files.all(|file| file.times_mjd.is_some());
    if timed { columns } else { &columns[..1] }
}

/// The order of rows that are sorted by some columns, as far as a schema has them. SQL puts nulls last; these columns have none.
pub(crate) fn ascending(columns: &[&str], schema: &Schema) -> Option<LexOrdering> {
    let options = SortOptions { descending: false, nulls_first: false };
    let keys = columns.iter().map_while(|name| col(name, schema).ok());
    LexOrdering::new(keys.map(|key| PhysicalSortExpr::new(key, options)))
}

/// A file as DataFusion scans it, under a name that plans show. After the values of its path comes the number of its update.
pub(crate) fn scanned(file: &DataFile, name: Path) -> PartitionedFile {
    let scanned = PartitionedFile::new_from_meta(ObjectMeta {
        location: name,
        last_modified: content_time(file),
        size: file.size_bytes,
        e_tag: None,
        version: None,
    });
    let values = file.partition_values.iter().map(|(_, value)| value.clone());
    let number = ScalarValue::UInt64(Some(file.update_number()));
    scanned.with_partition_values(values.chain([number]).collect())
}

/// The modification time by which DataFusion's footer cache distinguishes a file from an earlier one of the same name.
///
/// The cache uses a footer if the file has the size and the `last_modified` with which the footer was read, and compares nothing else
/// (`CachedFileMetadataEntry::is_valid_for`). A file that is overwritten may keep both: its times are given to the millisecond, or to the
/// second. What then differs is its [generation](DataFile::generation), a number made of its ETag or of its table's id. So the nanoseconds
/// of the time, which are otherwise always zero, are set from the generation. Nothing else reads this time.
fn content_time(file: &DataFile) -> DateTime<Utc> {
    file.modified + TimeDelta::nanoseconds((file.generation % 1_000_000) as i64)
}

/// What DataFusion needs to know of a file to see that files follow each other: the ranges of its sort columns.
pub(crate) fn file_statistics(table: Table, file: &DataFile, schema: &Schema) -> Arc<Statistics> {
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = row_count(file.rows);
    let mut tell = |column: &str, from: ScalarValue, to: ScalarValue| {
        if let Ok(i) = schema.index_of(column) {
            let (min_value, max_value) = (Precision::Exact(from), Precision::Exact(to));
            let known =
                ColumnStatistics { min_value, max_value, ..ColumnStatistics::new_unknown() };
            statistics.column_statistics[i] = known;
        }
    };
    for (column, range) in [(table.id_column(), &file.ids), (KEY, &file.keys)] {
        tell(column, (*range.start()).into(), (*range.end()).into());
    }
    if let Some(times) = &file.times_mjd {
        // In the total order of floats, NaN lies at both ends, by its sign.
        let (from, to) = match file.may_have_nan_times {
            true => (-f64::NAN, f64::NAN),
            false => (*times.start(), *times.end()),
        };
        tell(TIME, from.into(), to.into());
    }
    Arc::new(statistics)
}

/// The statistics of a whole scan. Its number of rows is exact if every file says how many it has.
pub(crate) fn scan_statistics(
    files: &[(DataFile, PartitionedFile)],
    schema: &Schema,
) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = row_count(files.iter().map(|(file, _)| file.rows).sum());
    statistics
}

fn row_count(rows: Option<u64>) -> Precision<usize> {
    let rows = rows.and_then(|rows| usize::try_from(rows).ok());
    rows.map_or(Precision::Absent, Precision::Exact)
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use datafusion::common::HashMap;
    use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadata};

    use super::*;

    fn file(keys: RangeInclusive<i64>) -> (DataFile, PartitionedFile) {
        let path = format!("{}-{}", keys.start(), keys.end());
        let partitioned = PartitionedFile::new(path.clone(), 1);
        let unknown = DataFile::unknown(path.into(), 1, Default::default());
        let file = DataFile { rows: Some(1), keys, ids: 0..=0, sorted: true, ..unknown };
        (file, partitioned)
    }

    fn arranged(keys: &[RangeInclusive<i64>], sorted: bool) -> (Vec<Vec<String>>, bool) {
        let mut files: Vec<_> = keys.iter().cloned().map(file).collect();
        files[0].0.sorted = sorted;
        let Groups { groups, ordered } = arrange(files, 2);
        let names = |group: &FileGroup| group.iter().map(|file| file.path().to_string()).collect();
        (groups.iter().map(names).collect(), ordered)
    }

    #[test]
    fn a_cached_footer_is_not_that_of_another_generation() {
        let (first, _) = file(0..=1);
        let overwritten = DataFile { generation: first.generation + 1, ..first.clone() };
        let [first, again, overwritten] =
            [&first, &first, &overwritten].map(|file| scanned(file, file.path.clone()).object_meta);
        assert_eq!(
            first.last_modified.timestamp_millis(),
            overwritten.last_modified.timestamp_millis()
        );
        let cached = CachedFileMetadataEntry::new(first, Arc::new(NoFooter));
        assert!(cached.is_valid_for(&again) && !cached.is_valid_for(&overwritten));
    }

    struct NoFooter;

    impl FileMetadata for NoFooter {
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }

        fn memory_size(&self) -> usize {
            0
        }

        fn extra_info(&self) -> HashMap<String, String> {
            HashMap::new()
        }
    }

    #[test]
    fn disjoint_files_are_read_in_order_by_as_many_as_there_are_partitions() {
        let (groups, ordered) = arranged(&[0..=1, 2..=3, 4..=5], true);
        assert_eq!(groups, [vec!["0-1", "2-3"], vec!["4-5"]]);
        assert!(ordered);
        assert!(!arranged(&[0..=1, 2..=3], false).1);
    }

    #[test]
    fn overlapping_files_are_merged_unless_there_are_too_many() {
        let (groups, ordered) = arranged(&[0..=5, 1..=2, 3..=9, 6..=7], true);
        assert_eq!(groups, [vec!["0-5", "6-7"], vec!["1-2", "3-9"]]);
        assert!(ordered);
        let many = vec![0..=9; MAX_ORDERED_GROUPS + 1];
        let (groups, ordered) = arranged(&many, true);
        assert_eq!((groups.len(), ordered), (2, false));
        assert_eq!(groups.concat().len(), many.len());
    }
}
