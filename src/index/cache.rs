//! The indexes of files and of row groups, kept in memory for all tables and snapshots. Each is read once: whoever needs one that is being
//! read waits for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use object_store::{ObjectStore, path::Path};
use parking_lot::Mutex;
use parquet::schema::types::SchemaDescPtr;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::file_columns::FileColumns;
use super::file_index::FileIndex;
use super::group_pages::GroupPages;
use crate::error::{Error, Result};
use crate::schema::Table;
use crate::warehouse::DataFile;

/// About what the pages of a row group of our own files take in memory. The cache is told how many entries to expect.
const GROUP_BYTES: usize = 16 << 10;

/// Row groups whose page index is read in one request and decoded without a pause: some 250 KiB, which takes about a millisecond.
const GROUPS_AT_ONCE: usize = 8;

/// Indexes of files, as long as a snapshot needs them, and of row groups, as many as fit.
#[derive(Debug)]
pub struct IndexCache {
    files: Mutex<HashMap<Name, Weak<FileIndex>>>,
    columns: Mutex<Vec<Weak<FileColumns>>>,
    groups: Cache<(u64, usize), Arc<GroupPages>, GroupPagesWeighter>,
    hits: AtomicUsize,
    reads: AtomicUsize,
}

/// What identifies the contents of a file, including the values in its path.
type Name = (Path, DateTime<Utc>, u64, u64, Vec<(String, ScalarValue)>);

fn name(file: &DataFile) -> Name {
    let DataFile { path, modified, size_bytes, generation, partition_values, .. } = file;
    (path.clone(), *modified, *size_bytes, *generation, partition_values.clone())
}

/// How much the index holds, and how often it had what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexUse {
    /// Files that snapshots name.
    pub files: usize,
    /// The size of their indexes.
    pub file_bytes: usize,
    /// Row groups whose pages are held.
    pub groups: usize,
    /// The size of these.
    pub group_bytes: usize,
    /// Row groups asked for that were held, since the start.
    pub hits: usize,
    /// Row groups whose page index was read.
    pub reads: usize,
}

impl IndexCache {
    /// A cache with room for so many bytes of row groups' pages.
    pub fn new(group_bytes: usize) -> Self {
        let expected = (group_bytes / GROUP_BYTES).max(1);
        Self {
            files: Mutex::default(),
            columns: Mutex::default(),
            groups: Cache::with_weighter(expected, group_bytes as u64, GroupPagesWeighter),
            hits: AtomicUsize::default(),
            reads: AtomicUsize::default(),
        }
    }

    /// The index of a file. It is read unless a snapshot in use has it.
    pub async fn file(
        &self,
        store: &Arc<dyn ObjectStore>,
        table: Table,
        file: &DataFile,
    ) -> Result<Arc<FileIndex>> {
        let name = name(file);
        if let Some(held) = self.files.lock().get(&name).and_then(Weak::upgrade) {
            return Ok(held);
        }
        let columns = |descriptor| self.columns(descriptor);
        let read = Arc::new(FileIndex::load(store, table, file, columns).await?);
        let mut files = self.files.lock();
        files.retain(|_, file| file.strong_count() > 0);
        files.insert(name, Arc::downgrade(&read));
        Ok(read)
    }

    /// The columns that a footer describes. Files with the same columns share them.
    fn columns(&self, descriptor: SchemaDescPtr) -> Result<Arc<FileColumns>> {
        let mut columns = self.columns.lock();
        columns.retain(|held| held.strong_count() > 0);
        let mut held = columns.iter().filter_map(Weak::upgrade);
        if let Some(same) = held.find(|held| held.descriptor == descriptor) {
            return Ok(same);
        }
        let new = Arc::new(FileColumns::from_descriptor(descriptor)?);
        columns.push(Arc::downgrade(&new));
        Ok(new)
    }

    /// The pages of a row group. They are read unless they are cached; a caller that asks while they are being read waits for them.
    pub async fn pages(
        &self,
        store: &Arc<dyn ObjectStore>,
        file: &FileIndex,
        group: usize,
    ) -> Result<Arc<GroupPages>> {
        let name = (file.number, group);
        if let Some(held) = self.groups.get(&name) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(held);
        }
        let read = async {
            let read = self.read(store, file, &[group]).await?;
            read.into_iter().next().ok_or_else(|| Error::internal("no row group was read"))
        };
        self.groups.get_or_insert_async(&name, read).await
    }

    /// The pages of a row group if they are held.
    pub fn peek(&self, file: &FileIndex, group: usize) -> Option<Arc<GroupPages>> {
        self.groups.peek(&(file.number, group))
    }

    /// Reads the pages of all row groups of a file that are not held, many at once, as long as there is room.
    pub async fn fill(&self, store: &Arc<dyn ObjectStore>, file: &FileIndex) -> Result<()> {
        let all: Vec<_> = (0..file.groups.len()).collect();
        for groups in all.chunks(GROUPS_AT_ONCE) {
            let missing = |group: &usize| self.groups.peek(&(file.number, *group)).is_none();
            let groups: Vec<_> = groups.iter().copied().filter(missing).collect();
            let expected = groups.len() * GROUP_BYTES;
            if self.groups.weight() + expected as u64 > self.groups.capacity() {
                return Ok(());
            }
            for (group, pages) in groups.iter().zip(self.read(store, file, &groups).await?) {
                self.groups.insert((file.number, *group), pages);
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn read(
        &self,
        store: &Arc<dyn ObjectStore>,
        file: &FileIndex,
        groups: &[usize],
    ) -> Result<Vec<Arc<GroupPages>>> {
        self.reads.fetch_add(groups.len(), Ordering::Relaxed);
        let pages = GroupPages::load(store, file, groups).await?;
        Ok(pages.into_iter().map(Arc::new).collect())
    }

    /// How much is held now.
    pub fn usage(&self) -> IndexUse {
        let files: Vec<_> = self.files.lock().values().filter_map(Weak::upgrade).collect();
        IndexUse {
            files: files.len(),
            file_bytes: files.iter().map(|file| file.bytes()).sum(),
            groups: self.groups.len(),
            group_bytes: self.groups.weight() as usize,
            hits: self.hits.load(Ordering::Relaxed),
            reads: self.reads.load(Ordering::Relaxed),
        }
    }
}

#[derive(Clone, Debug)]
struct GroupPagesWeighter;

impl Weighter<(u64, usize), Arc<GroupPages>> for GroupPagesWeighter {
    fn weight(&self, _: &(u64, usize), pages: &Arc<GroupPages>) -> u64 {
        pages.bytes() as u64
    }
}
