//! The places that a client sends in an exchange, as batches with the columns `ra` and `dec`, in memory that the budget of all exchanges has
//! granted.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::ids::first_names;
use crate::astronomy::is_place;
use crate::error::{Error, Kind, Result};
use crate::limits::HeldMemory;

/// Places being collected.
pub(crate) struct StreamedPlaces {
    /// Right ascensions and declinations in degrees.
    places: Vec<[f64; 2]>,
    most: usize,
    memory: HeldMemory,
}

impl StreamedPlaces {
    /// Takes at most `most` places.
    pub(crate) fn new(most: usize, memory: HeldMemory) -> Self {
        Self { places: Vec::new(), most, memory }
    }

    /// Takes the places of a batch. Errors: `Argument` without columns of numbers or for what is no place, `TooLarge` over the limit,
    /// `Busy` where there is no memory for them.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let [ra, dec] = [degrees(batch, "ra")?, degrees(batch, "dec")?];
        self.reserve(batch.num_rows())?;
        let (ra, dec) = (ra.as_primitive::<Float64Type>(), dec.as_primitive::<Float64Type>());
        for (ra, dec) in ra.iter().zip(dec) {
            let place = ra.zip(dec).map(|(ra, dec)| [ra, dec]);
            let Some(place) = place.filter(|place| is_place(*place)) else {
                let (number, value) = (self.places.len(), |value: Option<f64>| {
                    value.map_or("null".to_string(), |value| value.to_string())
                });
                return Err(Error::argument(format!(
                    "place {number}: ra is {} and dec is {}; give degrees, dec from -90 to 90",
                    value(ra),
                    value(dec)
                )));
            };
            self.places.push(place);
        }
        Ok(())
    }

    fn reserve(&mut self, more: usize) -> Result<()> {
        let needed = self.places.len() + more;
        if needed > self.most {
            let most = self.most;
            let text = format!("an exchange takes {most} places at most; send them in several");
            return Err(Error::new(Kind::TooLarge, text));
        }
        if needed > self.places.capacity() {
            let capacity = needed.max(2 * self.places.capacity()).min(self.most);
            self.memory.resize(capacity * size_of::<[f64; 2]>())?;
            self.places.reserve_exact(capacity - self.places.len());
        }
        Ok(())
    }

    /// The places, in the order in which they came. Their memory is granted only as long as they are not moved out.
    pub(crate) fn as_slice(&self) -> &[[f64; 2]] {
        &self.places
    }
}

/// A column of numbers, whatever their type. The name may have capitals.
fn degrees(batch: &RecordBatch, name: &str) -> Result<ArrayRef> {
    let fields = batch.schema_ref().fields();
    let found = fields.iter().position(|field| field.name().eq_ignore_ascii_case(name));
    let column = found.map(|found| batch.column(found)).ok_or_else(|| {
        let (count, names) = (batch.num_columns(), first_names(batch));
        Error::argument(format!(
            "the batches need a column {name} of degrees, and have {count} columns: {names:?}"
        ))
    })?;
    let data_type = column.data_type();
    if !data_type.is_numeric() {
        let data_type = data_type.to_string();
        return Err(Error::argument(format!(
            "column {name} is of type {data_type:.100}; send degrees as float64"
        )));
    }
    Ok(cast(column, &DataType::Float64)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float32Array, Float64Array, Int16Array, StringArray};

    use super::*;
    use crate::limits::Budget;

    fn batch(ra: ArrayRef, dec: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("RA", ra, true), ("dec", dec, true)]).unwrap()
    }

    fn places(most: usize) -> StreamedPlaces {
        StreamedPlaces::new(most, Budget::new("places", 1 << 20).hold())
    }

    #[test]
    fn places_of_any_numbers_keep_their_order() {
        let mut places = places(3);
        let (ra, dec) = (Float64Array::from(vec![370.5, -1.0]), Int16Array::from(vec![90, -90]));
        places.add(&batch(Arc::new(ra), Arc::new(dec))).unwrap();
        let one: ArrayRef = Arc::new(Float32Array::from(vec![0.5]));
        places.add(&batch(one.clone(), one.clone())).unwrap();
        assert_eq!(places.as_slice(), [[370.5, 90.0], [-1.0, -90.0], [0.5, 0.5]]);
        let error = places.add(&batch(one.clone(), one)).unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("3 places")), (Kind::TooLarge, true));
    }

    #[test]
    fn what_is_no_place_is_named() {
        let good = || Arc::new(Float64Array::from(vec![Some(1.0), Some(2.0)])) as ArrayRef;
        let doubles = |second| Arc::new(Float64Array::from(vec![Some(1.0), second])) as ArrayRef;
        for (ra, dec, why) in [
            (good(), doubles(Some(90.5)), "place 1: ra is 2 and dec is 90.5"),
            (doubles(None), good(), "place 1: ra is null"),
            (doubles(Some(f64::INFINITY)), good(), "place 1: ra is inf"),
            (good(), doubles(Some(f64::NAN)), "dec is NaN"),
            (good(), Arc::new(StringArray::from(vec!["1", "2"])), "column dec is of type Utf8"),
        ] {
            let error = places(9).add(&batch(ra, dec)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let other = RecordBatch::try_from_iter([("ra", good()), ("decl", good())]).unwrap();
        let error = places(9).add(&other).unwrap_err().to_string();
        assert!(
            error.contains(r#"a column dec of degrees, and have 2 columns: ["ra", "decl"]"#),
            "{error}"
        );
    }
}
