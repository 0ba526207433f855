//! The index of one snapshot: which row groups, and which of their pages, may hold the rows that are wanted.

use std::ops::Range;
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::OnceCell;

use super::Wanted;
use super::cache::IndexCache;
use super::file_index::FileIndex;
use super::overlaps::overlapping;
use crate::error::{Error, Result};
use crate::key_pages::GroupPages;
use crate::warehouse::{DataFile, Snapshot, UpdatedKeys};

/// Files whose indexes are read at the same time.
const FILES_AT_ONCE: usize = 32;
/// So many files that carry an index have their row groups read before the snapshot is used; the others are read in the background.
const FILES_BEFORE_USE: usize = 256;
/// At most so many row groups have their pages read in order to tell how large a lookup is.
const GROUPS_TO_TELL: usize = 16;
/// Rows that are decoded at once. Larger row groups are read in several parts, each of whole pages.
pub const PART_ROWS: usize = 32 << 10;

/// The index of a snapshot, which shares the indexes of files and row groups with others.
#[derive(Debug)]
pub struct TableIndex {
    /// The snapshot, without its empty files. Files that the log does not describe are described by their footers, where these could be
    /// read.
    pub snapshot: Arc<Snapshot>,
    /// The indexes of files and row groups, of all snapshots.
    pub cache: Arc<IndexCache>,
    /// The indexes of the snapshot's files, in their order.
    files: Arc<[IndexedFile]>,
    /// The objects whose rows are replaced by updates.
    updated: OnceCell<Option<Arc<UpdatedKeys>>>,
}

/// A file of a snapshot.
#[derive(Debug, Default)]
struct IndexedFile {
    index: OnceCell<Arc<FileIndex>>,
    /// Whether another file has keys between its first and its last. Only then is it worth asking which keys it has.
    overlaps: bool,
}

/// A row group that may have matching rows.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    file: Arc<FileIndex>,
    group: usize,
    /// The rows that the file may have.
    wanted: Arc<Wanted>,
}

/// Rows of one row group that may match, at most as many as are read and decoded at once.
#[derive(Debug)]
pub struct RowGroupPart {
    /// The file of the row group.
    pub file: Arc<FileIndex>,
    /// The place of the row group in its file.
    pub group: usize,
    /// The pages of the row group.
    pub pages: Arc<GroupPages>,
    /// Rows of whole pages of the key's column or, once the keys were read, the rows with a wanted key; ascending.
    pub rows: Vec<Range<usize>>,
}

impl RowGroupPart {
    /// How many rows may be wanted.
    pub fn candidates(&self) -> usize {
        self.rows.iter().map(Range::len).sum()
    }
}

impl TableIndex {
    /// Opens the index of a snapshot. Of files that the log does not fully describe the footers are read now. A file that cannot be read
    /// now is tried again by each lookup that needs it.
    pub async fn open(snapshot: Snapshot, cache: Arc<IndexCache>) -> Self {
        let Snapshot { table, version, .. } = snapshot;
        let mut carrying = 0;
        let (later, now): (Vec<_>, Vec<_>) = snapshot.files.into_iter().partition(|file| {
            carrying += usize::from(file.tag.index.is_some());
            file.tag.index.is_some() && carrying > FILES_BEFORE_USE
        });
        let mut files: Vec<_> = later.into_iter().map(|file| (file, OnceCell::new())).collect();
        let reading = stream::iter(now).map(|file| {
            let (cache, store, of) = (cache.clone(), snapshot.store.clone(), file.clone());
            // Large footers take long to decode, so several threads decode them.
            let read = SpawnedTask::spawn(async move { cache.file(&store, table, &of).await });
            async move { (file, read.await) }
        });
        let mut reading = reading.buffered(FILES_AT_ONCE);
        while let Some((file, read)) = reading.next().await {
            match read.map_err(|error| Error::internal(error.to_string())).flatten() {
                // An empty file has nothing to read. It has no range of keys either, by which files are put in order.
                Ok(index) if index.file.is_empty() => {}
                Ok(index) => files.push((index.file.clone(), OnceCell::from(index))),
                Err(error) => {
                    tracing::warn!(table = table.name(), version, %error, "a file was not indexed");
                    files.push((file, OnceCell::new()));
                }
            }
        }
        drop(reading);
        files.sort_by(|(one, _), (other, _)| one.in_key_order(other));
        let (described, indexes): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let overlaps = overlapping(described.iter().map(|file| &file.keys));
        let files = indexes.into_iter().zip(overlaps);
        let files = files.map(|(index, overlaps)| IndexedFile { index, overlaps }).collect();
        let snapshot = Arc::new(Snapshot { files: described, ..snapshot });
        let opened = Self { snapshot, cache, files, updated: OnceCell::new() };
        if let Err(error) = opened.updated_keys().await {
            tracing::warn!(table = table.name(), version, %error, "the updates could not be read");
        }
        opened
    }

