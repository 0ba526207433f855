//! The points of a light curve, made of rows with served column names (`r:psfFlux`). Tables of others may lack some of the columns, and
//! may have them in other types.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::band::{self, BandStyle};
use crate::error::Result;
use crate::schema::{FLUX_LIMIT, TAG};

/// What a measurement is.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum PointKind {
    /// A diaSource that passes the quality cuts.
    Valid,
    /// A diaSource that does not.
    BadQuality,
    /// Forced photometry.
    Forced,
    /// Forced photometry within five sigma of zero at a visit without a diaSource: the flux is its limit.
    UpperLimit,
}

/// A measurement that has a time and a flux.
#[derive(Clone, Debug)]
pub struct Point {
    /// What the measurement is.
    pub kind: PointKind,
    /// The style of its band.
    pub band: &'static BandStyle,
    /// Its time, MJD in TAI.
    pub mjd: f64,
    /// Its flux on the difference image.
    pub flux_njy: f64,
    /// The uncertainty of the flux; 0 if it is unknown.
    pub flux_err_njy: f64,
}

/// The measurements of an object, and how many cannot be drawn.
#[derive(Debug, Default)]
pub struct LightCurve {
    /// The measurements to draw.
    pub points: Vec<Point>,
    /// Rows without a time or without a flux.
    pub unplaced: usize,
    /// Forced measurements that Rubin has withdrawn, or whose uncertainty is no number above zero, of a table that has uncertainties:
    /// those that `sql/sources_withupperlim.sql` calls `badforced`.
    pub poor_forced: usize,
}

/// The column with the time when Rubin withdrew a measurement.
pub const WITHDRAWN: &str = "r:timeWithdrawnMjdTai";

/// A greater flux or time is no measurement, and an axis could not show it.
const MOST: f64 = 1e100;

impl LightCurve {
    /// Adds rows of `sources`. If they have `v:tag`, upper limits are among them; else all are taken for good detections.
    pub fn take_sources(&mut self, rows: &RecordBatch) -> Result<()> {
        let (tags, limits) = (texts(rows, TAG)?, numbers(rows, FLUX_LIMIT)?);
        self.take(rows, |row| match tags[row].as_deref() {
            Some("valid") | None => Some((PointKind::Valid, None)),
            Some("upperlim") => Some((PointKind::UpperLimit, limits[row])),
            // These are also among the rows of `fp`.
            Some("forced" | "badforced") => None,
            Some(_) => Some((PointKind::BadQuality, None)),
        })
    }

    /// Adds rows of `fp`.
    pub fn take_forced(&mut self, rows: &RecordBatch) -> Result<()> {
        let withdrawn = numbers(rows, WITHDRAWN)?;
        let errors = numbers(rows, "r:psfFluxErr")?;
        let has_errors = rows.column_by_name("r:psfFluxErr").is_some();
        let is_poor = |row: usize| says_nothing(withdrawn[row], has_errors.then_some(errors[row]));
        self.poor_forced += (0..rows.num_rows()).filter(|row| is_poor(*row)).count();
        self.take(rows, |row| (!is_poor(row)).then_some((PointKind::Forced, None)))
    }

    /// Adds rows. `kind` gives the kind of a row, and its flux if that is not the measured one; `None` leaves the row out.
    fn take(
        &mut self,
        rows: &RecordBatch,
        kind: impl Fn(usize) -> Option<(PointKind, Option<f64>)>,
    ) -> Result<()> {
        let mjd = numbers(rows, "r:midpointMjdTai")?;
        let (flux, flux_err) = (numbers(rows, "r:psfFlux")?, numbers(rows, "r:psfFluxErr")?);
        let bands = texts(rows, "r:band")?;
        for row in 0..rows.num_rows() {
            let Some((kind, limit)) = kind(row) else { continue };
            let (Some(mjd), Some(flux_njy)) = (mjd[row], limit.or(flux[row])) else {
                self.unplaced += 1;
                continue;
            };
            let band = bands[row].as_deref().map_or(&band::OTHER, band::named);
            let flux_err_njy = flux_err[row].unwrap_or_default();
            self.points.push(Point { kind, band, mjd, flux_njy, flux_err_njy });
        }
        Ok(())
    }
}

/// Whether a forced measurement says nothing of its object: Rubin has withdrawn it, or its uncertainty is no number above zero, as the tag
/// `badforced` has it (`sql/sources_withupperlim.sql`). Where a table has no uncertainties, `psf_flux_err` is `None`.
pub fn says_nothing(withdrawn_mjd_tai: Option<f64>, psf_flux_err: Option<Option<f64>>) -> bool {
    let is_uncertain = |error: Option<f64>| error.is_none_or(|error| error <= 0.0);
    withdrawn_mjd_tai.is_some() || psf_flux_err.is_some_and(is_uncertain)
}

/// The numbers of a column that are of a plausible size; all `None` if there is no such column.
fn numbers(rows: &RecordBatch, name: &str) -> Result<Vec<Option<f64>>> {
    let Some(column) = rows.column_by_name(name) else { return Ok(vec![None; rows.num_rows()]) };
    let column = cast(column, &DataType::Float64)?;
    let values = column.as_primitive::<Float64Type>().iter();
    Ok(values.map(|value| value.filter(|value| value.abs() < MOST)).collect())
}

/// The values of a column as texts; all `None` if there is no such column.
fn texts(rows: &RecordBatch, name: &str) -> Result<Vec<Option<String>>> {
    let Some(column) = rows.column_by_name(name) else { return Ok(vec![None; rows.num_rows()]) };
    let column = cast(column, &DataType::Utf8)?;
    Ok(column.as_string::<i32>().iter().map(|text| text.map(str::to_string)).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int32Array};

    use super::*;

    #[test]
    fn columns_of_any_type_are_taken_and_missing_ones_missed() {
        let rows = RecordBatch::try_from_iter([
            ("r:midpointMjdTai", Arc::new(Float64Array::from(vec![61_000.5; 4])) as ArrayRef),
            (
                "r:psfFlux",
                Arc::new(Float64Array::from(vec![Some(7.0), None, Some(1e300), Some(-1.0)])),
            ),
            ("r:band", Arc::new(Int32Array::from(vec![Some(3), Some(3), Some(3), None]))),
            (WITHDRAWN, Arc::new(Float64Array::from(vec![Some(61_100.0), None, None, None]))),
        ]);
        let mut curve = LightCurve::default();
        let rows = rows.unwrap();
        curve.take_sources(&rows).unwrap();
        assert_eq!((curve.points.len(), curve.unplaced), (2, 2));
        for point in &curve.points {
            assert_eq!((point.kind, point.band.name), (PointKind::Valid, "other"));
            assert_eq!(point.flux_err_njy, 0.0);
        }
        let mut forced = LightCurve::default();
        forced.take_forced(&rows).unwrap();
        assert_eq!((forced.points.len(), forced.unplaced, forced.poor_forced), (1, 2, 1));
        let errors = [Some(1.0), Some(0.0), Some(-1.0), None, Some(f64::NAN), Some(f64::INFINITY)];
        let rows = RecordBatch::try_from_iter([
            ("r:midpointMjdTai", Arc::new(Float64Array::from(vec![61_000.5; 6])) as ArrayRef),
            ("r:psfFlux", Arc::new(Float64Array::from(vec![7.0; 6]))),
            ("r:psfFluxErr", Arc::new(Float64Array::from(errors.to_vec()))),
        ]);
        let mut forced = LightCurve::default();
        forced.take_forced(&rows.unwrap()).unwrap();
        assert_eq!((forced.points.len(), forced.poor_forced), (1, 5));
    }
}
