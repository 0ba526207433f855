//! Generated objects with their sources and forced measurements, before they become columns.

use std::ops::Range;

use super::light_curve::Kind;
use super::matches::Matches;
use super::source::Source;
use super::summary::Summary;

/// Whole objects in order of their ids, with the rows of each in order of time.
#[derive(Default)]
pub struct Rows {
    pub objects: Vec<Object>,
    pub sources: Vec<Source>,
    pub forced: Vec<Forced>,
}

pub struct Object {
    pub id: i64,
    pub kind: Kind,
    pub matches: Matches,
    /// Its sources in [`Rows::sources`]: never empty.
    pub sources: Range<usize>,
    pub summary: Summary,
}

/// A forced measurement. Fluxes are in nJy.
pub struct Forced {
    pub object: u32,
    pub visit: u32,
    pub detector: u8,
    pub id: i64,
    pub flux_njy: f64,
    pub uncertainty_njy: f64,
    pub template_njy: f64,
}
