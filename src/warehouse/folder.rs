//! A plain folder or prefix of flat Parquet files that someone else wrote, as a read-only [`Snapshot`].

use super::{Location, Snapshot};
use crate::error::Result;
use crate::schema::{Family, Table};

impl Snapshot {
    /// Lists the Parquet files under a location and reads their footers. Files must agree in the types of
    /// the columns they share, have the table's key and id columns, and be sorted by key or not: key
    /// ranges come from their statistics. Columns named `r:x` or `f:x` keep that family; plain names
    /// take the catalog's, Rubin's where it does not know them. The version counts nothing but changes
    /// of the listing: it is 0 for the first, and the same listing gives the same version.
    pub async fn of_folder(_table: Table, _location: &Location) -> Result<Snapshot> {
        todo!()
    }
}

/// The family, if the name of a file's column tells it, and the name of the stored column: `r:psfFlux`
/// is Rubin's `psfFlux`. A table's own files have plain names.
pub fn stored_name(file_column: &str) -> (Option<Family>, &str) {
    let family = file_column
        .split_once(':')
        .and_then(|(prefix, name)| Some((Family::from_prefix(prefix)?, name)));
    match family {
        Some((family, name)) => (Some(family), name),
        None => (None, file_column),
    }
}
