//! The index of one snapshot: which row groups, and which of their pages, may hold the rows that are wanted.

use std::ops::Range;
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use tokio::sync::OnceCell;

use super::Wanted;
use super::cache::IndexCache;
use super::file_index::FileIndex;
use super::group_pages::GroupPages;
use crate::error::{Error, Result};
use crate::warehouse::Snapshot;

/// Files whose footers are read at the same time.
const FILES_AT_ONCE: usize = 16;
/// At most so many row groups have their pages read in order to tell how large a lookup is.
const GROUPS_TO_TELL: usize = 16;
/// Rows that are decoded at once. Larger row groups are read in several parts, each of whole pages.
pub const PART_ROWS: usize = 32 << 10;

/// The index of a snapshot, which shares the indexes of files and row groups with others.
#[derive(Debug)]
pub struct TableIndex {
    /// The snapshot, without its empty files. Files whose footers could be read are described by these.
    pub snapshot: Arc<Snapshot>,
    /// The indexes of files and row groups, of all snapshots.
    pub cache: Arc<IndexCache>,
    /// The indexes of the snapshot's files, in their order.
    files: Vec<OnceCell<Arc<FileIndex>>>,
    /// The task that reads the pages of row groups before they are needed. It ends with the last user of the table.
    _filling: SpawnedTask<()>,
}

