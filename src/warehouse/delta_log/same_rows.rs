//! Whether two versions of a table have the same rows, by what the commits between them did.

use deltalake_core::kernel::{Action, Metadata};

use super::Log;
use super::metadata::read_alike;
use crate::error::Result;

impl Log {
    /// Whether all commits after `from`, up to `to`, only rearranged rows, as a compaction does, or changed properties of the table.
    pub(crate) async fn same_rows(&self, from: u64, to: u64) -> Result<bool> {
        for version in from + 1..=to {
            let Some(actions) = self.actions(version).await? else { return Ok(false) };
            for action in actions {
                let same = match action {
                    Action::Add(add) => !add.data_change,
                    Action::Remove(remove) => !remove.data_change,
                    Action::Metadata(after) => self.sets_properties(version, &after).await?,
                    Action::CommitInfo(_) => true,
                    _ => false,
                };
                if !same {
                    return Ok(false);
                }
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
