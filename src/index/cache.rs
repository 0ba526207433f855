//! The indexes of files and of row groups, kept in memory for all tables and snapshots. The pages of a row group are read once: whoever
//! needs those that are being read waits for them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use object_store::{ObjectStore, path::Path};
use parking_lot::Mutex;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::file_columns::SharedColumns;
use super::file_index::FileIndex;
use super::pages;
use crate::error::{Error, Result};
use crate::key_pages::{GroupPages, KeyFilter};
use crate::schema::Table;
use crate::warehouse::{DataFile, Snapshot, UpdatedKeys};

/// About what the pages of a row group of our own files take in memory. The cache is told how many entries to expect.
const GROUP_BYTES: usize = 19 << 10;

/// Row groups whose pages are read in one request and decoded without a pause: some 250 KiB, which takes about a millisecond.
const GROUPS_AT_ONCE: usize = 8;

/// Filters that are read for later lookups at the same time.
const FILTERS_AT_ONCE: usize = 16;

/// The parts of the cache, each with its lock. An entry has to fit into one of them; the filter of a full file of objects has 2 MB.
const SHARDS: usize = 8;

/// Indexes of files, as long as a snapshot needs them, and pages and filters, as many as fit.
#[derive(Debug)]
pub struct IndexCache {
    files: Mutex<HashMap<Name, Weak<FileIndex>>>,
    columns: SharedColumns,
    parts: Cache<(u64, PartName), IndexPart, PartWeighter>,
    /// The files whose filters are being read.
    reading: Mutex<HashSet<u64>>,
    /// The objects with updates of the newest snapshot, and the version of the updates.
    updated: Mutex<(Option<u64>, Option<Arc<UpdatedKeys>>)>,
    hits: AtomicUsize,
    reads: AtomicUsize,
}

/// What identifies the contents of a file, including the values in its path.
type Name = (Path, DateTime<Utc>, u64, u64, Vec<(String, ScalarValue)>);

fn name(file: &DataFile) -> Name {
    let DataFile { path, modified, size_bytes, generation, partition_values, .. } = file;
    (path.clone(), *modified, *size_bytes, *generation, partition_values.clone())
}

/// A part of the index of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PartName {
    Pages(usize),
    KeyFilter,
}

#[derive(Clone, Debug)]
enum IndexPart {
    Pages(Arc<GroupPages>),
    KeyFilter(Arc<KeyFilter>),
}

/// How much the index holds, and how often it had what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexUse {
    /// Files that snapshots name and whose row groups are known.
    pub files: usize,
    /// The size of their indexes.
    pub file_bytes: usize,
    /// Row groups whose pages are held, and files whose filter is.
    pub groups: usize,
    /// The size of these.
    pub group_bytes: usize,
    /// Row groups asked for that were held, since the start.
    pub hits: usize,
    /// Row groups whose pages were read.
    pub reads: usize,
}

