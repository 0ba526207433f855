//! Translates a [`Change`] of a table into the actions of a Delta commit, and its operation into Delta's.

use std::ops::RangeInclusive;

use arrow::datatypes::Schema;
use chrono::Utc;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{
    Action, Add, EagerSnapshot, Metadata, MetadataExt, Protocol, Remove, StructType, new_metadata,
};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use serde_json::json;

use super::Log;
use super::change::{Change, Operation};
use super::comments::with_comments;
use super::metadata::SYNTHETIC;
use super::retention::{properties, renewed};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::{DataFile, FileSize, FileTag, Level};

pub(crate) fn delta_operation(operation: Operation) -> DeltaOperation {
    match operation {
        Operation::Ingest | Operation::Generate => {
            DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None }
        }
        Operation::Compact => {
            DeltaOperation::Optimize { predicate: None, target_size: FileSize::TARGET.bytes as i64 }
        }
        Operation::SetProperties => {
            let properties = properties().map(|(name, value)| (name.into(), value.into()));
            DeltaOperation::SetTableProperties { properties: properties.into() }
        }
        Operation::NotePlaces => {
            DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None }
        }
        Operation::Delete => DeltaOperation::Delete { predicate: None },
        Operation::Restore { version } => {
            DeltaOperation::Restore { version: Some(version), datetime: None }
        }
        Operation::Undo { .. } => DeltaOperation::Restore { version: None, datetime: None },
    }
}

pub(crate) fn creation(log: &Log, change: &Change) -> Result<DeltaOperation, DeltaTableError> {
    Ok(DeltaOperation::Create {
        mode: SaveMode::ErrorIfExists,
        location: log.location.url.clone(),
        protocol: protocol()?,
        metadata: metadata(log.table, change)?,
    })
}

/// Of a new table.
fn metadata(table: Table, change: &Change) -> Result<Metadata, DeltaTableError> {
    let synthetic = (change.operation == Operation::Generate).then_some(SYNTHETIC);
    let properties = properties().into_iter().chain(synthetic);
    Ok(new_metadata(&kernel_schema(table, &change.schema)?, [""; 0], properties)?)
}

/// The lowest: every Delta reader has it.
fn protocol() -> Result<Protocol, DeltaTableError> {
    Ok(serde_json::from_value(json!({ "minReaderVersion": 1, "minWriterVersion": 2 }))?)
}

fn kernel_schema(table: Table, schema: &Schema) -> Result<StructType, DeltaTableError> {
    Ok((&with_comments(table, schema)).try_into_kernel()?)
}

pub(crate) fn actions(
    log: &Log,
    current: Option<&EagerSnapshot>,
    change: &Change,
) -> Result<Vec<Action>> {
    let mut actions = match current {
        None => vec![Action::Protocol(protocol()?), Action::Metadata(metadata(log.table, change)?)],
        Some(current) if log.is_of_updates() => {
            let schema = kernel_schema(log.table, &change.schema)?;
            let differs = schema != *current.schema();
            differs.then(|| with_schema(current, &schema)).transpose()?.into_iter().collect()
        }
        Some(current) => grown(log.table, current, change)?.into_iter().collect(),
    };
    let data_change = !matches!(change.operation, Operation::Compact | Operation::NotePlaces);
    let new_run = new_run(change, current.is_none());
    for file in &change.add {
        let level = file.tag.level.or(new_run.filter(|_| is_new(file, change)));
        actions.push(Action::Add(add(log, file, level, data_change)?));
    }
    for file in &change.remove {
        actions.push(Action::Remove(remove(log, file, data_change)?));
    }
    Ok(actions)
}

/// The level of the rows that an ingest adds, which are one sorted run. Only merges cut at key ranges, so none is mature; but a large table
/// that is made at once is its own base. What is left of the files that lose rows has their level, and none if they have none; so it is
/// with the files of other operations.
fn new_run(change: &Change, creates_table: bool) -> Option<Level> {
    if !matches!(change.operation, Operation::Ingest | Operation::Generate) {
        return None;
    }
    let new = change.add.iter().filter(|file| is_new(file, change));
    match Level::of_run(new.map(|file| file.size_bytes).sum()) {
        Level::Mature if creates_table => Some(Level::Base),
        level => Some(level.min(Level::L2)),
    }
}

/// Whether a file has new rows, by all that is known: it has no level, and cannot be what is left of a removed file without one.
fn is_new(file: &DataFile, change: &Change) -> bool {
    let within = |inner: &RangeInclusive<i64>, outer: &RangeInclusive<i64>| {
        outer.start() <= inner.start() && inner.end() <= outer.end()
    };
    let may_be_left_of = |old: &DataFile| {
        old.tag.level.is_none()
            && within(&file.keys, &old.keys)
            && within(&file.ids, &old.ids)
            && old.rows.is_none_or(|rows| file.rows <= Some(rows))
    };
    file.tag.level.is_none() && !change.remove.iter().any(may_be_left_of)
}