/// A row group that may have matching rows.
pub(crate) type Selected = (Arc<FileIndex>, usize);

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
    /// Opens the index of a snapshot. The indexes of all files are read now, so that lookups need not wait for them. A file that cannot be
    /// read now is tried again by each lookup that needs it.
    pub async fn open(snapshot: Snapshot, cache: Arc<IndexCache>) -> Self {
        let Snapshot { table, version, .. } = snapshot;
        let every = stream::iter(snapshot.files).map(|file| {
            let (cache, store) = (cache.clone(), snapshot.store.clone());
            async move {
                let of = file.clone();
                // Large footers take long to decode, so several threads decode them.
                let read = SpawnedTask::spawn(async move { cache.file(&store, table, &of).await });
                let read = read.await.map_err(|error| Error::internal(error.to_string()));
                (file, read.flatten())
            }
        });
        let mut every = every.buffered(FILES_AT_ONCE);
        let mut files = Vec::new();
        while let Some((file, read)) = every.next().await {
            if let Err(error) = &read {
                let table = table.name();
                tracing::warn!(table, version, %error, "a file could not be added to the index");
            }
            match read {
                // An empty file has nothing to read. It has no range of keys either, by which files are put in order.
                Ok(index) if index.file.is_empty() => {}
                Ok(index) => {
                    let described = index.file.clone();
                    files.push((described, OnceCell::from(index)));
                }
                Err(_) => files.push((file, OnceCell::new())),
            }
        }
        drop(every);
        files.sort_by_key(|(file, _)| (*file.keys.start(), file.path.clone()));
        let known: Vec<_> = files.iter().filter_map(|(_, index)| index.get()).cloned().collect();
        let filling = SpawnedTask::spawn(fill(snapshot.store.clone(), cache.clone(), known));
        let (described, files) = files.into_iter().unzip();
        let snapshot = Arc::new(Snapshot { files: described, ..snapshot });
        Self { snapshot, cache, files, _filling: filling }
    }

    /// The index of a file, by its place in the snapshot.
    pub async fn file(&self, file: usize) -> Result<Arc<FileIndex>> {
        let Snapshot { store, table, files, .. } = &*self.snapshot;
        let read =
            self.files[file].get_or_try_init(|| self.cache.file(store, *table, &files[file]));
        read.await.cloned()
    }

    /// Whether the rows of the files, one file after the other, are in the table's order.
    pub fn in_order(&self) -> bool {
        let files = &self.snapshot.files;
        let apart = files.windows(2).all(|pair| pair[0].keys.end() < pair[1].keys.start());
        apart && files.iter().all(|file| file.sorted)
    }

    /// The row groups that may have matching rows, in the order of the files.
    pub async fn groups(&self, wanted: &Wanted) -> Result<Vec<Selected>> {
        let mut selected = Vec::new();
        for (i, file) in self.snapshot.files.iter().enumerate() {
            if wanted.any_within(*file.keys.start(), *file.keys.end()) {
                let file = self.file(i).await?;
                let groups = file.groups.iter().enumerate();
                let groups =
                    groups.filter(|(_, group)| wanted.any_within(group.keys.0, group.keys.1));
                selected.extend(groups.map(|(group, _)| (file.clone(), group)));
            }
        }
        Ok(selected)
    }

    /// The number of rows in the pages that may have matching rows. `None` if there are more than `most`, or if a file could not be read.
    /// All rows of a row group count if its pages are not in memory. If these row groups decide, and are few, their pages are read.
    pub async fn rows_of_pages(&self, wanted: &Wanted, most: usize) -> Result<Option<usize>> {
        let (mut rows, mut rows_unheld, mut unheld) = (0, 0, Vec::new());
        for (described, file) in self.snapshot.files.iter().zip(&self.files) {
            if !wanted.any_within(*described.keys.start(), *described.keys.end()) {
                continue;
            }
            let Some(file) = file.get() else { return Ok(None) };
            for (i, group) in file.groups.iter().enumerate() {
                if !wanted.any_within(group.keys.0, group.keys.1) {
                    continue;
                }
                match self.cache.peek(file, i) {
                    Some(pages) => {
                        let pages = pages.candidates(file.columns.key.column, group.rows, wanted);
                        rows += pages.iter().map(Range::len).sum::<usize>();
                    }
                    None => {
                        rows_unheld += group.rows;
                        unheld.push((file.clone(), i));
                    }
                }
                let undecided = rows + rows_unheld <= most || unheld.len() <= GROUPS_TO_TELL;
                if rows > most || !undecided {
                    return Ok(None);
                }
            }
        }
        if rows + rows_unheld > most {
            let groups = stream::iter(unheld);
            let read = groups.map(|group| self.parts(group, wanted, PART_ROWS));
            let read: Vec<_> = read.buffer_unordered(GROUPS_TO_TELL).try_concat().await?;
            rows_unheld = read.iter().map(RowGroupPart::candidates).sum();
        }
        Ok(Some(rows + rows_unheld).filter(|rows| *rows <= most))
    }

    /// The pages of a row group that may have matching rows, in parts of about `most` rows.
    pub async fn parts(
        &self,
        selected: Selected,
        wanted: &Wanted,
        most: usize,
    ) -> Result<Vec<RowGroupPart>> {
        let (file, group) = selected;
        let pages = self.cache.pages(&self.snapshot.store, &file, group).await?;
        let rows = pages.candidates(file.columns.key.column, file.groups[group].rows, wanted);
        let mut parts: Vec<RowGroupPart> = Vec::new();
        for page in rows {
            match parts.last_mut() {
                Some(part) if part.candidates() + page.len() <= most => {
                    part.rows.push(page);
                }
                _ => {
                    let (file, pages) = (file.clone(), pages.clone());
                    parts.push(RowGroupPart { file, group, pages, rows: vec![page] });
                }
            }
        }
        Ok(parts)
    }

    /// The parts of all row groups that a lookup reads.
    pub async fn all_parts(&self, wanted: &Wanted) -> Result<Vec<RowGroupPart>> {
        let groups = stream::iter(self.groups(wanted).await?);
        let parts =
            groups.map(|group| self.parts(group, wanted, PART_ROWS)).buffered(FILES_AT_ONCE);
        parts.try_concat().await
    }
}

/// Reads ahead the pages of all row groups.
async fn fill(store: Arc<dyn ObjectStore>, cache: Arc<IndexCache>, files: Vec<Arc<FileIndex>>) {
    for file in files {
        if let Err(error) = cache.fill(&store, &file).await {
            tracing::debug!(%error, "pages were not read ahead; the first lookup that needs them reads them");
        }
    }
}
