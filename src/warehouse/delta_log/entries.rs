//! What single commits of a log say: what they changed, when, and for which command.

use chrono::{DateTime, Utc};
use deltalake_core::kernel::{Action, CommitInfo, Remove, Version};
use deltalake_core::logstore::get_actions;

use super::change::RUN_ID;
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

    /// What a version changed; `None` where its commit is not in the log (any more).
    pub(crate) async fn actions(&self, version: Version) -> Result<Option<Vec<Action>>> {
        let entry = async {
            let bytes = self.delta.read_commit_entry(version).await?;
            bytes.map(|bytes| get_actions(version, &bytes)).transpose()
        };
        entry.await.map_err(|error| self.failed(Error::from(error)))
    }

    /// What the version of the updates changed that one of some actions names, with paths from the folder of the table.
    /// `None` if its commit is not in the log (any more).
    pub(crate) async fn actions_of_updates(
        &self,
        actions: &[Action],
    ) -> Result<Option<Vec<Action>>> {
        let named = actions.iter().find_map(updates::named_in);
        let (Some(of_updates), Some(version)) = (&self.updates, named) else {
            return Ok(Some(Vec::new()));
        };
        let Some(actions) = of_updates.actions(version).await? else { return Ok(None) };
        let of_files = actions.into_iter().filter_map(|action| match action {
            Action::Add(add) => Some(Action::Add(updates::below(add))),
            Action::Remove(remove) => {
                let path = format!("{UPDATES}/{}", remove.path);
                Some(Action::Remove(Remove { path, ..remove }))
            }
            _ => None,
        });
        Ok(Some(of_files.collect()))
    }
}
