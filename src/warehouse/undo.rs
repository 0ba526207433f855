//! Undoes one commit of a table, whatever came after it: the files that it added go, and those that it removed come back.

use std::collections::HashMap;

use deltalake_core::kernel::Action;

use super::delta_log::Log;
use super::{ATTEMPTS, Change, DataFile, Operation, Warehouse};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// What undoing a commit did, or would do.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Undone {
    /// The table.
    pub table: &'static str,
    /// The version that was undone.
    pub version: u64,
    /// The version that did so; `None` if nothing was to be changed.
    pub committed: Option<u64>,
    /// Files that it had removed, and that are there again.
    pub files_added: usize,
    /// Files that it had added.
    pub files_removed: usize,
}

impl Warehouse {
    /// Undoes the commit of a version. `Argument` where that is not possible: the table has no such commit, a file that it added is not in
    /// the table any more, or one that it removed is not in the store.
    pub async fn undo(&self, table: Table, version: u64, dry_run: bool) -> Result<Undone> {
        let mut attempt = 1;
        loop {
            match self.undo_once(table, version, dry_run).await {
                Err(error) if error.kind() == Kind::Conflict && attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    async fn undo_once(&self, table: Table, version: u64, dry_run: bool) -> Result<Undone> {
        let log = Log::new(&self.location, table)?;
        let base = log.read(None).await?.ok_or_else(|| self.no_table(table))?;
        let name = table.name();
        let refused = |why: &str| {
            Error::argument(format!(
                "{name}: version {version} cannot be undone: {why}; nothing was changed"
            ))
        };
        let actions = log.actions(version).await?;
        let actions = actions.ok_or_else(|| refused("its commit is not in the log"))?;
        let mut there: HashMap<_, _> =
            base.files.iter().map(|file| (file.path.clone(), file.clone())).collect();
        let (mut remove, mut back) = (Vec::new(), Vec::new());
        for action in &actions {
            match action {
                Action::Add(add) => {
                    let file = there.remove(&log.full_path(&add.path));
                    let changed = "a later version has changed its rows or merged its files; restore the table to an earlier version \
                                   (table restore)";
                    remove.push(file.ok_or_else(|| refused(changed))?);
                }
                Action::Remove(remove) => back.push(log.full_path(&remove.path)),
                _ => {}
            }
        }
        if remove.is_empty() && back.is_empty() {
            return Err(refused("it changed no rows"));
        }
        let add = self.files_of(&log, version, &back).await?;
        let add = add.ok_or_else(|| refused("the version before it is gone, or files of it"))?;
        let mut undone = Undone {
            table: name,
            version,
            committed: None,
            files_added: add.len(),
            files_removed: remove.len(),
        };
        if !dry_run {
            self.check_writable(table).await?;
            let operation = Operation::Undo { version };
            let change = Change { operation, schema: base.schema.clone(), add, remove };
            undone.committed = Some(self.commit(table, Some(&base), change).await?);
        }
        Ok(undone)
    }

    /// Files of the version before a commit, if that version can be read and has them all.
    async fn files_of(
        &self,
        log: &Log,
        version: u64,
        paths: &[object_store::path::Path],
    ) -> Result<Option<Vec<DataFile>>> {
        if paths.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let Some(before) = version.checked_sub(1) else { return Ok(None) };
        let Some(mut before) = log.read(Some(before)).await? else { return Ok(None) };
        before.files.retain(|file| paths.contains(&file.path));
        let whole = before.files.len() == paths.len() && log.has_files_of(&before).await?;
        Ok(whole.then_some(before.files))
    }
}
