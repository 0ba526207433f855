//! Deletes what killed processes left in a table's folder on a local disk: temporary files, and files that they wrote and did not commit.
//!
//! A temporary file has the process that began it in its [name](crate::process). Beside a data file stands an empty [`Mark`] of such a name
//! until a commit has named it. So only files of processes that have ended are touched, and no file that any version names. In a bucket,
//! and for processes of other machines, nothing is known: there vacuum deletes what is older than a day.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;

use super::delta_log::{DELTA_LOG, Log};
use super::storage::temporary_name;
use super::vacuum::unused_files;
use super::{Location, Warehouse};
use crate::error::Result;
use crate::process::has_ended;
use crate::schema::Table;

/// In the place of a unique part, the mark of a file that is not committed.
const UNCOMMITTED: &str = "uncommitted";

/// Stands beside a file as long as it is not committed.
#[derive(Debug)]
pub(super) struct Mark(PathBuf);

impl Mark {
    /// Marks a file that is begun; `None` where the store is no local disk, or its folder is not there yet.
    pub(super) fn begin(location: &Location, path: &object_store::path::Path) -> Option<Self> {
        if location.url.scheme() != "file" {
            return None;
        }
        let file = Path::new("/").join(path.as_ref());
        let mark = file.with_file_name(temporary_name(path.filename()?, UNCOMMITTED));
        fs::File::create_new(&mark).ok().map(|_| Self(mark))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // What stays is deleted by the next writer, or by vacuum.
        let _ = fs::remove_file(&self.0);
    }
}

impl Warehouse {
    /// Deletes what killed processes left of a table.
    pub(super) async fn remove_leftovers(&self, table: Table) -> Result<()> {
        let log = Log::new(&self.location, table)?;
        for location in [Some(&log.location), log.updates.as_ref().map(|log| &log.location)] {
            let Some(Ok(folder)) = location.map(|at| at.url.to_file_path()) else { continue };
            for path in left_in(&folder).chain(left_in(&folder.join(DELTA_LOG))) {
                if let (Some(marked), Some(at)) = (marked(&path), location) {
                    self.remove_uncommitted(&log, at.prefix.clone().join(marked)).await?;
                }
                remove(&path);
            }
        }
        Ok(())
    }

    /// Deletes a data file if no version has named it. Its writer has ended, so none will.
    async fn remove_uncommitted(&self, log: &Log, path: object_store::path::Path) -> Result<()> {
        use object_store::ObjectStoreExt;
        let Ok(object) = log.location.store.head(&path).await else { return Ok(()) };
        let object = ObjectMeta { location: path, ..object };
        let unused = match log.state(None).await? {
            Some(state) => {
                let (never, any) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
                unused_files(log, state, vec![object], never, any).await?
            }
            None => vec![object],
        };
        for ObjectMeta { location, .. } in unused {
            remove(&Path::new("/").join(location.as_ref()));
        }
        Ok(())
    }
}

/// The temporary files in a folder whose processes have ended.
fn left_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let process = name.and_then(|name| {
            let mut parts = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplitn(3, '.');
            parts.nth(1)
        });
        process.is_some_and(|process| has_ended(process, path))
    })
}

/// The data file that a mark is of.
fn marked(mark: &Path) -> Option<String> {
    let mut parts =
        mark.file_name()?.to_str()?.strip_prefix('.')?.strip_suffix(".tmp")?.rsplitn(3, '.');
    (parts.next()? == UNCOMMITTED).then_some(())?;
    parts.nth(1).map(str::to_string)
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => tracing::info!(path = %path.display(), "deleted what a killed process left"),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "what a killed process left could not be deleted");
        }
    }
}
