//! Whether another engine may have deleted rows of a table while updates of them wait beside it. It cannot know of the updates, so these
//! stay, and are of objects that the table does not have any more.
//!
//! Our commits say it themselves, and go on saying it until no update waits. Those of other engines say nothing: they are judged by what they
//! did, and by the commit of ours before them.

use deltalake_core::kernel::Action;
use serde_json::json;

use super::Log;
use super::change::{COMMIT_ID, Change, Operation};
use super::same_rows::only_adds;
use crate::error::Result;
use crate::warehouse::{DataFile, Snapshot};

/// The key of what a commit of ours says.
pub(super) const FOREIGN_DELETES: &str = "diaflightForeignDeletes";

/// After more commits of other engines in a row the answer is yes, which is always safe.
const MOST_COMMITS: u64 = 50;

/// What a commit that makes a change of `base` is to say. A version that is brought back may have been changed by others before.
pub(super) fn to_tell(base: Option<&Snapshot>, change: &Change) -> bool {
    let may_be = match (base, change.operation) {
        (None, _) => false,
        (Some(_), Operation::Restore { .. }) => true,
        (Some(base), _) => base.foreign_deletes,
    };
    let stays = |file: &&DataFile| !change.remove.iter().any(|removed| removed.path == file.path);
    let before = base.into_iter().flat_map(Snapshot::update_files).filter(stays);
    let waits = before.chain(&change.add).any(DataFile::is_update);
    may_be && waits
}

/// What a commit says; `None` for another engine's.
pub(super) fn told(actions: &[Action]) -> Option<bool> {
    actions.iter().find_map(|action| match action {
        Action::CommitInfo(commit) if commit.info.contains_key(COMMIT_ID) => {
            Some(commit.info.get(FOREIGN_DELETES) == Some(&json!(true)))
        }
        _ => None,
    })
}

impl Log {
    /// Whether rows may have been deleted so at a version. One whose commit is not in the log any more may be such.
    pub(super) async fn foreign_deletes(&self, version: u64) -> Result<bool> {
        for version in (version.saturating_sub(MOST_COMMITS)..=version).rev() {
            let Some(actions) = self.actions(version).await? else { return Ok(true) };
            if let Some(told) = told(&actions) {
                return Ok(told);
            }
            if !only_adds(&actions) {
                return Ok(true);
            }
        }
        Ok(true)
    }
}
