//! The columns of table `sources`. What is null in the real alerts of schema 10.0 is null here.

use arrow::array::ArrayRef;

use super::columns::ColumnMaker;
use super::plan::Plan;
use super::rows::{Object, SurveyRows};
use super::source::GeneratedSource;
use super::visit::{BANDS, Visit};
use crate::schema::provenance::{ALERT_ENRICHED, ALERT_ID, ALERT_TIME};

/// Of Fink, as in the real alerts.
pub(crate) const BROKER_VERSION: &str = "4.1";
pub(crate) const SCIENCE_VERSION: &str = "8.39.0";

/// Pixels of the square that the point source model is fitted to.
const FIT_PIXELS: i32 = 41 * 41;
const PIXEL_ARCSEC: f64 = 0.2;

pub(crate) fn source_column(name: &str, plan: &Plan, rows: &SurveyRows) -> Option<ArrayRef> {
    let c = ColumnMaker(&rows.sources);
    let visit = |s: &GeneratedSource| &plan.visits[s.visit as usize];
    let object = |s: &GeneratedSource| &rows.objects[s.object as usize];
    Some(match name {
        "diaSourceId" => c.longs(|s| s.id),
        "diaObjectId" => c.longs(|s| object(s).id),
        "ssObjectId" | "parentDiaSourceId" => c.constant_long(0),
        "visit" => c.longs(|s| visit(s).id),
        "detector" => c.ints(|s| i32::from(s.pixel.detector)),
        "band" => c.strings(|s| BANDS[usize::from(visit(s).band)].name),
        "midpointMjdTai" => c.doubles(|s| visit(s).midpoint_mjd_tai),
        "timeProcessedMjdTai" => c.doubles(|s| processed_mjd(visit(s), s)),
        "timeWithdrawnMjdTai" => c.null_doubles(),
        "observation_reason" => c.strings(|s| plan.reason(visit(s))),
        "target_name" => c.strings(|s| plan.target_name(visit(s))),
        "ra" => c.doubles(|s| s.ra_deg),
        "dec" => c.doubles(|s| s.dec_deg),
        "raErr" | "decErr" => c.floats(|s| s.position_error_deg),
        "ra_dec_Cov" => c.floats(|s| 0.1 * s.position_error_deg.powi(2) * s.noise.shape),
        "x" => c.floats(|s| f64::from(s.pixel.x)),
        "y" => c.floats(|s| f64::from(s.pixel.y)),
        "xErr" | "yErr" => c.floats(|s| s.position_error_deg * 3600.0 / PIXEL_ARCSEC),
        "isNegative" => c.booleans(|s| s.flux_njy < 0.0),
        "snr" => c.floats(GeneratedSource::snr),
        "bboxSize" => c.ints(|s| (13.0 + 8.0 * (s.snr() / 5.0).ln()) as i32),
        "reliability" => c.floats(reliability),
        "glint_trail" => c.constant_boolean(false),
        ALERT_TIME => c.doubles(|s| visit(s).midpoint_mjd_tai),
        ALERT_ID => c.longs(|s| s.id),
        ALERT_ENRICHED => c.constant_boolean(true),
        _ if name.contains("_flag") || name.starts_with("pixelFlags") => flag(name, &c),
        _ if name.starts_with("trail") => return trail(name, &c),
        _ if name.to_ascii_lowercase().contains("dipole") => return dipole(name, &c),
        _ if name.starts_with("xm_") => return counterpart(name, &c, object),
        _ => return photometry(name, &c, visit).or_else(|| label(name, &c)),
    })
}

/// When the image of a source was processed: some minutes after it was taken.
pub(crate) fn processed_mjd(visit: &Visit, source: &GeneratedSource) -> f64 {
    visit.midpoint_mjd_tai + source.noise.processing_days
}

fn reliability(s: &GeneratedSource) -> f64 {
    (1.0 + (-(s.snr() - 7.0) / 5.0 - s.noise.reliability).exp()).recip()
}

