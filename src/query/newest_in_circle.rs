//! Goes through the light curves of objects, and keeps those whose newest source is in a circle.

use arrow::array::{AsArray, Float64Array, Int64Array, RecordBatch};

use super::circle::Circle;
use crate::error::{Error, Result};

/// An object in the circle.
pub(super) struct InCircle {
    pub separation_deg: f64,
    pub id: i64,
    /// The time of its first source; NaN if it has none.
    pub first_mjd: f64,
    /// The time of its newest source; NaN if it has none.
    pub last_mjd: f64,
}

/// Goes through light curves, object after object, the newest source first; those without a time may come before it.
pub(super) struct NewestInCircle {
    circle: Circle,
    found: Vec<InCircle>,
    /// The object whose sources are gone through.
    current: Option<Newest>,
}

/// The newest source of an object so far, and the time of the oldest.
struct Newest {
    id: i64,
    mjd: Option<f64>,
    /// `None` if it has no place.
    separation_deg: Option<f64>,
    first_mjd: f64,
}

impl NewestInCircle {
    /// Before the first light curve.
    pub(super) fn new(circle: Circle) -> Self {
        Self { circle, found: Vec::new(), current: None }
    }

    /// Takes rows of object, time and place.
    pub(super) fn take(&mut self, rows: &RecordBatch) -> Result<()> {
        let (ids, times) = (longs(rows, 0)?, doubles(rows, 1)?);
        let (ra, dec) = (doubles(rows, 2)?, doubles(rows, 3)?);
        let places = ra.iter().zip(dec).map(|(ra, dec)| ra.zip(dec));
        for ((id, mjd), place) in ids.iter().zip(times).zip(places) {
            let Some(id) = id else { continue };
            if let Some(newest) = self.current.as_mut().filter(|newest| newest.id == id) {
                newest.first_mjd = newest.first_mjd.min(mjd.unwrap_or(f64::NAN));
                if newest.mjd.is_some() || mjd.is_none() {
                    continue;
                }
            } else {
                self.end();
            }
            // NaN is no place.
            let separation_deg = place.and_then(|(ra, dec)| self.circle.separation_deg(ra, dec));
            let first_mjd = mjd.unwrap_or(f64::NAN);
            self.current = Some(Newest { id, mjd, separation_deg, first_mjd });
        }
        Ok(())
    }

    /// The objects whose newest source is in the circle, in the order in which they came.
    pub(super) fn finish(mut self) -> Vec<InCircle> {
        self.end();
        self.found
    }

    /// The sources of an object have ended.
    fn end(&mut self) {
        if let Some(Newest { id, mjd, separation_deg: Some(separation_deg), first_mjd }) =
            self.current.take()
        {
            let last_mjd = mjd.unwrap_or(f64::NAN);
            self.found.push(InCircle { separation_deg, id, first_mjd, last_mjd });
        }
    }
}

pub(super) fn longs(rows: &RecordBatch, column: usize) -> Result<&Int64Array> {
    rows.column(column).as_primitive_opt().ok_or_else(|| unlike(rows, column, "int64"))
}

pub(super) fn doubles(rows: &RecordBatch, column: usize) -> Result<&Float64Array> {
    rows.column(column).as_primitive_opt().ok_or_else(|| unlike(rows, column, "float64"))
}

/// The error of a column of a table of others that has another type than ours.
fn unlike(rows: &RecordBatch, column: usize, expected: &str) -> Error {
    let (schema, found) = (rows.schema(), rows.column(column).data_type());
    let name = schema.field(column).name();
    Error::argument(format!(
        "{name} is {found}, and {expected} is expected where places are looked for"
    ))
}
