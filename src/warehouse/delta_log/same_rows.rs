//! Whether two versions of a table have the same rows, by what the commits between them did.

use deltalake_core::kernel::{Action, Metadata};

use super::change::{OPERATION, Operation};
use super::metadata::read_alike;
use super::positions::is_position;
use super::{Log, updates};
use crate::error::Result;

impl Log {
    /// Whether all commits after `from`, up to `to`, only rearranged rows, as a compaction does, or changed properties of the table.
    pub(crate) async fn same_rows(&self, from: u64, to: u64) -> Result<bool> {
        for version in from + 1..=to {
            let Some(actions) = self.actions(version).await? else { return Ok(false) };
            let merges = is_merge(&actions);
            for action in actions {
                let same = match action {
                    Action::Add(add) => !add.data_change,
                    Action::Remove(remove) => !remove.data_change,
                    Action::Metadata(after) => self.sets_properties(version, &after).await?,
                    Action::CommitInfo(_) => true,
                    action if is_position(&action) => true,
                    action => merges && updates::named_in(&action).is_some(),
                };
                if !same {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether all commits after `from`, up to `to`, only rearranged rows or added some, as ingests do that replace none or leave updates.
    pub(crate) async fn only_adds_rows(&self, from: u64, to: u64) -> Result<bool> {
        for version in from + 1..=to {
            let Some(mut actions) = self.actions(version).await? else { return Ok(false) };
            match self.actions_of_updates(&actions).await? {
                Some(of_updates) => actions.extend(of_updates),
                None => return Ok(false),
            }
            if !only_adds(&actions) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the metadata that a version brought differ from those before only in properties that do not change what is read.
    async fn sets_properties(&self, version: u64, after: &Metadata) -> Result<bool> {
        let Some(before) = self.state(version.checked_sub(1)).await? else { return Ok(false) };
        Ok(read_alike(before.metadata(), after))
    }
}

/// Whether actions only rearrange rows or add some.
pub(super) fn only_adds(actions: &[Action]) -> bool {
    let adds = |action: &Action| match action {
        Action::Remove(remove) => !remove.data_change,
        Action::Add(_) | Action::CommitInfo(_) | Action::Metadata(_) => true,
        action => updates::named_in(action).is_some() || is_position(action),
    };
    is_merge(actions) || actions.iter().all(adds)
}

/// Whether these are the actions of a commit of ours that changes no row.
pub(crate) fn is_merge(actions: &[Action]) -> bool {
    let merge = Operation::Compact.to_string();
    actions.iter().any(|action| match action {
        Action::CommitInfo(info) => info.info.get(OPERATION).is_some_and(|own| *own == *merge),
        _ => false,
    })
}