fn photometry<'a>(
    name: &str,
    c: &ColumnMaker<'a, GeneratedSource>,
    visit: impl Fn(&'a GeneratedSource) -> &'a Visit,
) -> Option<ArrayRef> {
    // The second moment of a round point spread function, in square arcsec.
    let round = |s| (visit(s).seeing_arcsec / 2.355f64).powi(2);
    Some(match name {
        "psfFlux" => c.floats(|s| s.flux_njy),
        "psfFluxErr" | "scienceFluxErr" => c.floats(|s| s.uncertainty_njy),
        "psfLnL" => c.null_floats(),
        "psfChi2" => c.floats(|s| f64::from(FIT_PIXELS) * (1.05 + 0.035 * s.noise.fit)),
        "psfNdata" => c.constant_int(FIT_PIXELS),
        "apFlux" => c.floats(|s| 0.95 * s.flux_njy + 1.4 * s.uncertainty_njy * s.noise.aperture),
        "apFluxErr" => c.floats(|s| 1.75 * s.uncertainty_njy),
        "scienceFlux" => c.floats(GeneratedSource::science_njy),
        "templateFlux" => c.floats(|s| s.template_njy),
        "templateFluxErr" => c.floats(|s| 0.13 * s.uncertainty_njy),
        "ixxPSF" | "iyyPSF" => c.floats(round),
        "ixyPSF" => c.floats(|s| 0.02 * round(s)),
        "ixx" => c.floats(|s| shape(s, round(s) * (0.2 * s.noise.moments[0]).exp())),
        "iyy" => c.floats(|s| shape(s, round(s) * (0.2 * s.noise.moments[1]).exp())),
        "ixy" => c.floats(|s| shape(s, 0.1 * round(s) * s.noise.moments[2])),
        "extendedness" => c.floats(|s| shape(s, (0.3 + 0.25 * s.noise.shape).clamp(0.0, 1.0))),
        _ => return None,
    })
}

/// What is not measured where the shape is not.
fn shape(s: &GeneratedSource, value: f64) -> Option<f64> {
    (!s.noise.shape_failed).then_some(value)
}

fn trail(name: &str, c: &ColumnMaker<GeneratedSource>) -> Option<ArrayRef> {
    let step = |s: &GeneratedSource| 0.3 * s.position_error_deg * s.noise.trail;
    Some(match name {
        "trailFlux" => {
            c.floats(|s| shape(s, 1.02 * s.flux_njy + 0.3 * s.uncertainty_njy * s.noise.trail))
        }
        "trailFluxErr" => c.floats(|s| shape(s, 0.02 * s.uncertainty_njy)),
        "trailRa" => c.doubles(|s| shape(s, (s.ra_deg + step(s)).rem_euclid(360.0))),
        "trailDec" => c.doubles(|s| shape(s, s.dec_deg - step(s))),
        "trailLength" => c.floats(|s| shape(s, (0.4 * s.noise.trail).exp())),
        "trailAngle" => c.floats(|s| shape(s, s.noise.angle_deg)),
        "trailNdata" => c.constant_int(0),
        "trailChi2" | "trailLengthErr" | "trailAngleErr" | "trailRaErr" | "trailDecErr" => {
            c.null_floats()
        }
        _ => return None,
    })
}

fn dipole(name: &str, c: &ColumnMaker<GeneratedSource>) -> Option<ArrayRef> {
    let fitted = |s: &GeneratedSource, value: f64| s.noise.is_dipole.then_some(value);
    Some(match name {
        "isDipole" | "dipoleFitAttempted" => c.booleans(|s| s.noise.is_dipole),
        "dipoleMeanFlux" => c.floats(|s| fitted(s, 0.98 * s.template_njy)),
        "dipoleMeanFluxErr" => c.floats(|s| fitted(s, 0.56 * s.uncertainty_njy)),
        "dipoleFluxDiff" => c.floats(|s| fitted(s, 0.0)),
        "dipoleFluxDiffErr" => c.floats(|s| fitted(s, 1.12 * s.uncertainty_njy)),
        "dipoleLength" => c.floats(|s| fitted(s, 0.06 * (0.5 * s.noise.trail).exp())),
        "dipoleAngle" => c.floats(|s| fitted(s, s.noise.angle_deg)),
        "dipoleChi2" => c.floats(|s| fitted(s, 700.0 * s.noise.fit.exp())),
        "dipoleNdata" => c.ints(|s| if s.noise.is_dipole { 2100 } else { 0 }),
        _ => return None,
    })
}

