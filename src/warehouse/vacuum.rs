//! Vacuum: deletes files that no version within the grace period refers to.

use super::Warehouse;
use crate::error::Result;
use crate::schema::Table;

#[derive(Clone, Debug)]
pub struct VacuumOptions {
    pub grace: std::time::Duration,
}

/// What a vacuum removed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Vacuumed {
    pub files_deleted: usize,
    pub bytes_deleted: u64,
}

impl Warehouse {
    pub async fn vacuum(&self, _table: Table, _options: &VacuumOptions) -> Result<Vacuumed> {
        todo!()
    }
}
