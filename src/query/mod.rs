//! Queries on the tables. A [`Query`] is answered with an [`Answer`]: a schema and a stream of batches with served names, from one
//! snapshot.
//!
//! [`Engine::run`] picks the snapshot. The [`planner`] of its schema has the plan for the query's [SQL](query_sql), or makes it, and binds
//! it to the query's values and to the snapshot. When the answer is read, the [`scan`](crate::scan) reads the pages that the
//! [`index`](crate::index) names.

mod added_rows;
mod arrivals;
mod as_of;
mod circle;
mod cone;
mod crossmatch;
mod served_columns;
mod engine;
mod explain;
mod file_check;
mod filter;
mod follow;
mod found;
mod in_region;
mod large;
mod looks;
mod near;
mod newest_sources;
mod older;
mod options;
mod place_grid;
mod plans;
mod planner;
mod prepared_tables;
mod samples;
mod spare_memory;
mod split;
mod query_sql;
mod time;
mod usage;

pub use arrivals::{Arrival, Follower, ToldVersion};
pub use circle::{ActiveTime, Circle, TimeKind};
pub use cone::{ConeQuery, SkySearch};
pub use crossmatch::CrossmatchQuery;
pub use engine::{Answer, Engine};
pub use found::{FoundObject, FoundObjects, SearchedIn};
pub use in_region::RegionQuery;
pub use looks::TableLooks;
pub use options::EngineOptions;
pub use query_sql::TAGGED_SOURCES;
pub use served_columns::UnknownColumn;
pub use split::Split;
pub use time::TimeMatch;
pub use usage::{EngineUse, ServedSnapshot, TableUse};

use std::fmt;
use std::ops::RangeInclusive;

use datafusion::error::DataFusionError;

use crate::error::Error;
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

/// The objects whose rows are wanted.
#[derive(Clone, Debug, Hash, PartialEq)]
pub enum ObjectIds {
    /// Of these `diaObjectId`s, in any order; duplicates have no effect.
    Listed(Vec<i64>),
    /// Of every object whose `diaObjectId` is in the range.
    Within(RangeInclusive<i64>),
}

impl ObjectIds {
    /// Every row of a table, those without a `diaObjectId` among them.
    pub const EVERY: Self = Self::Within(i64::MIN..=i64::MAX);
}

/// The order of measurements.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Order {
    /// The newest measurement first, whatever its object.
    NewestFirst,
    /// Object after object (`diaObjectId`), the newest measurement of each first. It follows the order of the
    /// files, so it takes little memory, however many rows there are.
    ByObject,
}

/// Rows of which tables, and in which order.
#[derive(Clone, Debug, Hash, PartialEq)]
pub enum Rows {
    /// Detections, of the table `sources`.
    Sources {
        /// The order of the rows.
        order: Order,
        /// The times of the measurements; `None` for any.
        time: Option<TimeMatch>,
    },
    /// Objects, in the order of their ids.
    Objects,
    /// Forced photometry, of the table `fp`.
    Fp {
        /// The order of the rows.
        order: Order,
    },
    /// The sources, and the forced photometry where there is none, upper limits among it, the newest measurement first; with the
    /// columns that tell them apart.
    SourcesWithUpperLimits {
        /// The times of the measurements; `None` for any.
        time: Option<TimeMatch>,
        /// The version of the forced photometry, where `as_of` is a version, too.
        fp_version: Option<u64>,
    },
    /// The sources in a circle, in the order of their objects.
    SourcesWithin(Circle),
    /// The newest source of each object with the newest state of the object.
    NewestSources,
}

impl Rows {
    /// All rows of a served table. Those of places are not served: they name objects.
    pub fn all(table: Table, order: Order) -> Self {
        match table {
            Table::Sources => Self::Sources { order, time: None },
            Table::Objects | Table::Places => Self::Objects,
            Table::Fp => Self::Fp { order },
        }
    }

    /// The table, or the first of two.
    pub fn table(&self) -> Table {
        match self {
            Self::Sources { .. }
            | Self::SourcesWithUpperLimits { .. }
            | Self::SourcesWithin(_)
            | Self::NewestSources => Table::Sources,
            Self::Objects => Table::Objects,
            Self::Fp { .. } => Table::Fp,
        }
    }

    /// The time that limits them.
    pub fn time(&self) -> Option<&TimeMatch> {
        match self {
            Self::Sources { time, .. } | Self::SourcesWithUpperLimits { time, .. } => time.as_ref(),
            Self::Objects | Self::Fp { .. } | Self::SourcesWithin(_) | Self::NewestSources => None,
        }
    }
}

/// One request for rows.
#[derive(Clone, Debug)]
pub struct Query {
    /// Rows of which tables, in which order.
    pub rows: Rows,
    /// Rows of which objects.
    pub ids: ObjectIds,
    /// Which columns of these rows.
    pub columns: Columns,
    /// A SQL predicate on the table's columns, by their stored names: `psfFlux > 1e4 AND band = 'r'`.
    pub filter: Option<String>,
    /// At most so many rows, the first ones in the order.
    pub limit: Option<usize>,
    /// An older version to answer from; `None` for the newest.
    pub as_of: Option<AsOf>,
}

impl Query {
    /// The rows of some objects, the newest measurement first.
    pub fn newest_first(table: Table, ids: Vec<i64>, columns: Columns) -> Self {
        let rows = Rows::all(table, Order::NewestFirst);
        let ids = ObjectIds::Listed(ids);
        Self { rows, ids, columns, filter: None, limit: None, as_of: None }
    }

    /// The sources of some objects with their upper limits.
    pub fn with_upper_limits(ids: Vec<i64>, columns: Columns) -> Self {
        let rows = Rows::SourcesWithUpperLimits { time: None, fp_version: None };
        Self { rows, ..Self::newest_first(Table::Sources, ids, columns) }
    }

    /// The table, or the first of two.
    pub fn table(&self) -> Table {
        self.rows.table()
    }

    /// The error of its rows: what its filter cannot compute is the client's to mend.
    pub fn failed(&self, error: DataFusionError) -> Error {
        match self.filter {
            Some(_) => Error::from_statement(error),
            None => Error::from(error),
        }
    }
}

/// The versions of the tables that an answer is from.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Versions {
    /// The version of the table, or of the first of two.
    pub table: u64,
    /// The other table that is read, and its version.
    pub beside: Option<(Table, u64)>,
    /// The [ids](crate::warehouse::Snapshot::id) of both versions. A table that is made anew or restored has the same versions again, but
    /// other ids.
    pub ids: [u64; 2],
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        let Some((table, version)) = self.beside else { return Ok(()) };
        write!(f, "; {}={version}", table.name())
    }
}
