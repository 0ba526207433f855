//! The columns of tables `objects` and `fp`: what an object's newest alert says of it.

use arrow::array::{ArrayRef, Int64Array};

use super::columns::ColumnMaker;
use super::plan::Plan;
use super::rows::{Forced, Object, SurveyRows};
use super::source_columns::{BROKER_VERSION, SCIENCE_VERSION, processed_mjd};
use super::summary::BandSummary;
use super::visit::BANDS;
use crate::schema::provenance::{
    ALERT_BROKER, ALERT_CONTENT_HASH, ALERT_ENRICHED, ALERT_ID, ALERT_PROCESSED, ALERT_SCIENCE,
    ALERT_TIME,
};

/// The columns of objects. `hashes` are those of the content of the sources.
pub(crate) fn object_column(
    name: &str,
    plan: &Plan,
    rows: &SurveyRows,
    hashes: &Int64Array,
) -> Option<ArrayRef> {
    let c = ColumnMaker(&rows.objects);
    let newest = |o: &Object| &rows.sources[o.sources.end - 1];
    let visit = |o: &Object| &plan.visits[newest(o).visit as usize];
    Some(match name {
        "diaObjectId" => c.longs(|o| o.id),
        "ra" => c.doubles(|o| o.summary.ra_deg),
        "dec" => c.doubles(|o| o.summary.dec_deg),
        "raErr" => c.floats(|o| o.summary.ra_error_deg),
        "decErr" => c.floats(|o| o.summary.dec_error_deg),
        "ra_dec_Cov" => c.floats(|o| o.summary.covariance_deg2),
        "firstDiaSourceMjdTai" | "firstDiaSourceMjdTaiFink" => c.doubles(|o| o.summary.first_mjd),
        "lastDiaSourceMjdTai" => c.doubles(|o| o.summary.last_mjd),
        // Some seconds after the newest source.
        "validityStartMjdTai" => c.doubles(|o| processed_mjd(visit(o), newest(o)) + 9e-5),
        "nDiaSources" => c.ints(|o| o.sources.len() as i32),
        "observation_reason" => c.strings(|o| plan.reason(visit(o))),
        "target_name" => c.strings(|o| plan.target_name(visit(o))),
        "is_sso" => c.constant_boolean(false),
        "is_first" => c.booleans(|o| o.sources.len() == 1),
        "is_cataloged" => c.booleans(|o| o.matches.is_cataloged()),
        "main_label_classifier" => c.ints(|o| newest(o).labels.cats_class),
        "main_label_crossmatch" => c.strings(|o| o.matches.simbad_otype),
        ALERT_TIME => c.doubles(|o| o.summary.last_mjd),
        ALERT_ID => c.longs(|o| newest(o).id),
        ALERT_ENRICHED => c.constant_boolean(true),
        ALERT_PROCESSED => c.doubles(|o| processed_mjd(visit(o), newest(o))),
        ALERT_BROKER => c.strings(|_| BROKER_VERSION),
        ALERT_SCIENCE => c.strings(|_| SCIENCE_VERSION),
        ALERT_CONTENT_HASH => c.longs(|o| hashes.value(o.sources.end - 1)),
        _ => return band_column(name, &c),
    })
}

fn band_column(name: &str, c: &ColumnMaker<Object>) -> Option<ArrayRef> {
    let (band, statistic) = name.split_once('_')?;
    let band = BANDS.iter().position(|known| known.name == band)?;
    let floats = |of: fn(&BandSummary) -> Option<f64>| c.floats(|o| of(&o.summary.bands[band]));
    Some(match statistic {
        "psfFluxNdata" => c.ints(|o| o.summary.bands[band].count),
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
        "ra" => c.doubles(|f| object(f).summary.ra_deg),
        "dec" => c.doubles(|f| object(f).summary.dec_deg),
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