    /// The objects whose rows are replaced by updates, read once; `None` if there are no updates.
    pub async fn updated_keys(&self) -> Result<Option<&Arc<UpdatedKeys>>> {
        let read = self.updated.get_or_try_init(|| self.cache.updated_keys(&self.snapshot)).await?;
        Ok(read.as_ref())
    }

    /// What [`updated_keys`](Self::updated_keys) has read.
    pub fn known_updates(&self) -> Option<&Arc<UpdatedKeys>> {
        self.updated.get()?.as_ref()
    }

    /// The index of a file, by its place in the snapshot.
    pub async fn file(&self, file: usize) -> Result<Arc<FileIndex>> {
        let Snapshot { store, table, files, .. } = &*self.snapshot;
        let read =
            self.files[file].index.get_or_try_init(|| self.cache.file(store, *table, &files[file]));
        read.await.cloned()
    }

    /// The indexes of some files, by their places in the snapshot.
    pub async fn some_files(&self, files: Vec<usize>) -> Result<Vec<Arc<FileIndex>>> {
        stream::iter(files).map(|file| self.file(file)).buffered(FILES_AT_ONCE).try_collect().await
    }

    /// Whether the rows of the files, one file after the other, are in the table's order.
    pub fn in_order(&self) -> bool {
        let files = self.files.iter().zip(&self.snapshot.files);
        files.into_iter().all(|(index, file)| file.sorted && !index.overlaps)
    }

    /// The files that may have some of the rows, each with those that it may have.
    async fn files_with(&self, wanted: &Arc<Wanted>) -> Result<Vec<(Arc<FileIndex>, Arc<Wanted>)>> {
        let within = |file: &DataFile| wanted.any_within(*file.keys.start(), *file.keys.end());
        let files = self.snapshot.files.iter().enumerate().filter(|(_, file)| within(file));
        let places: Vec<_> = files.map(|(place, _)| place).collect();
        let indexes = self.some_files(places.clone()).await?;
        let files = places.into_iter().zip(indexes);
        Ok(files
            .filter_map(|(place, file)| {
                let wanted = self.wanted_of(place, &file, wanted)?;
                Some((file, wanted))
            })
            .collect())
    }

    /// What a file may have of the rows; `None` if nothing. A filter that is not in memory is read for the next lookup, not waited for.
    fn wanted_of(
        &self,
        place: usize,
        file: &Arc<FileIndex>,
        wanted: &Arc<Wanted>,
    ) -> Option<Arc<Wanted>> {
        if !self.files[place].overlaps || file.key_filter().is_none() {
            return Some(wanted.clone());
        }
        let Some(filter) = self.cache.key_filter(file) else {
            self.cache.begin_reading_key_filter(&self.snapshot.store, file);
            return Some(wanted.clone());
        };
        let DataFile { keys, .. } = &file.file;
        let some = wanted.among(keys, |key| filter.may_have(key));
        (!some.keys.is_empty()).then(|| Arc::new(some))
    }

    /// The row groups that may have matching rows, in the order of the files.
    pub(crate) async fn groups(&self, wanted: &Arc<Wanted>) -> Result<Vec<Selected>> {
        let mut selected = Vec::new();
        for (file, wanted) in self.files_with(wanted).await? {
            let groups = file.groups.iter().enumerate();
            let groups = groups.filter(|(_, group)| wanted.any_within(group.keys.0, group.keys.1));
            selected.extend(groups.map(|(group, _)| Selected {
                file: file.clone(),
                group,
                wanted: wanted.clone(),
            }));
        }
        Ok(selected)
    }

