//! A plain folder or prefix of flat Parquet files that someone else wrote, as a read-only [`Snapshot`].

use super::{Location, Snapshot};
use crate::error::Result;
use crate::schema::Table;

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
