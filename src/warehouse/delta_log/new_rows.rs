//! The files whose rows a version added to a table: what whoever follows the table has not seen. It comes from the commit alone, without
//! reading rows, so it is known only of commits that say which rows are new: those that only add files, and our own.

use deltalake_core::kernel::{Action, Add};
use object_store::ObjectStoreExt;

use super::change::{OPERATION, Operation};
use super::{Log, same_rows::is_merge};
use crate::error::{Error, Result};
use crate::warehouse::{DataFile, FileTag, Snapshot};

/// What a version added.
#[derive(Debug)]
pub(crate) enum NewRows {
    /// No row: it merged files, deleted rows, or changed properties.
    None,
    /// All rows of a snapshot of that version which has only the files with new rows.
    In(Box<Snapshot>),
    /// What it added, and the versions after it up to `until`, is not known.
    Unknown { until: u64, why: &'static str },
}

impl Log {
    /// What a version added to the table of a snapshot, which is that version or a later one.
    pub(crate) async fn new_rows(&self, version: u64, known: &Snapshot) -> Result<NewRows> {
        let Some(actions) = self.actions(version).await? else {
            let left = self.versions().await?.into_iter().map(|(version, _)| version);
            let next = left.into_iter().find(|left| *left > version);
            let until = next.map_or(known.version, |next| next - 1);
            let why = "their commits are not in the log any more";
            return Ok(NewRows::Unknown { until, why });
        };
        let unknown = |why| Ok(NewRows::Unknown { until: version, why });
        let added = match added(&actions) {
            Added::Nothing => return Ok(NewRows::None),
            Added::Untold(why) => return unknown(why),
            Added::In(added) => added,
        };
        let mut files = Vec::new();
        for add in added {
            if add.deletion_vector.is_some() || !add.partition_values.is_empty() {
                return unknown("another writer made files with partitions");
            }
            let file = self.data_file(add, known.table_id)?;
            if !self.is_there(&file, known).await? {
                return unknown("vacuum has deleted their files");
            }
            files.push(file);
        }
        files.sort_unstable_by(DataFile::in_key_order);
        let entry = self.entry(version).await?;
        // Columns that came later are null in its files.
        let added = Snapshot {
            version,
            entry,
            files,
            updates: None,
            foreign_deletes: false,
            ..known.clone()
        };
        Ok(NewRows::In(Box::new(added)))
    }

    /// Whether a file is in the storage. One that a later snapshot has is.
    async fn is_there(&self, file: &DataFile, known: &Snapshot) -> Result<bool> {
        if known.files.iter().any(|one| one.path == file.path) {
            return Ok(true);
        }
        match self.location.store.head(&file.path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(Error::from(error))),
        }
    }
}

/// The files with new rows, as a commit tells them.
enum Added<'a> {
    Nothing,
    In(Vec<&'a Add>),
    Untold(&'static str),
}

fn added(actions: &[Action]) -> Added<'_> {
    if is_merge(actions) {
        return Added::Nothing;
    }
    let added = actions.iter().filter_map(|action| match action {
        Action::Add(add) if add.data_change => Some(add),
        _ => None,
    });
    let mut added: Vec<_> = added.collect();
    let removes = actions.iter().any(|action| match action {
        Action::Remove(remove) => remove.data_change,
        _ => false,
    });
    let is = |operation: Operation| operation_of(actions) == Some(operation.to_string().as_str());
    if added.is_empty() || is(Operation::Delete) {
        return Added::Nothing;
    }
    if removes {
        added.retain(|add| is(Operation::Ingest) && FileTag::from_log(add.tags.as_ref()).new_rows);
        if added.is_empty() {
            return Added::Untold("they wrote rows of before again, and do not say which are new");
        }
    }
    Added::In(added)
}

/// What a commit of ours does, as it says.
fn operation_of(actions: &[Action]) -> Option<&str> {
    actions.iter().find_map(|action| match action {
        Action::CommitInfo(info) => info.info.get(OPERATION)?.as_str(),
        _ => None,
    })
}