    /// The number of rows in the pages that may have matching rows. `None` if there are more than `most`, or if a file could not be read.
    /// All rows of a row group count if its pages are not in memory. If these row groups decide, and are few, their pages are read.
    pub async fn rows_of_pages(&self, wanted: &Arc<Wanted>, most: usize) -> Result<Option<usize>> {
        let (mut rows, mut rows_unheld, mut unheld) = (0, 0, Vec::new());
        let Ok(groups) = self.groups(wanted).await else { return Ok(None) };
        for selected in groups {
            let Selected { file, group, .. } = &selected;
            match self.cache.peek(file, *group) {
                Some(pages) => rows += selected.rows(&pages).iter().map(Range::len).sum::<usize>(),
                None => {
                    rows_unheld += file.groups[*group].rows;
                    unheld.push(selected);
                }
            }
            let undecided = rows + rows_unheld <= most || unheld.len() <= GROUPS_TO_TELL;
            if rows > most || !undecided {
                return Ok(None);
            }
        }
        if rows + rows_unheld > most {
            let groups = stream::iter(unheld).map(|group| self.parts(group, PART_ROWS));
            let read: Vec<_> = groups.buffer_unordered(GROUPS_TO_TELL).try_concat().await?;
            rows_unheld = read.iter().map(RowGroupPart::candidates).sum();
        }
        Ok(Some(rows + rows_unheld).filter(|rows| *rows <= most))
    }

    /// The pages of a row group that may have matching rows, in parts of about `most` rows.
    pub(crate) async fn parts(&self, selected: Selected, most: usize) -> Result<Vec<RowGroupPart>> {
        let Selected { file, group, .. } = &selected;
        let pages = self.cache.pages(&self.snapshot.store, file, *group).await?;
        let mut parts: Vec<RowGroupPart> = Vec::new();
        for page in selected.rows(&pages) {
            match parts.last_mut() {
                Some(part) if part.candidates() + page.len() <= most => {
                    part.rows.push(page);
                }
                _ => {
                    let (file, group, pages) = (file.clone(), *group, pages.clone());
                    parts.push(RowGroupPart { file, group, pages, rows: vec![page] });
                }
            }
        }
        Ok(parts)
    }

    /// The parts of all row groups that a lookup reads.
    pub async fn all_parts(&self, wanted: &Arc<Wanted>) -> Result<Vec<RowGroupPart>> {
        let groups = stream::iter(self.groups(wanted).await?);
        let parts = groups.map(|group| self.parts(group, PART_ROWS)).buffered(FILES_AT_ONCE);
        parts.try_concat().await
    }

    /// Reads the row groups of all files, the filters of those that overlap, and pages, as many as there is room for. It ends with the task
    /// that is returned.
    pub fn fill(&self) -> SpawnedTask<()> {
        let (snapshot, cache) = (self.snapshot.clone(), self.cache.clone());
        let files = self.files.clone();
        SpawnedTask::spawn(async move { fill(&snapshot, &cache, &files).await })
    }
}

impl Selected {
    /// The rows of whole pages that may match.
    fn rows(&self, pages: &GroupPages) -> Vec<Range<usize>> {
        let rows = self.file.groups[self.group].rows;
        let may_have = |first, last| self.wanted.any_within(first, last);
        pages.candidates(self.file.columns.key.column, rows, may_have)
    }
}

async fn fill(snapshot: &Arc<Snapshot>, cache: &Arc<IndexCache>, files: &Arc<[IndexedFile]>) {
    let every = stream::iter(0..files.len()).map(|place| {
        let (snapshot, cache, files) = (snapshot.clone(), cache.clone(), files.clone());
        async move {
            let (store, file) = (&snapshot.store, &files[place]);
            let read = || cache.file(store, snapshot.table, &snapshot.files[place]);
            let read = file.index.get_or_try_init(read).await?;
            if file.overlaps && cache.has_room_for_filter(read) {
                cache.read_key_filter(store, read).await?;
            }
            Ok::<_, Error>(read.clone())
        }
    });
    let read: Vec<_> = every.buffered(FILES_AT_ONCE).collect().await;
    for file in read {
        let filled = match file {
            Ok(file) => cache.fill(&snapshot.store, &file).await,
            Err(error) => Err(error),
        };
        if let Err(error) = filled {
            tracing::debug!(%error, "the index of a file was not read ahead; the first lookup that needs it reads it");
        }
    }
}
