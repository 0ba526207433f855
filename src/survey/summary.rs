//! The columns of an object that summarise its sources: their mean position, and the statistics of each band, computed as Rubin computes
//! them.

use super::plan::Plan;
use super::source::GeneratedSource;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceSummary {
    /// Mean position and its standard errors, in degrees.
    pub ra_deg: f64,
    pub dec_deg: f64,
    pub ra_error_deg: f64,
    pub dec_error_deg: f64,
    /// Covariance of the mean position, in square degrees.
    pub covariance_deg2: f64,
    pub first_mjd: f64,
    pub last_mjd: f64,
    pub bands: [BandSummary; 6],
}

/// Difference fluxes of one band, in nJy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BandSummary {
    pub count: i32,
    /// Mean weighted by the inverse of the variances, and its standard error; `None` without a source.
    pub mean: Option<f64>,
    pub mean_error: Option<f64>,
    pub science_mean: Option<f64>,
    pub science_mean_error: Option<f64>,
    pub uncertainty_mean: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// Standard deviation (of the sample: n - 1); `None` below two sources.
    pub sigma: Option<f64>,
    /// Greatest change between two successive sources, in nJy per day; `None` below two.
    pub max_slope: Option<f64>,
}

pub(crate) fn summarize(plan: &Plan, sources: &[GeneratedSource]) -> SourceSummary {
    let time = |source: &GeneratedSource| plan.visits[source.visit as usize].midpoint_mjd_tai;
    let (Some(first), Some(last)) = (sources.first(), sources.last()) else {
        return SourceSummary::default();
    };
    let mut summary =
        SourceSummary { first_mjd: time(first), last_mjd: time(last), ..position(sources) };
    for (band, summary) in summary.bands.iter_mut().enumerate() {
        let in_band = |source: &&GeneratedSource| {
            usize::from(plan.visits[source.visit as usize].band) == band
        };
        let fluxes = sources.iter().filter(in_band).map(|s| Flux {
            mjd: time(s),
            // Computed from the stored single precision, so that a reader who repeats the sums gets the same.
            flux: f64::from(s.flux_njy as f32),
            uncertainty: f64::from(s.uncertainty_njy as f32),
            science: f64::from(s.science_njy() as f32),
        });
        *summary = band_summary(&fluxes.collect::<Vec<_>>());
    }
    summary
}

/// The mean position. Right ascensions are taken from the first one, so that 359.9 and 0.1 meet at 0.
fn position(sources: &[GeneratedSource]) -> SourceSummary {
    let n = sources.len() as f64;
    let (ra, dec) = (sources[0].ra_deg, sources[0].dec_deg);
    let offset = |s: &GeneratedSource| ((s.ra_deg - ra + 540.0) % 360.0 - 180.0, s.dec_deg - dec);
    let sum = |of: &dyn Fn((f64, f64)) -> f64| sources.iter().map(offset).map(of).sum::<f64>();
    let (east, north) = (sum(&|o| o.0) / n, sum(&|o| o.1) / n);
    // A single source has no scatter, so its own uncertainty is taken.
    let single = sources[0].position_error_deg.powi(2);
    let of_mean = |sum: f64| if n > 1.0 { sum / (n - 1.0) / n } else { single };
    SourceSummary {
        ra_deg: (ra + east).rem_euclid(360.0),
        dec_deg: dec + north,
        ra_error_deg: of_mean(sum(&|o| (o.0 - east).powi(2))).sqrt(),
        dec_error_deg: of_mean(sum(&|o| (o.1 - north).powi(2))).sqrt(),
        covariance_deg2: sum(&|o| (o.0 - east) * (o.1 - north)) / (n - 1.0).max(1.0) / n,
        ..SourceSummary::default()
    }
}

struct Flux {
    mjd: f64,
    flux: f64,
    uncertainty: f64,
    science: f64,
}

fn band_summary(fluxes: &[Flux]) -> BandSummary {
    let n = fluxes.len() as f64;
    let Some(first) = fluxes.first() else {
        return BandSummary::default();
    };
    let sum = |of: &dyn Fn(&Flux) -> f64| fluxes.iter().map(of).sum::<f64>();
    let weight = |f: &Flux| f.uncertainty.powi(-2);
    let weights = sum(&weight);
    let mean = sum(&|f| f.flux) / n;
    let variance = sum(&|f| (f.flux - mean).powi(2)) / (n - 1.0);
    let slopes = fluxes.windows(2).map(|w| (w[1].flux - w[0].flux) / (w[1].mjd - w[0].mjd));
    BandSummary {
        count: fluxes.len() as i32,
        mean: Some(sum(&|f| f.flux * weight(f)) / weights),
        mean_error: Some(weights.sqrt().recip()),
        science_mean: Some(sum(&|f| f.science * weight(f)) / weights),
        science_mean_error: Some(weights.sqrt().recip()),
        uncertainty_mean: Some(sum(&|f| f.uncertainty) / n),
        min: fluxes.iter().map(|f| f.flux).reduce(f64::min).or(Some(first.flux)),
        max: fluxes.iter().map(|f| f.flux).reduce(f64::max).or(Some(first.flux)),
        sigma: (n > 1.0).then(|| variance.sqrt()),
        max_slope: slopes.reduce(f64::max),
    }
}
