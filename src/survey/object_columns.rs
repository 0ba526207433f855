//! The columns of tables `objects` and `fp`: what an alert says of its object, and forced measurements.

use arrow::array::{ArrayRef, Int64Array};

use super::columns::ColumnMaker;
use super::plan::Plan;
use super::rows::{Forced, ObjectState, SurveyRows};
use super::source_columns::{BROKER_VERSION, SCIENCE_VERSION, processed_mjd};
use super::summary::BandSummary;
use super::visit::BANDS;
use crate::schema::provenance::{
    ALERT_BROKER, ALERT_CONTENT_HASH, ALERT_ENRICHED, ALERT_ID, ALERT_PROCESSED, ALERT_SCIENCE,
    ALERT_TIME,
};

/// The columns of the states of objects. `hashes` are those of the content of the sources.
pub(crate) fn object_column(
    name: &str,
    plan: &Plan,
    rows: &SurveyRows,
    hashes: &Int64Array,
) -> Option<ArrayRef> {
    let c = ColumnMaker(&rows.states);
    let object = |s: &ObjectState| &rows.objects[s.object as usize];
    let source = |s: &ObjectState| &rows.sources[s.source];
    let visit = |s: &ObjectState| &plan.visits[source(s).visit as usize];
    Some(match name {
        "diaObjectId" => c.longs(|s| object(s).id),
        "ra" => c.doubles(|s| s.summary.ra_deg),
        "dec" => c.doubles(|s| s.summary.dec_deg),
        "raErr" => c.floats(|s| s.summary.ra_error_deg),
        "decErr" => c.floats(|s| s.summary.dec_error_deg),
        "ra_dec_Cov" => c.floats(|s| s.summary.covariance_deg2),
        "firstDiaSourceMjdTai" | "firstDiaSourceMjdTaiFink" => c.doubles(|s| s.summary.first_mjd),
        "lastDiaSourceMjdTai" => c.doubles(|s| s.summary.last_mjd),
        // Some seconds after the newest source.
        "validityStartMjdTai" => c.doubles(|s| processed_mjd(visit(s), source(s)) + 9e-5),
        "nDiaSources" => c.ints(|s| s.count as i32),
        "observation_reason" => c.strings(|s| plan.reason(visit(s))),
        "target_name" => c.strings(|s| plan.target_name(visit(s))),
        "is_sso" => c.constant_boolean(false),
        "is_first" => c.booleans(|s| s.count == 1),
        "is_cataloged" => c.booleans(|s| object(s).matches.is_cataloged()),
        "main_label_classifier" => c.ints(|s| source(s).labels.cats_class),
        "main_label_crossmatch" => c.strings(|s| object(s).matches.simbad_otype),
        ALERT_TIME => c.doubles(|s| s.summary.last_mjd),
        ALERT_ID => c.longs(|s| source(s).id),
        ALERT_ENRICHED => c.constant_boolean(true),
        ALERT_PROCESSED => c.doubles(|s| processed_mjd(visit(s), source(s))),
        ALERT_BROKER => c.strings(|_| BROKER_VERSION),
        ALERT_SCIENCE => c.strings(|_| SCIENCE_VERSION),
        ALERT_CONTENT_HASH => c.longs(|s| hashes.value(s.source)),
        _ => return band_column(name, &c),
    })
}

fn band_column(name: &str, c: &ColumnMaker<ObjectState>) -> Option<ArrayRef> {
    let (band, statistic) = name.split_once('_')?;
    let band = BANDS.iter().position(|known| known.name == band)?;
    let floats = |of: fn(&BandSummary) -> Option<f64>| c.floats(|s| of(&s.summary.bands[band]));
    Some(match statistic {
        "psfFluxNdata" => c.ints(|s| s.summary.bands[band].count),
        "psfFluxMean" => floats(|b| b.mean),
        "psfFluxMeanErr" => floats(|b| b.mean_error),
        "psfFluxSigma" => floats(|b| b.sigma),
        "psfFluxMin" => floats(|b| b.min),
        "psfFluxMax" => floats(|b| b.max),
        "psfFluxMaxSlope" => floats(|b| b.max_slope),
        "psfFluxErrMean" => floats(|b| b.uncertainty_mean),
        "scienceFluxMean" => floats(|b| b.science_mean),
        "scienceFluxMeanErr" => floats(|b| b.science_mean_error),
        "fpFluxMean" | "fpFluxMeanErr" => c.null_floats(),
        _ => return None,
    })
}

pub(crate) fn forced_column(name: &str, plan: &Plan, rows: &SurveyRows) -> Option<ArrayRef> {
    let c = ColumnMaker(&rows.forced);
    let visit = |f: &Forced| &plan.visits[f.visit as usize];
    let object = |f: &Forced| &rows.objects[f.object as usize];
    Some(match name {
        "diaForcedSourceId" => c.longs(|f| f.id),
        "diaObjectId" => c.longs(|f| object(f).id),
        "ra" => c.doubles(|f| object(f).ra_deg),
        "dec" => c.doubles(|f| object(f).dec_deg),
        "visit" => c.longs(|f| visit(f).id),
        "detector" => c.ints(|f| i32::from(f.detector)),
        "band" => c.strings(|f| BANDS[usize::from(visit(f).band)].name),
        "midpointMjdTai" => c.doubles(|f| visit(f).midpoint_mjd_tai),
        "timeProcessedMjdTai" => c.doubles(|f| visit(f).midpoint_mjd_tai + 0.002),
        "timeWithdrawnMjdTai" => c.null_doubles(),
        "psfFlux" => c.floats(|f| f.flux_njy),
        "psfFluxErr" | "scienceFluxErr" => c.floats(|f| f.uncertainty_njy),
        "scienceFlux" => c.floats(|f| f.template_njy + f.flux_njy),
        _ => return None,
    })
}
