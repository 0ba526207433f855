//! What single commits of a log say: what they changed, when, for which command, and whether they changed rows.

use chrono::{DateTime, Utc};
use deltalake_core::kernel::{Action, Add, CommitInfo, Remove, Version};
use deltalake_core::logstore::get_actions;

use super::change::Operation;
use super::commit::{OPERATION, RUN_ID};
use super::{Log, updates};
use crate::error::{Error, Result};
use crate::warehouse::files::UPDATES;

impl Log {
    /// When a version was committed, as its commit says; `None` where it does not.
    pub(crate) async fn committed(&self, version: u64) -> Result<Option<DateTime<Utc>>> {
        let info = self.commit_info(version).await?;
        let millis = info.and_then(|info| info.in_commit_timestamp.or(info.timestamp));
        Ok(millis.and_then(DateTime::from_timestamp_millis))
    }

    /// The id that all commits of one command have; `None` where a commit does not tell, or is not there.
    pub(crate) async fn run_of(&self, version: u64) -> Result<Option<String>> {
        let info = self.commit_info(version).await?;
        Ok(info.and_then(|info| info.info.get(RUN_ID)?.as_str().map(str::to_string)))
    }

    async fn commit_info(&self, version: u64) -> Result<Option<CommitInfo>> {
        let actions = self.actions(version).await?.unwrap_or_default();
        Ok(actions.into_iter().find_map(|action| match action {
            Action::CommitInfo(info) => Some(info),
            _ => None,
        }))
    }

    /// Whether all commits after `from`, up to `to`, only rearranged rows, as a compaction does.
    pub(crate) async fn same_rows(&self, from: u64, to: u64) -> Result<bool> {
        for version in from + 1..=to {
            let Some(actions) = self.actions(version).await? else { return Ok(false) };
            let merges = is_merge(&actions);
            let rearranges = |action: &Action| match action {
                Action::Add(add) => !add.data_change,
                Action::Remove(remove) => !remove.data_change,
                Action::CommitInfo(_) => true,
                action => merges && updates::named_in(action).is_some(),
            };
            if !actions.iter().all(rearranges) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether all commits after `from`, up to `to`, only rearranged rows or added some, as ingests do that replace none or leave updates.
    pub(crate) async fn only_adds_rows(&self, from: u64, to: u64) -> Result<bool> {
        for version in from + 1..=to {
            let Some(mut actions) = self.actions(version).await? else { return Ok(false) };
            let merges = is_merge(&actions);
            actions.extend(self.actions_of_updates(&actions).await?);
            let adds = |action: &Action| match action {
                Action::Remove(remove) => !remove.data_change,
                Action::Add(_) | Action::CommitInfo(_) | Action::Metadata(_) => true,
                action => updates::named_in(action).is_some(),
            };
            if !merges && !actions.iter().all(adds) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What a version changed; `None` where its commit is not in the log (any more).
    pub(crate) async fn actions(&self, version: Version) -> Result<Option<Vec<Action>>> {
        let entry = async {
            let bytes = self.delta.read_commit_entry(version).await?;
            bytes.map(|bytes| get_actions(version, &bytes)).transpose()
        };
        entry.await.map_err(|error| self.failed(Error::from(error)))
    }

    /// What the version of the updates changed that one of some actions names, with paths from the folder of the table.
    pub(crate) async fn actions_of_updates(&self, actions: &[Action]) -> Result<Vec<Action>> {
        let named = actions.iter().find_map(updates::named_in);
        let (Some(of_updates), Some(version)) = (&self.updates, named) else {
            return Ok(Vec::new());
        };
        let actions = of_updates.actions(version).await?.unwrap_or_default();
        let below = |path: &str| format!("{UPDATES}/{path}");
        let of_files = actions.into_iter().filter_map(|action| match action {
            Action::Add(add) => Some(Action::Add(Add { path: below(&add.path), ..add })),
            Action::Remove(remove) => {
                Some(Action::Remove(Remove { path: below(&remove.path), ..remove }))
            }
            _ => None,
        });
        Ok(of_files.collect())
    }
}

/// Whether these are the actions of a commit of ours that changes no row.
pub(crate) fn is_merge(actions: &[Action]) -> bool {
    let merge = Operation::Compact.to_string();
    actions.iter().any(|action| match action {
        Action::CommitInfo(info) => info.info.get(OPERATION).is_some_and(|own| *own == *merge),
        _ => false,
    })
}
