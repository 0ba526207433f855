//! One version of one table, as its readers hold it: schema, files, key ranges.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use twox_hash::XxHash3_64;

use super::{DataFile, FileTag};
use crate::error::Result;
use crate::schema::Table;

/// An immutable version of a table. Its files stay readable until vacuum's grace period is over.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which table it is.
    pub table: Table,
    /// The number of the version.
    pub version: u64,
    /// Whether the table was created by `generate`: then at least some of its rows are made up.
    pub synthetic: bool,
    /// A hash of the id of the table. Another table that is created in its place, and whose versions count from 0 again, has another one.
    pub table_id: u64,
    /// The log entry of this version; `None` for a plain folder, and if the log has been cleaned up since.
    pub entry: Option<ObjectMeta>,
    /// The stored columns, with their family in the field metadata; then provenance; then the columns that are only in the paths of the
    /// files.
    pub schema: SchemaRef,
    /// Columns of other people's files that are not served.
    pub left_out: Vec<LeftOut>,
    /// Sorted by `keys.start()`. Key ranges may overlap until compaction.
    ///
    /// Those that [are updates](DataFile::is_update) have newer rows of objects that others have, too: [`UpdatedKeys`](super::UpdatedKeys)
    /// tells which row is the newest.
    pub files: Vec<DataFile>,
    /// The version of the table of updates whose files these are; `None` if there never were any.
    pub updates: Option<u64>,
    /// Whether another engine may have deleted rows of the table while updates of them wait. Then an update of an object that the table does
    /// not have is not a row.
    pub foreign_deletes: bool,
    /// The store in which `files[..].path` are.
    pub store: Arc<dyn ObjectStore>,
    /// The path of the table in the store: those of its files are below it.
    pub root: Path,
}

/// A column that is not served, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    /// Its stored name.
    pub column: String,
    /// The reason, as a clause with `it` for the column.
    pub why: String,
}

impl Snapshot {
    /// The path of a file below the table. Clients are shown this one: the whole path says how the storage is laid out.
    pub fn name_of(&self, file: &DataFile) -> Path {
        file.path.prefix_match(&self.root).map(Path::from_iter).unwrap_or_default()
    }

    /// The files of the table itself, as other readers have it: each row once, some of them replaced by updates.
    pub fn own_files(&self) -> impl Iterator<Item = &DataFile> {
        self.files.iter().filter(|file| !file.is_update())
    }

    /// The files of the updates.
    pub fn update_files(&self) -> impl Iterator<Item = &DataFile> {
        self.files.iter().filter(|file| file.is_update())
    }

    /// The same files, none of them as updates: a reader gets every copy of a row, not the newest alone.
    pub fn with_every_copy(&self) -> Self {
        let plain = |file: &DataFile| {
            let tag = FileTag { update: None, ..file.tag.clone() };
            DataFile { tag, ..file.clone() }
        };
        Self { files: self.files.iter().map(plain).collect(), ..self.clone() }
    }

    /// The number of rows; `None` if a file does not tell. Updates replace rows and add none.
    pub fn rows(&self) -> Option<u64> {
        self.own_files().map(|file| file.rows).sum()
    }

    /// Distinguishes this version from others with its number: of a table that was created in the place of this one, and of this one after
    /// a backup was restored and written again. It is the same at all servers of a store.
    pub fn id(&self) -> u64 {
        let Some(ObjectMeta { last_modified, size, e_tag, .. }) = &self.entry else {
            return self.table_id;
        };
        let (millis, e_tag) =
            (last_modified.timestamp_millis(), e_tag.as_deref().unwrap_or_default());
        XxHash3_64::oneshot_with_seed(self.table_id, format!("{millis} {size} {e_tag}").as_bytes())
    }

    /// The columns that are only in the paths of files, or in the log: the last ones of the schema.
    pub fn partition_columns(&self) -> Vec<FieldRef> {
        let columns = self.files.first().map_or(0, |file| file.partition_values.len());
        self.schema.fields().iter().skip(self.schema.fields().len() - columns).cloned().collect()
    }

    /// The same rows, with [partition columns](Self::partition_columns) at the end, where a scan has them.
    pub(super) fn in_order(self) -> Result<Self> {
        let in_path = |i: &usize| {
            let name = self.schema.field(*i).name();
            let values = self.files.first().map(|file| file.partition_values.as_slice());
            values.unwrap_or_default().iter().position(|(column, _)| column == name)
        };
        let mut order: Vec<_> = (0..self.schema.fields().len()).collect();
        order.sort_by_key(in_path);
        let schema = Arc::new(self.schema.project(&order)?);
        Ok(Self { schema, ..self })
    }
}
