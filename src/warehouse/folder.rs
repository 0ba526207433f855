//! Reads a plain folder or prefix of flat Parquet files that someone else wrote, as a read-only [`Snapshot`]: the union of the files'
//! columns, and the files with their key ranges.

mod columns;
mod data;
mod hats;
mod types;

use std::hash::Hasher;
use std::sync::Arc;

use arrow::datatypes::Schema;
use futures::{StreamExt, TryStreamExt, stream};
use twox_hash::XxHash3_64;

use self::columns::Union;
pub(crate) use self::columns::stored_table;
use self::data::DataObject;
use super::delta_log::DELTA_LOG;
use super::files::to_millis;
use super::storage::{Listing, is_data};
use super::{DataFile, Location, Snapshot, footer};
use crate::error::{Error, Kind, Result};
use crate::schema::{self, Table};

const FOOTERS_AT_ONCE: usize = 16;
/// A folder has no table id. None is needed, since its versions are digests, which do not repeat.
const FOLDER: u64 = 0;

impl Snapshot {
    /// Lists the Parquet files under a location and reads their footers. Files must have the table's sort columns, and be sorted by them
    /// or not: key ranges come from their statistics. A column is of the type that is known to hold the values of all files, or left
    /// out, and named. Columns named `r:x` or `f:x` keep that family and are stored
    /// as `x`; plain names take the catalog's, Rubin's where it does not know them. Folders named `x=5` are a column `x`, unless the
    /// files have one. The version is a digest of the listing: at any server, the same for the same files and no others.
    ///
    /// Names that begin with `_` or `.` are passed over; any other file that is not flat Parquet is an
    /// `Input` error naming it, and a location without files a `NotFound` error.
    pub async fn from_folder(table: Table, location: &Location) -> Result<Snapshot> {
        let listing = location.list().await?;
        let version = digest(location, &listing);
        from_objects(table, location, data::data(location, listing)?, version).await
    }

    /// Whether it is one of a plain folder, which has no log and no older versions.
    pub fn is_folder(&self) -> bool {
        self.table_id == FOLDER
    }

    /// Whether a file of the folder was added, removed or rewritten since.
    pub async fn has_changed(&self, location: &Location) -> Result<bool> {
        Ok(digest(location, &location.list().await?) != self.version)
    }
}

/// The digest of the data files below a location and of a log, if there is one, in the order of names. It has 53 bits, since readers of
/// JSON may hold numbers as doubles.
fn digest(location: &Location, listing: &Listing) -> u64 {
    let counts = |name: &str| is_data(name) || name.split('/').next() == Some(DELTA_LOG);
    let objects = listing.objects.iter();
    let mut objects: Vec<_> =
        objects.filter(|object| counts(location.below(object.location.as_ref()))).collect();
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    let mut digest = XxHash3_64::new();
    let mut add = |text: &str| {
        digest.write(text.as_bytes());
        digest.write(&[0]);
    };
    for object in objects {
        add(location.below(object.location.as_ref()));
        add(&object.size.to_string());
        add(&to_millis(object.last_modified).to_rfc3339());
        add(object.e_tag.as_deref().unwrap_or_default());
    }
    digest.finish() >> 11
}

async fn from_objects(
    table: Table,
    location: &Location,
    objects: Vec<DataObject>,
    version: u64,
) -> Result<Snapshot> {
    if objects.is_empty() {
        return Err(Error::new(Kind::NotFound, format!("{}: no Parquet file", location.url)));
    }
    let read = async |of: DataObject| {
        let footer = footer(location.store.clone(), &of.object.location, of.object.size).await;
        Ok::<_, Error>((of, footer.map_err(as_input)?))
    };
    let mut footers = stream::iter(objects).map(read).buffered(FOOTERS_AT_ONCE);
    let (mut union, mut files, mut empty) = (Union::new(table), Vec::new(), Vec::new());
    while let Some((of, footer)) = footers.try_next().await? {
        let file = DataFile::from_footer(table, &of.object, footer.metadata());
        let generation = of.object.e_tag.as_deref().unwrap_or_default();
        let file = DataFile { generation: XxHash3_64::oneshot(generation.as_bytes()), ..file };
        // A file without rows does not decide the types of columns: often all of its own are of the null type.
        match file.is_empty() {
            true => empty.push((of, footer, file)),
            false => {
                union.add(&of.object.location, &footer)?;
                files.push((of.told, file));
            }
        }
    }
    if files.is_empty() {
        for (of, footer, file) in empty {
            union.add(&of.object.location, &footer)?;
            files.push((of.told, file));
        }
    }
    let told: Vec<_> = files.iter().map(|(told, _)| told).collect();
    let (mut columns, left_out) = union.columns()?;
    let of_path = data::path_columns(table, &told, &union)?;
    columns.sort_by_key(|field| schema::family(field).is_none());
    columns.extend(of_path.fields);
    let files = files.into_iter().zip(of_path.values);
    let mut files: Vec<_> =
        files.map(|((_, file), partition_values)| DataFile { partition_values, ..file }).collect();
    files.sort_unstable_by(DataFile::in_key_order);
    let (schema, store) = (Arc::new(Schema::new(columns)), location.store.clone());
    let (table_id, entry) = (FOLDER, None);
    Ok(Snapshot {
        table,
        version,
        synthetic: false,
        table_id,
        entry,
        schema,
        left_out,
        files,
        updates: None,
        foreign_deletes: false,
        store,
        root: location.prefix.clone(),
    })
}

/// A file that is not readable as Parquet is an `Input` error, not one of the storage.
fn as_input(error: Error) -> Error {
    use std::error::Error as _;
    let storage = error.source().is_some_and(|source| source.is::<object_store::Error>());
    if storage {
        return error;
    }
    let other =
        "a folder that is served may hold other files only under names that begin with `_` or `.`";
    Error::input(format!("{error}; {other}"))
}
