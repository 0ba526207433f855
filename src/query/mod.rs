//! Questions to the tables. In: a [`Query`]. Out: an [`Answer`]: a schema and a stream of batches
//! with served names, from one snapshot.
//!
//! A query goes: [`Engine::run`] picks the snapshot, [`template`] binds the SQL of its endpoint (a file in
//! `sql/`), [`provider`] scans what the [`index`] names.

mod engine;
mod explain;
mod follow;
mod index;
mod prepared;
mod provider;
mod template;
mod time;

pub use engine::{Answer, CacheUse, Engine, EngineOptions, Source};
pub use time::TimeMatch;

use crate::schema::Table;
use crate::warehouse::AsOf;

/// Which columns to answer with.
#[derive(Clone, Debug, PartialEq)]
pub enum Columns {
    /// Every served column, in byte-wise order of its name.
    All,
    /// Served names (`r:psfFlux`), in the order asked, each once. Unknown ones are in
    /// [`Answer::unknown_columns`].
    Named(Vec<String>),
}

/// One request for rows of a table.
#[derive(Clone, Debug)]
pub struct Query {
    pub table: Table,
    /// `diaObjectId`s, in any order; duplicates have no effect.
    pub ids: Vec<i64>,
    pub columns: Columns,
    /// Sources only: the time of the measurements.
    pub time: Option<TimeMatch>,
    pub as_of: Option<AsOf>,
}
