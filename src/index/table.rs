//! The index of one snapshot. In: a snapshot, and what is wanted of it. Out: the row groups, then the pages, that may hold it.

use std::ops::Range;
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use tokio::sync::OnceCell;

use super::Wanted;
use super::cache::IndexCache;
use super::file::FileIndex;
use super::pages::GroupPages;
use crate::error::{Error, Result};
use crate::warehouse::Snapshot;

/// Files whose footers are read at once.
const FILES_AT_ONCE: usize = 16;
/// Row groups whose pages are read to tell how much a lookup is.
const GROUPS_TO_TELL: usize = 16;
/// Rows decoded at once: where row groups are larger, they are taken in parts of whole pages.
pub const PART_ROWS: usize = 32 << 10;

#[derive(Debug)]
pub struct TableIndex {
    /// Its files that have rows, as their footers have them, of those that could be read.
    pub snapshot: Arc<Snapshot>,
    pub cache: Arc<IndexCache>,
    /// Of the snapshot's files, in their order.
    files: Vec<OnceCell<Arc<FileIndex>>>,
    /// Reads the pages of row groups before they are needed; ends with the last user of the table.
    _filling: SpawnedTask<()>,
}

/// A row group that may hold what is wanted.
pub type Selected = (Arc<FileIndex>, usize);

/// Rows of one row group that may be wanted, as many as are read and decoded at once.
#[derive(Debug)]
pub struct RowGroupPart {
    pub file: Arc<FileIndex>,
    pub group: usize,
    pub pages: Arc<GroupPages>,
    /// Whole pages of the key's column, or the rows that have a key which is wanted; ascending.
    pub rows: Vec<Range<usize>>,
}

impl RowGroupPart {
    /// How many rows may be wanted.
    pub fn candidates(&self) -> usize {
        self.rows.iter().map(Range::len).sum()
    }
}

impl TableIndex {
    /// The index of every file, read now, so that lookups need not. What cannot be read is left to the lookup that needs it.
    pub async fn open(snapshot: Snapshot, cache: Arc<IndexCache>) -> Self {
        let Snapshot { table, version, .. } = snapshot;
        let every = stream::iter(snapshot.files).map(|file| {
            let (cache, store) = (cache.clone(), snapshot.store.clone());
            async move {
                let of = file.clone();
                // Footers are large: they are decoded side by side.
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
                tracing::warn!(table, version, %error, "a file is not in the index");
            }
            match read {
                // It has nothing to read, and ranges it has not would stand in the way of the order of the others.
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

    /// The row groups that may hold what is wanted, in the order of the files.
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

    /// How many rows there are in the pages that may hold what is wanted; `None` if they are more than `most`, or nothing is known
    /// of them. Of a row group whose pages are not in memory all rows count, unless it is one of the few that decide: these are read.
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

    /// The pages of a row group that may hold what is wanted, in parts of about `most` rows.
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

    /// All of them, for who wants to know what a lookup reads.
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
            tracing::debug!(%error, "pages are left to the lookup that needs them");
        }
    }
}