/// The new metadata, if properties are to be set, or the schema is not that of the table any more, or describes its columns in another way.
/// Only a commit that adds rows has another schema: such a commit is a conflict for other writers anyway.
fn grown(table: Table, current: &EagerSnapshot, change: &Change) -> Result<Option<Action>> {
    if change.operation == Operation::SetProperties {
        return Ok(renewed(current.metadata())?.map(Action::Metadata));
    }
    let schema = kernel_schema(table, &change.schema)?;
    let adds_rows = matches!(change.operation, Operation::Ingest | Operation::Generate);
    if !adds_rows || schema == *current.schema() {
        return Ok(None);
    }
    for field in current.arrow_schema().fields() {
        let kept = change.schema.field_with_name(field.name()).ok();
        if kept.is_none_or(|kept| kept.data_type() != field.data_type()) {
            let message =
                format!("column {} of the table is missing or has another type", field.name());
            return Err(Error::internal(message));
        }
    }
    with_schema(current, &schema).map(Some)
}

fn with_schema(current: &EagerSnapshot, schema: &StructType) -> Result<Action> {
    let metadata = current.metadata().clone().with_schema(schema);
    Ok(Action::Metadata(metadata.map_err(DeltaTableError::from)?))
}

fn add(log: &Log, file: &DataFile, level: Option<Level>, data_change: bool) -> Result<Add> {
    let tag = FileTag { level, ..file.tag.clone() };
    Ok(Add {
        path: relative(log, file)?,
        size: file.size_bytes as i64,
        modification_time: file.modified.timestamp_millis(),
        data_change,
        stats: Some(file.log_stats(log.table)),
        tags: tag.for_log().map_err(|error| Error::internal(error.to_string()))?,
        ..Default::default()
    })
}

fn remove(log: &Log, file: &DataFile, data_change: bool) -> Result<Remove> {
    Ok(Remove {
        path: removable(log, file)?,
        data_change,
        deletion_timestamp: Some(Utc::now().timestamp_millis()),
        extended_file_metadata: Some(true),
        partition_values: Some(Default::default()),
        size: Some(file.size_bytes as i64),
        ..Default::default()
    })
}

fn relative(log: &Log, file: &DataFile) -> Result<String> {
    let parts = file.path.prefix_match(&log.location.prefix);
    let parts =
        parts.ok_or_else(|| Error::internal(format!("{} is of another table", file.path)))?;
    Ok(parts.collect::<object_store::path::Path>().to_string())
}

/// Fails if one of the files cannot be removed: for work that is to replace them, before it is done.
pub(crate) fn check_removable(log: &Log, files: &[DataFile]) -> Result<()> {
    files.iter().try_for_each(|file| removable(log, file).map(|_| ()))
}

/// The path of a file to remove: it must stand there as in the log, and deltalake-core encodes it anew. Writers differ in which
/// characters they encode, so a name with those others is not removed: its rows would be there twice.
fn removable(log: &Log, file: &DataFile) -> Result<String> {
    let path = relative(log, file)?;
    let certain = |c: char| c.is_ascii_alphanumeric() || "-_.=/ %#?".contains(c);
    if path.chars().all(certain) {
        return Ok(path);
    }
    let why = "the log may name it in another way, so it cannot be replaced; rewrite it with the engine that wrote it";
    Err(Error::new(Kind::Storage, format!("{}{path}: {why}", log.location.url)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;

    use super::*;

    fn level(sizes: &[u64], operation: Operation, creates_table: bool) -> Option<Level> {
        let file = |size: &u64| DataFile::unknown("x".into(), *size, DateTime::UNIX_EPOCH);
        let add = sizes.iter().map(file).collect();
        let schema = Arc::new(Schema::empty());
        new_run(&Change { operation, schema, add, remove: Vec::new() }, creates_table)
    }

    #[test]
    fn a_new_run_has_the_level_of_its_size() {
        let of = |sizes: &[u64]| level(sizes, Operation::Ingest, false).unwrap();
        assert_eq!(of(&[249_999_999]), Level::L0);
        assert_eq!(of(&[100_000_000, 150_000_000]), Level::L1);
        assert_eq!(of(&[500_000_000; 4]), Level::L2);
        assert_eq!(of(&[500_000_000; 100]), Level::L2);
        assert_eq!(level(&[500_000_000; 100], Operation::Generate, true), Some(Level::Base));
        assert_eq!(level(&[1], Operation::Restore { version: 1 }, false), None);
    }

    /// As an ingest into a warehouse of before there were levels does it.
    #[test]
    fn what_is_left_of_a_file_without_a_level_is_not_of_the_new_run() {
        let file = |name: &str, keys: RangeInclusive<i64>, ids, rows| DataFile {
            keys,
            ids,
            rows: Some(rows),
            ..DataFile::unknown(name.into(), rows * 1_000_000, DateTime::UNIX_EPOCH)
        };
        let left = file("left", 0..=90, 1_000..=1_900, 500);
        let new = file("new", 5..=80, 1_500..=2_100, 200);
        let change = Change {
            operation: Operation::Ingest,
            schema: Arc::new(Schema::empty()),
            add: vec![new.clone(), left.clone()],
            remove: vec![file("old", 0..=99, 1_000..=1_999, 510)],
        };
        assert_eq!(new_run(&change, false), Some(Level::L0));
        assert_eq!([&new, &left].map(|file| is_new(file, &change)), [true, false]);
        // A file with a level leaves files of that level: all others are new.
        let old = change.remove[0].clone().placed(Some(Level::Base), None);
        let change = Change { remove: vec![old], ..change };
        assert!(is_new(&left, &change));
        assert!(!is_new(&left.placed(Some(Level::Base), None), &change));
    }
}
