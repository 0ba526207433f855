//! A synthetic survey with the real columns: seeded, in constant memory, written straight to a warehouse, or as alert packets.
//!
//! A number of objects, a seed and nights give the three tables, one commit each, or files of [packets](write_packets). `plan` says
//! where the camera looks and when, `finder` which visit finds which object. `object` takes each object through its visits, and `life`
//! says what the alerts of some nights tell of it. `batches` puts the objects in the order of their ids and makes columns of them, so
//! that nothing needs sorting.

mod batches;
mod camera;
mod columns;
mod epoch;
mod examples;
mod field;
mod finder;
mod life;
mod light_curve;
mod matches;
mod nights;
mod object;
mod object_columns;
mod ongoing;
mod packets;
mod plan;
mod rows;
mod source;
mod source_columns;
mod summary;
mod tables;
#[cfg(test)]
mod tests;
mod visit;

use std::fmt;

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use serde::Serialize;

use crate::error::Error;
pub use examples::{Example, Examples};
pub use nights::Nights;
pub use ongoing::OngoingSurvey;
pub use packets::{PacketsProgress, WrittenPackets, write_packets};
pub use tables::generate;

/// What to generate.
#[derive(Clone, Debug)]
pub struct SurveyOptions {
    /// How many objects; there are about 20 sources to each, and 60 forced measurements.
    pub objects: u64,
    /// The same seed gives the same rows, and a survey of fewer objects is part of a larger one.
    pub seed: u64,
    /// The nights whose alerts are told of. The tables are as they are after the packets of these nights, with their histories: each
    /// source of these nights, and those of the 12 months before the first alert of its object, without what only their own alerts say;
    /// each forced measurement that one of the packets holds; each object as its newest alert states it.
    pub nights: Nights,
}

/// How far a survey has come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SurveyProgress {
    /// Gone through, of [`SurveyOptions::objects`]. Those that are found after the nights are left out.
    pub objects: u64,
    /// Sources written so far.
    pub sources: u64,
    /// Forced measurements written so far.
    pub fp: u64,
}

/// A survey that was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Generated {
    /// The tables that were written.
    pub tables: Vec<GeneratedTable>,
    /// Objects that are good examples to show.
    pub examples: Vec<Example>,
}

/// A table that was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GeneratedTable {
    /// Its name.
    pub table: &'static str,
    /// Its number of rows.
    pub rows: u64,
    /// The version of the table that holds them.
    pub version: u64,
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables.iter().map(|t| format!("{} {}", t.rows, t.table));
        write!(f, "generated {}", tables.collect::<Vec<_>>().join(", "))?;
        self.examples.iter().try_for_each(|example| write!(f, "\n{example}"))
    }
}

/// Sources and forced measurements of one batch: enough for efficient columns, and soon written.
const ROWS_PER_BATCH: usize = 32 * 1024;

fn no_alert(nights: Nights) -> Error {
    Error::argument(format!(
        "--nights {nights}: without alerts, as one night in five is; choose others, or more objects"
    ))
}

/// A random number of the normal distribution with mean 0 and standard deviation 1.
fn normal(rng: &mut impl Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// A random number of a log-normal distribution; `sigma` is the standard deviation of its natural logarithm.
fn log_normal(median: f64, sigma: f64, rng: &mut impl Rng) -> f64 {
    median * (sigma * normal(rng)).exp()
}
