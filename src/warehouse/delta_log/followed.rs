//! The newest snapshot of a table from an older one and the commits since, so that a refresh reads what is new and not the whole log again.

use std::collections::{HashMap, HashSet};

use deltalake_core::kernel::Action;
use object_store::path::Path;

use super::Log;
use crate::error::Result;
use crate::warehouse::{DataFile, Snapshot};

/// After more commits than these the log is read anew: its checkpoints hold the sum of them.
const MOST_COMMITS: u64 = 50;

/// The newest snapshot. `None` if it does not follow in this way: there are many commits since, or one that changes more than files.
pub(super) async fn followed(log: &Log, known: &Snapshot) -> Result<Option<Snapshot>> {
    let (mut added, mut removed) = (HashMap::<Path, DataFile>::new(), HashSet::<Path>::new());
    let mut version = known.version;
    while let Some(actions) = log.actions(version + 1).await? {
        version += 1;
        for action in actions {
            match action {
                Action::Add(add) if add.deletion_vector.is_none() => {
                    let file = log.data_file(&add, known.table_id)?;
                    removed.remove(&file.path);
                    added.insert(file.path.clone(), file);
                }
                Action::Remove(remove) => {
                    let path = log.full_path(&remove.path);
                    added.remove(&path);
                    removed.insert(path);
                }
                Action::CommitInfo(_) => {}
                _ => return Ok(None),
            }
        }
        if version - known.version > MOST_COMMITS {
            return Ok(None);
        }
    }
    let stays = |file: &&DataFile| !removed.contains(&file.path) && !added.contains_key(&file.path);
    let mut files: Vec<_> = known.files.iter().filter(stays).cloned().collect();
    files.extend(added.into_values());
    files.sort_by_key(|file| (*file.keys.start(), file.path.clone()));
    let entry = log.entry(version).await?;
    Ok(Some(Snapshot { version, entry, files, ..known.clone() }))
}
