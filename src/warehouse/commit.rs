//! Changes of a table: one atomic Delta commit each.

use std::collections::HashSet;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::Utc;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake_core::kernel::{
    Action, Add, EagerSnapshot, Metadata, MetadataExt, Protocol, Remove, StructType, new_metadata,
};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use serde_json::json;
use uuid::Uuid;

use super::log::Log;
use super::{DataFile, Snapshot, Warehouse};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// Properties of a new table. A reader replays at most ten commits after a checkpoint; what a commit
/// removed is known for as long as its log entry is kept.
const TABLE_PROPERTIES: [(&str, &str); 2] = [
    ("delta.checkpointInterval", "10"),
    ("delta.deletedFileRetentionDuration", "interval 30 days"),
];

/// The name under which a commit finds itself in the log again.
const COMMIT_ID: &str = "diaflightCommit";
const OPERATION: &str = "diaflightOperation";

/// Losing against so many others in a row is reported rather than tried again.
const ATTEMPTS: usize = 20;

/// What a commit does, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Ingest,
    Generate,
    /// Rows stay the same: other writers need not start over because of it.
    Compact,
}

/// A set of files to add and remove together.
#[derive(Clone, Debug)]
pub struct Change {
    pub operation: Operation,
    /// The stored schema after the change: that of the base, or that with columns added at its end.
    /// A compaction changes no schema.
    pub schema: SchemaRef,
    pub add: Vec<DataFile>,
    pub remove: Vec<DataFile>,
}

impl Warehouse {
    /// Commits a change made against `base` (`None`: the table did not exist) and returns the new
    /// version. Fails with [`Kind::Conflict`], having changed nothing, if
    /// the rows of the table are not those of `base` any more, or files to remove have gone. A
    /// compaction minds only the latter.
    ///
    /// After any other error the change may still have happened, if the storage kept its answer to
    /// itself: the files must stay, for vacuum to remove if nothing refers to them.
    pub async fn commit(
        &self,
        table: Table,
        base: Option<&Snapshot>,
        change: Change,
    ) -> Result<u64> {
        let log = Log::new(&self.location, table)?;
        for _ in 0..ATTEMPTS {
            let current = log.state(None).await?;
            check_base(&log, current.as_ref(), base, &change).await?;
            match write(&log, current.as_ref(), &change).await {
                Err(error) if error.kind() == Kind::Conflict => continue,
                done => return done,
            }
        }
        Err(conflict(&log, "others committed first, again and again"))
    }
}

fn conflict(log: &Log, why: &str) -> Error {
    Error::new(Kind::Conflict, format!("{}: {why}", log.location.url))
}

async fn check_base(
    log: &Log,
    current: Option<&EagerSnapshot>,
    base: Option<&Snapshot>,
    change: &Change,
) -> Result<()> {
    let (current, base) = match (current, base) {
        (None, None) => return Ok(()),
        (Some(_), None) => return Err(conflict(log, "someone else created the table")),
        (None, Some(_)) => return Err(conflict(log, "the table is not there any more")),
        (Some(current), Some(base)) => (current, base),
    };
    if current.version() == base.version {
        return Ok(());
    }
    if change.operation != Operation::Compact
        && !log.same_rows(base.version, current.version()).await?
    {
        return Err(conflict(log, "someone else changed the table first"));
    }
    let current = log.snapshot(current)?;
    let there: HashSet<_> = current.files.iter().map(|file| &file.path).collect();
    match change.remove.iter().all(|file| there.contains(&file.path)) {
        true => Ok(()),
        false => Err(conflict(log, "someone else removed a file first")),
    }
}

