//! What the index keeps of a file as long as a snapshot names it: the key range of each row group, and where the rest of the index is. It
//! is the directory of the [index that the file carries](crate::key_pages), some 40 bytes a row group. Of a file without one, or with a
//! damaged one, it is made of the footer, and then has the places of all column chunks, too: some 50 bytes each.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::OnceCell;

use super::file_columns::{FileColumns, SharedColumns};
use super::footer_index::FooterIndex;
use crate::error::{Error, Kind, Result};
use crate::key_pages::{Directory, RowGroup};
use crate::schema::Table;
use crate::warehouse::{DataFile, footer};

/// A file of a table, without its rows.
#[derive(Debug)]
pub struct FileIndex {
    /// Identifies the file in the caches of this process.
    pub number: u64,
    /// The file as the log or its footer describes it.
    pub file: DataFile,
    /// What the file says of its columns.
    pub columns: Arc<FileColumns>,
    /// The row groups, in the order of the file.
    pub groups: Box<[RowGroup]>,
    /// Where the filter of its keys is, if the file carries an index.
    key_filter: Option<Range<u64>>,
    /// Whether a part of the index that the file carries could not be decoded: then it is used no more.
    damaged: AtomicBool,
    /// What the footer says. It is read if the file carries no index, or a damaged one.
    footer: OnceCell<FooterIndex>,
}

impl FileIndex {
    /// Reads the index that a file carries, or else its footer.
    pub(super) async fn load(
        store: &Arc<dyn ObjectStore>,
        table: Table,
        file: &DataFile,
        known: &SharedColumns,
    ) -> Result<Self> {
        if let Some(place) = file.tag.index {
            let carried = match place.range(file.size_bytes) {
                Ok(range) => {
                    let directory = store.get_range(&file.path, range).await?;
                    Self::carried(table, file, &directory, known)
                }
                Err(error) => Err(error),
            };
            match carried {
                Ok(index) => return Ok(index),
                Err(error) => tell_damage(file, &error),
            }
        }
        let footer = footer(store.clone(), &file.path, file.size_bytes).await?;
        let columns =
            known.described(table, footer.metadata().file_metadata().schema_descr_ptr())?;
        let read = FooterIndex::new(footer.metadata(), columns.key.column);
        Ok(Self {
            number: next_number(),
            file: file.described(table, footer.metadata()),
            columns,
            groups: read.groups(),
            key_filter: None,
            damaged: AtomicBool::new(false),
            footer: OnceCell::from(read),
        })
    }

    fn carried(
        table: Table,
        file: &DataFile,
        directory: &[u8],
        known: &SharedColumns,
    ) -> Result<Self> {
        let directory = Directory::decode(directory, file.size_bytes)?;
        Ok(Self {
            number: next_number(),
            file: file.clone(),
            columns: known.printed(table, &directory.columns)?,
            groups: directory.groups.into(),
            key_filter: Some(directory.key_filter),
            damaged: AtomicBool::new(false),
            footer: OnceCell::new(),
        })
    }

    /// Where the filter of its keys is; `None` if the file carries no index, or a damaged one.
    pub(super) fn key_filter(&self) -> Option<Range<u64>> {
        self.key_filter.clone().filter(|_| !self.damaged.load(Ordering::Relaxed))
    }

    /// Whether the pages of its row groups are in the index that the file carries.
    pub(super) fn is_carried(&self) -> bool {
        self.key_filter().is_some()
    }

    /// Uses the index that the file carries no more: a part of it cannot be decoded.
    pub(super) fn give_up_carried(&self, error: &Error) {
        if !self.damaged.swap(true, Ordering::Relaxed) {
            tell_damage(&self.file, error);
        }
    }

    /// What the footer says, which is read once.
    pub(super) async fn footer(&self, store: &Arc<dyn ObjectStore>) -> Result<&FooterIndex> {
        let read = async || {
            let footer = footer(store.clone(), &self.file.path, self.file.size_bytes).await?;
            let described = footer.metadata().file_metadata().schema_descr();
            let read = FooterIndex::new(footer.metadata(), self.columns.key.column);
            let rows =
                |groups: &[RowGroup]| groups.iter().map(|group| group.rows).collect::<Vec<_>>();
            match *described == *self.columns.descriptor
                && rows(&read.groups()) == rows(&self.groups)
            {
                true => Ok(read),
                false => {
                    Err(self
                        .failed(Error::new(Kind::Storage, "its key index is that of another file")))
                }
            }
        };
        self.footer.get_or_try_init(read).await
    }

    /// Its size in memory, without the columns that it shares with other files.
    pub fn bytes(&self) -> usize {
        let footer = self.footer.get().map_or(0, FooterIndex::bytes);
        size_of::<Self>() + size_of_val(&*self.groups) + footer
    }

    /// An error while the file was read, with its path: `Input` if its values are wrong, else `Storage`.
    pub fn failed(&self, error: impl Into<Error>) -> Error {
        let error = error.into().context(format!("/{}", self.file.path));
        match error.kind() {
            Kind::Input => error,
            _ => error.with_kind(Kind::Storage),
        }
    }
}

/// Logs that the index in a file could not be used: all that it says is read from the footer instead.
fn tell_damage(file: &DataFile, error: &Error) {
    tracing::warn!(path = %file.path, %error, "the key index in a file cannot be read; its footer is read instead");
}

fn next_number() -> u64 {
    static FILES: AtomicU64 = AtomicU64::new(0);
    FILES.fetch_add(1, Ordering::Relaxed)
}
