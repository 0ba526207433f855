//! Generated objects with their sources and forced measurements, before they become columns.

use std::ops::Range;

use super::light_curve::ObjectKind;
use super::matches::Matches;
use super::source::GeneratedSource;
use super::summary::SourceSummary;

/// Whole objects in order of their ids, with the rows of each in order of time.
#[derive(Default)]
pub(crate) struct SurveyRows {
    pub objects: Vec<Object>,
    pub sources: Vec<GeneratedSource>,
    pub forced: Vec<Forced>,
}

pub struct Object {
    pub id: i64,
    pub kind: ObjectKind,
    pub matches: Matches,
    /// Its sources in [`SurveyRows::sources`]: never empty.
    pub sources: Range<usize>,
    pub summary: SourceSummary,
}

/// A forced measurement. Fluxes are in nJy.
pub(crate) struct Forced {
    pub object: u32,
    pub visit: u32,
    pub detector: u8,
    pub id: i64,
    pub flux_njy: f64,
    pub uncertainty_njy: f64,
    pub template_njy: f64,
}
