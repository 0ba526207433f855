//! The file of a version kept by name: one JSON object. It says which version it is, when it was kept, and by which actions of the log it
//! is made up: its metadata, and each of its files, those of the updates included. So the version can be read when its commits are not in
//! the log any more. Each action has a line of its own, so a look at a name reads the first line alone.
//!
//! A file of an older version of this program does not have the actions. Its version is read from the log.

use chrono::{DateTime, Utc};
use deltalake_core::kernel::{Action, EagerSnapshot};
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore};
use serde::{Deserialize, Serialize};

use super::metadata::id_of;
use super::updates::{NamedUpdates, named_by, named_in, naming};
use super::{Log, added};
use crate::error::{Error, Kind, Result};
use crate::warehouse::Snapshot;

/// The first line is shorter.
const FIRST_LINE_BYTES: u64 = 4096;

/// What ends the list of actions, and with it the file.
const END: &[u8] = b"]}";

/// What the file says. The actions are its last field.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub version: u64,
    /// Of a table made anew in its place it is no version.
    pub table_id: u64,
    pub kept: DateTime<Utc>,
    /// The version's entry in the log, by which its readers know it.
    entry: Option<Entry>,
    /// Whether another engine may have deleted rows that have updates.
    #[serde(default)]
    foreign_deletes: bool,
    /// `None` if they are in the log alone. A first line has none of them.
    actions: Option<Vec<Action>>,
}

/// An entry of the log as the store describes it.
#[derive(Serialize, Deserialize)]
struct Entry {
    last_modified: DateTime<Utc>,
    size: u64,
    e_tag: Option<String>,
}

impl Kept {
    /// Whether the version is read from the log, since the file does not have its actions.
    pub(super) fn needs_log(&self) -> bool {
        self.actions.is_none()
    }
}

/// The file of a version, kept at a time.
pub(super) async fn encode(
    log: &Log,
    state: &EagerSnapshot,
    kept: DateTime<Utc>,
) -> Result<Vec<u8>> {
    let Snapshot { version, foreign_deletes, .. } = log.snapshot(state).await?;
    let entry = log.entry(version).await?;
    let updates = named_by(log, state).await?;
    let encoded = encoded(state, updates, foreign_deletes, entry, kept);
    encoded.map_err(|error| Error::internal(error.to_string()))
}

fn encoded(
    state: &EagerSnapshot,
    updates: Option<NamedUpdates>,
    foreign_deletes: bool,
    entry: Option<ObjectMeta>,
    kept: DateTime<Utc>,
) -> serde_json::Result<Vec<u8>> {
    let metadata = state.metadata();
    let entry = entry.map(|ObjectMeta { last_modified, size, e_tag, .. }| Entry {
        last_modified,
        size,
        e_tag,
    });
    let (version, table_id, actions) = (state.version(), id_of(metadata), Some(Vec::new()));
    let first = Kept { version, table_id, kept, entry, foreign_deletes, actions };
    let mut file = serde_json::to_vec(&first)?;
    file.truncate(file.len() - END.len());
    file.push(b'\n');
    serde_json::to_writer(&mut file, &Action::Metadata(metadata.clone()))?;
    let naming = updates.iter().map(|named| naming(named.version)).collect::<Vec<_>>();
    let of_updates = updates.into_iter().flat_map(|named| named.files);
    let files = added(state).chain(of_updates).map(Action::Add);
    for action in naming.into_iter().chain(files) {
        file.extend(b",\n");
        serde_json::to_writer(&mut file, &action)?;
    }
    file.extend(END);
    Ok(file)
}

/// Reads the first line of a file; `None` if there is no file.
pub(super) async fn first_line(log: &Log, path: &Path) -> Result<Option<Kept>> {
    let range = Some(GetRange::Bounded(0..FIRST_LINE_BYTES));
    let Some(bytes) = get(log, path, GetOptions { range, ..GetOptions::default() }).await? else {
        return Ok(None);
    };
    let line = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => [&bytes[..end], END].concat(),
        None => bytes.to_vec(),
    };
    decode(log, path, &line).map(Some)
}

/// Reads the version of a file; `None` if there is no file, or it does not have the actions.
pub(super) async fn snapshot(log: &Log, path: &Path) -> Result<Option<Snapshot>> {
    let Some(bytes) = get(log, path, GetOptions::default()).await? else { return Ok(None) };
    let Kept { version, entry, foreign_deletes, actions, .. } = decode(log, path, &bytes)?;
    let Some(actions) = actions else { return Ok(None) };
    let (mut metadata, mut updates, mut files) = (None, None, Vec::new());
    for action in actions {
        match action {
            Action::Metadata(told) => metadata = Some(told),
            Action::Add(file) => files.push(file),
            action => updates = updates.or(named_in(&action)),
        }
    }
    let metadata = metadata.ok_or_else(|| damaged(log, path, "it has no metadata"))?;
    let entry = entry.map(|Entry { last_modified, size, e_tag }| {
        let location = log.commit_path(version);
        ObjectMeta { location, last_modified, size, e_tag, version: None }
    });
    let snapshot = log.snapshot_of(version, &metadata, files)?;
    Ok(Some(Snapshot { entry, updates, foreign_deletes, ..snapshot }))
}

async fn get(log: &Log, path: &Path, options: GetOptions) -> Result<Option<bytes::Bytes>> {
    let bytes = match log.location.store.get_opts(path, options).await {
        Ok(found) => found.bytes().await,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => Err(error),
    };
    bytes.map(Some).map_err(|error| log.failed(error.into()))
}

fn decode(log: &Log, path: &Path, bytes: &[u8]) -> Result<Kept> {
    serde_json::from_slice(bytes).map_err(|error| damaged(log, path, &error.to_string()))
}

fn damaged(log: &Log, path: &Path, why: &str) -> Error {
    let text = format!(
        "/{path} is damaged ({why}): restore it from a backup, or delete it to give the name up"
    );
    log.failed(Error::new(Kind::Storage, text))
}