impl IndexCache {
    /// A cache with room for so many bytes of pages and filters.
    pub fn new(bytes: usize) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity((bytes / GROUP_BYTES).max(1))
            .weight_capacity(bytes as u64)
            .shards(SHARDS)
            .build();
        let parts = match options {
            Ok(options) => {
                let (hasher, lifecycle) = (Default::default(), DefaultLifecycle::default());
                Cache::with_options(options, PartWeighter, hasher, lifecycle)
            }
            // Both capacities are given, so there are options.
            Err(_) => Cache::with_weighter(1, bytes as u64, PartWeighter),
        };
        Self {
            files: Mutex::default(),
            columns: SharedColumns::default(),
            parts,
            reading: Mutex::default(),
            updated: Mutex::default(),
            hits: AtomicUsize::default(),
            reads: AtomicUsize::default(),
        }
    }

    /// The objects of a snapshot that have updates. Those of the snapshot before are not read again.
    pub(super) async fn updated_keys(
        &self,
        snapshot: &Snapshot,
    ) -> Result<Option<Arc<UpdatedKeys>>> {
        let (version, earlier) = self.updated.lock().clone();
        let read = UpdatedKeys::read(snapshot, earlier.as_ref()).await?;
        // Not those of an older snapshot that somebody asks for.
        if snapshot.updates >= version {
            *self.updated.lock() = (snapshot.updates, read.clone());
        }
        Ok(read)
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
        let read = Arc::new(FileIndex::load(store, table, file, &self.columns).await?);
        let mut files = self.files.lock();
        // Looking for those that nobody needs takes as long as there are files, so it waits until there are twice as many.
        if files.len() == files.capacity() {
            files.retain(|_, file| file.strong_count() > 0);
            let needed = files.len();
            files.reserve(needed.max(1));
        }
        files.insert(name, Arc::downgrade(&read));
        Ok(read)
    }

    /// The pages of a row group. They are read unless they are held; a caller that asks while they are being read waits for them.
    pub async fn pages(
        &self,
        store: &Arc<dyn ObjectStore>,
        file: &FileIndex,
        group: usize,
    ) -> Result<Arc<GroupPages>> {
        let name = (file.number, PartName::Pages(group));
        if let Some(IndexPart::Pages(held)) = self.parts.get(&name) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(held);
        }
        let read = async {
            let mut read = self.read(store, file, &[group]).await?;
            read.pop().map(IndexPart::Pages).ok_or_else(|| Error::internal("no row group was read"))
        };
        match self.parts.get_or_insert_async(&name, read).await? {
            IndexPart::Pages(pages) => Ok(pages),
            IndexPart::KeyFilter(_) => Err(Error::internal("a filter in place of pages")),
        }
    }

    /// The pages of a row group if they are held.
    pub fn peek(&self, file: &FileIndex, group: usize) -> Option<Arc<GroupPages>> {
        match self.parts.peek(&(file.number, PartName::Pages(group)))? {
            IndexPart::Pages(pages) => Some(pages),
            IndexPart::KeyFilter(_) => None,
        }
    }

    /// The filter of the keys of a file if it is held.
    pub fn key_filter(&self, file: &FileIndex) -> Option<Arc<KeyFilter>> {
        match self.parts.get(&(file.number, PartName::KeyFilter))? {
            IndexPart::KeyFilter(filter) => Some(filter),
            IndexPart::Pages(_) => None,
        }
    }

    /// Whether the filter of a file can be held beside what is held already.
    pub fn has_room_for_filter(&self, file: &FileIndex) -> bool {
        let bytes = file.key_filter().map_or(0, |place| place.end - place.start);
        self.parts.weight() + bytes <= self.parts.capacity()
    }

    /// Reads the filter of a file that carries one, unless it is held.
    pub async fn read_key_filter(
        &self,
        store: &Arc<dyn ObjectStore>,
        file: &FileIndex,
    ) -> Result<()> {
        if self.key_filter(file).is_some() {
            return Ok(());
        }
        if let Some(filter) = pages::key_filter(store, file).await? {
            let part = IndexPart::KeyFilter(Arc::new(filter));
            self.parts.insert((file.number, PartName::KeyFilter), part);
        }
        Ok(())
    }

    /// Begins to read the filter of a file, unless somebody does.
    pub fn begin_reading_key_filter(
        self: &Arc<Self>,
        store: &Arc<dyn ObjectStore>,
        file: &Arc<FileIndex>,
    ) {
        let mut reading = self.reading.lock();
        if reading.len() >= FILTERS_AT_ONCE
            || !self.has_room_for_filter(file)
            || !reading.insert(file.number)
        {
            return;
        }
        drop(reading);
        let (cache, store, file) = (self.clone(), store.clone(), file.clone());
        tokio::spawn(async move {
            if let Err(error) = cache.read_key_filter(&store, &file).await {
                tracing::debug!(%error, "a filter of keys was not read");
            }
            cache.reading.lock().remove(&file.number);
        });
    }

    /// Reads the pages of all row groups of a file that are not held, many at once, as long as there is room.
    pub async fn fill(&self, store: &Arc<dyn ObjectStore>, file: &FileIndex) -> Result<()> {
        let all: Vec<_> = (0..file.groups.len()).collect();
        for groups in all.chunks(GROUPS_AT_ONCE) {
            let missing = |group: &usize| self.peek(file, *group).is_none();
            let groups: Vec<_> = groups.iter().copied().filter(missing).collect();
            let expected = groups.len() * GROUP_BYTES;
            if self.parts.weight() + expected as u64 > self.parts.capacity() {
                return Ok(());
            }
            for (group, pages) in groups.iter().zip(self.read(store, file, &groups).await?) {
                let name = (file.number, PartName::Pages(*group));
                self.parts.insert(name, IndexPart::Pages(pages));
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
        let pages = pages::pages(store, file, groups).await?;
        Ok(pages.into_iter().map(Arc::new).collect())
    }

    /// How much is held now.
    pub fn usage(&self) -> IndexUse {
        let files: Vec<_> = self.files.lock().values().filter_map(Weak::upgrade).collect();
        IndexUse {
            files: files.len(),
            file_bytes: files.iter().map(|file| file.bytes()).sum(),
            groups: self.parts.len(),
            group_bytes: self.parts.weight() as usize,
            hits: self.hits.load(Ordering::Relaxed),
            reads: self.reads.load(Ordering::Relaxed),
        }
    }
}

#[derive(Clone, Debug)]
struct PartWeighter;

impl Weighter<(u64, PartName), IndexPart> for PartWeighter {
    fn weight(&self, _: &(u64, PartName), part: &IndexPart) -> u64 {
        let bytes = match part {
            IndexPart::Pages(pages) => pages.bytes(),
            IndexPart::KeyFilter(filter) => filter.bytes(),
        };
        bytes as u64
    }
}