/// Writes the version after `current`, or fails with `Conflict` if someone else did.
async fn write(log: &Log, current: Option<&EagerSnapshot>, change: &Change) -> Result<u64> {
    let failed = |error: DeltaTableError| log.failed(Error::from(error));
    let id = Uuid::new_v4().to_string();
    let actions = actions(log, current, change).map_err(|error| log.failed(error))?;
    let commit = CommitProperties::default().with_max_retries(0).with_metadata([
        (COMMIT_ID.to_string(), json!(id)),
        (OPERATION.to_string(), json!(format!("{:?}", change.operation))),
    ]);
    let state = current.map(|state| state as &dyn TableReference);
    let operation = match current {
        None => creation(log, change).map_err(failed)?,
        Some(_) => delta_operation(change.operation),
    };
    let commit = CommitBuilder::from(commit).with_actions(actions).build(
        state,
        log.delta.clone(),
        operation,
    );
    let version = current.map_or(0, |state| state.version() + 1);
    match commit.into_prepared_commit_future().await.map_err(failed)?.await {
        Ok(committed) => {
            // The commit stands whatever becomes of the checkpoint: the next one makes up for it.
            if let Err(error) = committed.await {
                tracing::warn!(table = log.table.name(), version, %error, "no checkpoint written");
            }
            Ok(version)
        }
        // A put that was repeated because its answer got lost finds its own first attempt there.
        Err(_) if is_ours(log, version, &id).await => Ok(version),
        Err(error) => Err(failed(error)),
    }
}

async fn is_ours(log: &Log, version: u64, id: &str) -> bool {
    let actions = log.actions(version).await.ok().flatten().unwrap_or_default();
    actions.iter().any(|action| match action {
        Action::CommitInfo(info) => info.info.get(COMMIT_ID).is_some_and(|found| found == id),
        _ => false,
    })
}

fn delta_operation(operation: Operation) -> DeltaOperation {
    match operation {
        Operation::Ingest | Operation::Generate => {
            DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None }
        }
        Operation::Compact => DeltaOperation::Optimize {
            predicate: None,
            target_size: super::layout::FileSize::TARGET.bytes as i64,
        },
    }
}

fn creation(log: &Log, change: &Change) -> Result<DeltaOperation, DeltaTableError> {
    Ok(DeltaOperation::Create {
        mode: SaveMode::ErrorIfExists,
        location: log.location.url.clone(),
        protocol: protocol()?,
        metadata: metadata(&change.schema)?,
    })
}

fn metadata(schema: &Schema) -> Result<Metadata, DeltaTableError> {
    Ok(new_metadata(&kernel_schema(schema)?, [""; 0], TABLE_PROPERTIES)?)
}

/// The lowest: every Delta reader has it.
fn protocol() -> Result<Protocol, DeltaTableError> {
    Ok(serde_json::from_value(json!({ "minReaderVersion": 1, "minWriterVersion": 2 }))?)
}

fn kernel_schema(schema: &Schema) -> Result<StructType, DeltaTableError> {
    Ok(schema.try_into_kernel()?)
}

fn actions(log: &Log, current: Option<&EagerSnapshot>, change: &Change) -> Result<Vec<Action>> {
    let mut actions = match current {
        None => vec![Action::Protocol(protocol()?), Action::Metadata(metadata(&change.schema)?)],
        Some(current) => grown(current, change)?.into_iter().collect(),
    };
    let data_change = change.operation != Operation::Compact;
    for file in &change.add {
        actions.push(Action::Add(add(log, file, data_change)?));
    }
    for file in &change.remove {
        actions.push(Action::Remove(remove(log, file, data_change)?));
    }
    Ok(actions)
}

/// The new metadata, if the schema is not that of the table any more.
fn grown(current: &EagerSnapshot, change: &Change) -> Result<Option<Action>> {
    let schema = kernel_schema(&change.schema)?;
    if change.operation == Operation::Compact || schema == *current.schema() {
        return Ok(None);
    }
    for field in current.arrow_schema().fields() {
        let kept = change.schema.field_with_name(field.name()).ok();
        if kept.is_none_or(|kept| kept.data_type() != field.data_type()) {
            let message =
                format!("column {} of the table is lost or of another type", field.name());
            return Err(Error::internal(message));
        }
    }
    let metadata = current.metadata().clone().with_schema(&schema);
    Ok(Some(Action::Metadata(metadata.map_err(DeltaTableError::from)?)))
}

fn add(log: &Log, file: &DataFile, data_change: bool) -> Result<Add> {
    Ok(Add {
        path: relative(log, file)?,
        size: file.size_bytes as i64,
        modification_time: file.modified.timestamp_millis(),
        data_change,
        stats: Some(file.log_stats(log.table)),
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
