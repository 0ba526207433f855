//! Generated objects with their sources and forced measurements, before they become columns.

use std::ops::Range;

use super::light_curve::ObjectKind;
use super::matches::Matches;
use super::source::GeneratedSource;
use super::summary::SourceSummary;

/// Objects in order of their ids, with the rows of each in order of time.
#[derive(Default)]
pub(crate) struct SurveyRows {
    pub objects: Vec<Object>,
    /// What alerts say of their objects.
    pub states: Vec<ObjectState>,
    pub sources: Vec<GeneratedSource>,
    pub forced: Vec<Forced>,
}

pub struct Object {
    pub id: i64,
    pub kind: ObjectKind,
    pub matches: Matches,
    /// Where it is, and its forced photometry is measured.
    pub ra_deg: f64,
    pub dec_deg: f64,
}

/// What one alert says of its object, and holds besides.
pub struct ObjectState {
    /// Index in [`SurveyRows::objects`].
    pub object: u32,
    /// Number of the night, from the survey's first.
    pub night: u16,
    /// The alert's own source, and those of its history: indices in [`SurveyRows::sources`].
    pub source: usize,
    pub history: Range<usize>,
    /// Indices in [`SurveyRows::forced`].
    pub forced: Range<usize>,
    /// The number of sources since the survey began, up to its own.
    pub count: usize,
    /// Of these sources.
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
