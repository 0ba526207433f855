//! Goes through the light curves of objects, and keeps the newest source of each, where its place is one that is looked for.

use arrow::array::{AsArray, Float64Array, Int64Array, RecordBatch};

use crate::error::{Error, Result};

/// The newest source of an object.
pub(super) struct NewestSource {
    pub id: i64,
    /// Right ascension and declination in degrees.
    pub place: [f64; 2],
    /// The time of the first source; NaN if it has none.
    pub first_mjd: f64,
    /// The time of the newest source; NaN if it has none.
    pub last_mjd: f64,
}

/// Goes through light curves, object after object, the newest source first; those without a time may come before it.
pub(super) struct NewestSources<F> {
    /// Whether a place is looked for. One that is not finite never is.
    is_near: F,
    found: Vec<NewestSource>,
    /// The object whose sources are gone through.
    current: Option<CurrentObject>,
}

/// The newest source of an object so far, and the time of the oldest.
struct CurrentObject {
    id: i64,
    mjd: Option<f64>,
    /// `None` if it is not looked for.
    place: Option<[f64; 2]>,
    first_mjd: f64,
}

impl<F: FnMut([f64; 2]) -> bool> NewestSources<F> {
    /// Before the first light curve.
    pub(super) fn new(is_near: F) -> Self {
        Self { is_near, found: Vec::new(), current: None }
    }

    /// Takes rows of object, time and place.
    pub(super) fn take(&mut self, rows: &RecordBatch) -> Result<()> {
        let (ids, times) = (longs(rows, 0)?, doubles(rows, 1)?);
        for ((id, mjd), place) in ids.iter().zip(times).zip(places(rows, [2, 3])?) {
            let Some(id) = id else { continue };
            if let Some(newest) = self.current.as_mut().filter(|newest| newest.id == id) {
                newest.first_mjd = newest.first_mjd.min(mjd.unwrap_or(f64::NAN));
                if newest.mjd.is_some() || mjd.is_none() {
                    continue;
                }
            } else {
                self.end();
            }
            let place = place.filter(|place| (self.is_near)(*place));
            let first_mjd = mjd.unwrap_or(f64::NAN);
            self.current = Some(CurrentObject { id, mjd, place, first_mjd });
        }
        Ok(())
    }

    /// How many have been found.
    pub(super) fn found(&self) -> usize {
        self.found.len()
    }

    /// Takes out those that have been found.
    pub(super) fn take_found(&mut self) -> Vec<NewestSource> {
        std::mem::take(&mut self.found)
    }

    /// The objects whose newest source is looked for, in the order in which they came, without those that were taken out.
    pub(super) fn finish(mut self) -> Vec<NewestSource> {
        self.end();
        self.found
    }

    /// The sources of an object have ended.
    fn end(&mut self) {
        if let Some(CurrentObject { id, mjd, place: Some(place), first_mjd }) = self.current.take()
        {
            let last_mjd = mjd.unwrap_or(f64::NAN);
            self.found.push(NewestSource { id, place, first_mjd, last_mjd });
        }
    }
}

/// The places of rows, whose right ascensions and declinations are in these columns.
pub(super) fn places(
    rows: &RecordBatch,
    [ra, dec]: [usize; 2],
) -> Result<impl Iterator<Item = Option<[f64; 2]>>> {
    let (ra, dec) = (doubles(rows, ra)?, doubles(rows, dec)?);
    Ok(ra.iter().zip(dec).map(|(ra, dec)| Some([ra?, dec?])))
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
