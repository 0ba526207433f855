//! The points of a light curve. In: rows of the endpoints, by their served names. Out: [`Point`]s.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::band::{self, Band};
use crate::error::{Error, Result};

/// What a measurement is.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Kind {
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
    pub kind: Kind,
    pub band: &'static Band,
    /// TAI.
    pub mjd: f64,
    /// On the difference image.
    pub flux_njy: f64,
    /// 0 where it is not known.
    pub flux_err_njy: f64,
}

/// The detections and upper limits among the rows of `sources` with upper limits, told apart by `v:tag`; all that was forced is in
/// [`forced`].
pub fn tagged(rows: &RecordBatch) -> Result<Vec<Point>> {
    let (tags, limits) = (column(rows, "v:tag")?, numbers(rows, "v:fluxLimit")?);
    let tags = cast(&tags, &DataType::Utf8)?;
    let tags = tags.as_string::<i32>();
    let kind = |row| match tags.value(row) {
        "valid" => Some((Kind::Valid, None)),
        "upperlim" => Some((Kind::UpperLimit, limits[row])),
        "forced" | "badforced" => None,
        _ => Some((Kind::BadQuality, None)),
    };
    points(rows, kind)
}

/// The rows of `fp`.
pub fn forced(rows: &RecordBatch) -> Result<Vec<Point>> {
    points(rows, |_| Some((Kind::Forced, None)))
}

/// `kind` tells what a row is, and its flux where that is not the measured one; `None` leaves the row out.
fn points(
    rows: &RecordBatch,
    kind: impl Fn(usize) -> Option<(Kind, Option<f64>)>,
) -> Result<Vec<Point>> {
    let mjd = numbers(rows, "r:midpointMjdTai")?;
    let (flux, flux_err) = (numbers(rows, "r:psfFlux")?, numbers(rows, "r:psfFluxErr")?);
    let bands = cast(&column(rows, "r:band")?, &DataType::Utf8)?;
    let bands = bands.as_string::<i32>();
    let points = (0..rows.num_rows()).filter_map(|row| {
        let (kind, limit) = kind(row)?;
        let band = if bands.is_null(row) { &band::OTHER } else { band::named(bands.value(row)) };
        let flux_err_njy = flux_err[row].unwrap_or_default();
        Some(Point { kind, band, mjd: mjd[row]?, flux_njy: limit.or(flux[row])?, flux_err_njy })
    });
    Ok(points.collect())
}

/// The finite values of a column.
fn numbers(rows: &RecordBatch, name: &str) -> Result<Vec<Option<f64>>> {
    let column = cast(&column(rows, name)?, &DataType::Float64)?;
    let values = column.as_primitive::<Float64Type>().iter();
    Ok(values.map(|value| value.filter(|value| value.is_finite())).collect())
}

fn column(rows: &RecordBatch, name: &str) -> Result<arrow::array::ArrayRef> {
    let column = rows.column_by_name(name).cloned();
    column
        .ok_or_else(|| Error::input(format!("the table has no column {name}, which a plot takes")))
}
