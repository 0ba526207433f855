//! Questions to the tables. In: a [`Query`]. Out: an [`Answer`]: a schema and a stream of batches
//! with served names, from one snapshot.
//!
//! A query goes: [`Engine::run`] picks the snapshot and the plan that [`plans`] has of the query's shape, made from the SQL of
//! its endpoint (a file in `sql/`, see [`template`]); [`plan::bind`](crate::plan::bind) binds its values, and the [`scan`](crate::scan) reads what the [`index`](crate::index) names.

mod columns;
mod engine;
mod explain;
mod filter;
mod follow;
mod large;
mod older;
mod plans;
mod prepared;
mod samples;
mod size;
mod spare_memory;
mod split;
mod template;
mod time;

pub use columns::UnknownColumn;
pub use engine::{Answer, Engine, EngineOptions, EngineUse};
pub use split::Split;
pub use template::TAGGED_SOURCES;
pub use time::TimeMatch;

use std::fmt;
use std::ops::RangeInclusive;

use crate::schema::Table;
use crate::warehouse::AsOf;
pub use crate::warehouse::Source;

/// Which columns to answer with.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub enum Columns {
    /// Every served column, in byte-wise order of its name.
    All,
    /// Served names (`r:psfFlux`), in the order asked, each once. Unknown ones are in
    /// [`Answer::unknown_columns`].
    Named(Vec<String>),
}

/// Which objects' rows.
#[derive(Clone, Debug, Hash, PartialEq)]
pub enum Rows {
    /// Of these `diaObjectId`s, in any order; duplicates have no effect.
    Of(Vec<i64>),
    /// Of every object whose `diaObjectId` is in the range.
    Within(RangeInclusive<i64>),
}

/// The order of an answer's rows.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Order {
    /// The newest measurement first, whatever its object.
    NewestFirst,
    /// Object after object (`diaObjectId`), the newest measurement of each first. It follows the order of the
    /// files, so it takes no memory to speak of, however many rows there are.
    ByObject,
}

/// One request for rows of a table.
#[derive(Clone, Debug)]
pub struct Query {
    pub table: Table,
    pub rows: Rows,
    pub order: Order,
    pub columns: Columns,
    /// Sources only: the time of the measurements.
    pub time: Option<TimeMatch>,
    /// A SQL predicate on the table's columns, by their stored names: `psfFlux > 1e4 AND band = 'r'`.
    pub filter: Option<String>,
    /// At most so many rows, the first ones in the order.
    pub limit: Option<usize>,
    pub as_of: Option<AsOf>,
    /// The version of the forced photometry, where its upper limits are asked for and `as_of` is a version, too.
    pub as_of_fp: Option<u64>,
    /// Sources of named objects only: also what is no clean detection, upper limits of the forced photometry among it, and the
    /// columns that tell them apart.
    pub upper_limits: bool,
}

/// The versions of the tables that an answer is from.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Versions {
    pub table: u64,
    /// Of the forced photometry, where its upper limits are among the rows.
    pub fp: Option<u64>,
    /// The ids of both: a table that is made anew has the same versions again.
    pub ids: [u64; 2],
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        self.fp.map_or(Ok(()), |fp| write!(f, "; fp={fp}"))
    }
}

impl Query {
    /// The rows of some objects, the newest measurement first.
    pub fn of(table: Table, ids: Vec<i64>, columns: Columns) -> Self {
        Self {
            table,
            rows: Rows::Of(ids),
            order: Order::NewestFirst,
            columns,
            time: None,
            filter: None,
            limit: None,
            as_of: None,
            as_of_fp: None,
            upper_limits: false,
        }
    }
}
