//! The files that this process has begun and no commit has named yet. They are deleted at the end of a command, however it ends.
//!
//! What a commit has named, or may have, is not here any more.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, stream};
use object_store::path::Path;
use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::leftovers::Mark;
use super::storage::Upload;
use super::{DataFile, Warehouse};

const DISCARDED_AT_ONCE: usize = 16;

/// The uncommitted files of a process. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Uncommitted(Arc<Mutex<HashMap<Path, UncommittedFile>>>);

/// A file that was begun, in which run, and the mark of it.
#[derive(Debug)]
struct UncommittedFile {
    upload: Upload,
    run: Uuid,
    _mark: Option<Mark>,
}

/// Files taken out for a commit that may name them.
pub(super) struct Taken(Vec<(Path, UncommittedFile)>);

impl Uncommitted {
    /// Takes out those of the given files that are uncommitted here.
    pub(crate) fn take(&self, files: &[DataFile]) -> Taken {
        let mut all = self.lock();
        Taken(files.iter().filter_map(|file| all.remove_entry(&file.path)).collect())
    }

    fn take_one(&self, path: &Path) -> Taken {
        Taken(self.lock().remove_entry(path).into_iter().collect())
    }

    /// Puts files back: another writer's commit was first, so no version names them.
    pub(crate) fn put_back(&self, taken: Taken) {
        self.lock().extend(taken.0);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Path, UncommittedFile>> {
        self.0.lock()
    }
}

impl Warehouse {
    /// Begins a file.
    pub(super) fn upload(&self, path: Path) -> Upload {
        let upload = Upload::new(self.location.store.clone(), path.clone());
        let _mark = Mark::begin(&self.location, &path);
        let file = UncommittedFile { upload: upload.clone(), run: self.run, _mark };
        self.uncommitted.lock().insert(path, file);
        upload
    }

    /// Deletes those of the given files that were written here and not committed.
    pub async fn discard(&self, files: &[DataFile]) {
        discard(self.uncommitted.take(files)).await;
    }

    /// Deletes one object that was begun here.
    pub(super) async fn discard_object(&self, path: &Path) {
        discard(self.uncommitted.take_one(path)).await;
    }

    /// This warehouse for one piece of work of a command, a run of its own: what that leaves can be [discarded](Self::discard_run) alone.
    pub(crate) fn for_one_run(&self) -> Self {
        Self { run: Uuid::new_v4(), ..self.clone() }
    }

    /// Deletes the files that were begun in this run and not committed.
    pub(crate) async fn discard_run(&self) {
        let of_run = self.uncommitted.lock().extract_if(|_, file| file.run == self.run).collect();
        discard(Taken(of_run)).await;
    }

    /// Deletes all files that were begun here and not committed.
    pub async fn discard_uncommitted(&self) {
        let all = self.uncommitted.lock().drain().collect();
        discard(Taken(all)).await;
    }
}

/// Deletes files. What cannot be deleted now is left to the next command, or to vacuum.
async fn discard(files: Taken) {
    let discarded = stream::iter(files.0).map(|(path, begun)| async move {
        if let Err(error) = begun.upload.clone().discard().await {
            tracing::warn!(%path, %error, "an uncommitted file could not be deleted");
        }
    });
    discarded.buffer_unordered(DISCARDED_AT_ONCE).collect::<()>().await;
}