fn flag(name: &str, c: &ColumnMaker<GeneratedSource>) -> ArrayRef {
    match name {
        "shape_flag" => c.booleans(|s| s.noise.shape_failed),
        "pixelFlags_bad" | "pixelFlags_interpolated" => c.booleans(|s| s.noise.bad_pixel),
        "pixelFlags_streak" => c.booleans(|s| s.noise.streak),
        _ => c.constant_boolean(false),
    }
}

fn label(name: &str, c: &ColumnMaker<GeneratedSource>) -> Option<ArrayRef> {
    Some(match name {
        "clf_cats_class" => c.ints(|s| s.labels.cats_class),
        "clf_cats_score" => c.floats(|s| f64::from(s.labels.cats_score)),
        "clf_earlySNIa_score" => c.doubles(|s| s.labels.early_ia_score),
        "clf_elephant_kstest_science" => c.floats(|s| s.labels.elephant.map(|e| e.0.into())),
        "clf_elephant_kstest_template" => c.floats(|s| s.labels.elephant.map(|e| e.1.into())),
        "clf_snnSnVsOthers_score" => c.floats(|s| f64::from(s.labels.sn_score)),
        "fink_broker_version" => c.strings(|_| BROKER_VERSION),
        "fink_science_version" => c.strings(|_| SCIENCE_VERSION),
        "lsst_schema_version" => c.strings(|_| "lsst.v10_0"),
        _ => return None,
    })
}

fn counterpart<'a>(
    name: &str,
    c: &ColumnMaker<'a, GeneratedSource>,
    object: impl Fn(&'a GeneratedSource) -> &'a Object,
) -> Option<ArrayRef> {
    let m = |s| &object(s).matches;
    let parallax = |s| m(s).gaia.as_ref().and_then(|gaia| gaia.parallax_and_error_mas);
    let legacy = |s| m(s).legacy.as_ref();
    let mangrove = |s| m(s).mangrove.as_ref();
    let tns = |s| m(s).tns.as_ref();
    Some(match name {
        "xm_gaiadr3_DR3Name" => c.strings(|s| m(s).gaia.as_ref().map(|g| g.name.as_str())),
        "xm_gaiadr3_Plx" => c.floats(|s| parallax(s).map(|p| p.0.into())),
        "xm_gaiadr3_e_Plx" => c.floats(|s| parallax(s).map(|p| p.1.into())),
        "xm_gaiadr3_VarFlag" => c.ints(|s| m(s).gaia.as_ref().map_or(0, |g| g.variable.into())),
        "xm_legacydr8_zphot" => c.floats(|s| legacy(s).map(|l| l.photometric_redshift.into())),
        "xm_legacydr8_e_zphot" => c.floats(|s| legacy(s).map(|l| l.error.into())),
        "xm_legacydr8_pstar" => c.floats(|s| legacy(s).map(|l| l.star_likelihood.into())),
        "xm_legacydr8_fqual" => c.ints(|s| legacy(s).map(|l| l.well_constrained.into())),
        "xm_mangrove_HyperLEDA_name" => {
            c.strings(|s| mangrove(s).map(|g| g.hyperleda_name.as_str()))
        }
        "xm_mangrove_2MASS_name" => c.strings(|s| mangrove(s).map(|g| g.two_mass_name.as_str())),
        "xm_mangrove_lum_dist" => {
            c.floats(|s| mangrove(s).map(|g| g.luminosity_distance_mpc.into()))
        }
        "xm_mangrove_ang_dist" => c.floats(|s| mangrove(s).map(|g| g.angular_distance.into())),
        "xm_tns_fullname" => c.strings(|s| tns(s).map(|t| t.full_name.as_str())),
        "xm_tns_type" => c.strings(|s| tns(s).and_then(|t| t.class)),
        "xm_tns_redshift" => c.floats(|s| tns(s).and_then(|t| t.redshift).map(f64::from)),
        "xm_spicy_SPICY" => c.ints(|s| m(s).spicy.map(|y| y.0)),
        "xm_spicy_class" => c.strings(|s| m(s).spicy.map(|y| y.1)),
        "xm_simbad_otype" => c.strings(|s| m(s).simbad_otype),
        "xm_vsx_Type" => c.strings(|s| m(s).vsx_type),
        "xm_gcvs_type" => c.strings(|s| m(s).gcvs_type),
        "xm_x3hsp_type" => c.strings(|s| m(s).x3hsp_type),
        "xm_x4lac_type" => c.strings(|s| m(s).x4lac_type),
        _ => return None,
    })
}
