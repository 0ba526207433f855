//! The SQL function `in_cells`: whether a place lies in a region of the sky, which is given as HEALPix cells.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::function::SECTION;
use super::sky::{MOST_ORDER, cell};
use crate::error::{self, Error};

/// The function that tells whether a place lies in some cells.
pub const IN_CELLS: &str = "in_cells";

const ABOUT: &str = "Whether a place lies in one of some HEALPix cells, nested; null where ra_deg is not finite or dec_deg is not within -90 to 90. \
    Source: Gorski et al. 2005, ApJ 622, 759.";

/// Cells of one order.
#[derive(Debug, PartialEq)]
pub struct CellList {
    /// 0 to 29: the sphere has 12 * 4^order of them.
    pub order: u8,
    /// Their numbers in the nested scheme: ascending, each once.
    pub cells: Vec<i64>,
}

impl CellList {
    /// The cells that two constants name; `None` where one of them is null. Errors: `Argument` for an order or a cell that does not exist.
    pub fn from_values(order: &ScalarValue, cells: &ScalarValue) -> error::Result<Option<Self>> {
        let (ScalarValue::Int64(order), ScalarValue::List(list)) = (order, cells) else {
            return Err(Error::internal(format!("{IN_CELLS}: the types of {order} and {cells}")));
        };
        let (Some(order), Some(list)) = (order, list.iter().next().flatten()) else {
            return Ok(None);
        };
        let wrong = |what: String| Err(Error::argument(format!("{IN_CELLS}: {what}")));
        if !(0..=MOST_ORDER as i64).contains(order) {
            return wrong(format!("order is {order}; give a whole number from 0 to 29"));
        }
        let mut cells: Vec<i64> = list.as_primitive::<Int64Type>().iter().flatten().collect();
        let number = 12_i64 << (2 * order);
        if let Some(cell) = cells.iter().find(|cell| !(0..number).contains(*cell)) {
            return wrong(format!(
                "there is no cell {cell} of order {order}; they end before {number}"
            ));
        }
        cells.sort_unstable();
        cells.dedup();
        Ok(Some(Self { order: *order as u8, cells }))
    }

    /// Whether a place is in one of them; `None` if it is no place.
    fn have(&self, place: [f64; 2]) -> Option<bool> {
        cell(self.order, place).map(|cell| self.cells.binary_search(&cell).is_ok())
    }

    /// All cells of a finer order within these, or of a coarser one that have some of them, ascending; `None` where they are more than
    /// `most`.
    pub fn of_order(&self, order: u8, most: usize) -> Option<Vec<i64>> {
        if order <= self.order {
            let shift = 2 * (self.order - order);
            let mut cells: Vec<_> = self.cells.iter().map(|cell| cell >> shift).collect();
            cells.dedup();
            return (cells.len() <= most).then_some(cells);
        }
        let shift = 2 * (order - self.order);
        let number = (self.cells.len() as u64).checked_mul(1 << shift)?;
        let within = |cell: &i64| (cell << shift)..((cell + 1) << shift);
        (number <= most as u64).then(|| self.cells.iter().flat_map(within).collect())
    }
}

/// The function, of columns of doubles and two constants.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct InCells {
    signature: Signature,
    documentation: Documentation,
}

impl Default for InCells {
    fn default() -> Self {
        let list = DataType::new_list(DataType::Int64, true);
        let types = vec![DataType::Float64, DataType::Float64, DataType::Int64, list];
        let names = ["ra_deg", "dec_deg", "order", "cells"];
        let syntax = format!("{IN_CELLS}({})", names.join(", "));
        let documentation = Documentation::builder(SECTION, ABOUT, syntax)
            .with_argument(names[0], "right ascension in degrees (ICRS)")
            .with_argument(names[1], "declination in degrees (ICRS)")
            .with_argument(
                names[2],
                "whole number from 0 to 29, a constant: the sphere has 12 * 4^order cells",
            )
            .with_argument(names[3], "the numbers of the cells, a constant list such as [12, 13]");
        let signature = Signature::exact(types, Volatility::Immutable);
        let names = names.map(String::from).to_vec();
        Self {
            signature: Signature { parameter_names: Some(names), ..signature },
            documentation: documentation.build(),
        }
    }
}

impl ScalarUDFImpl for InCells {
    fn name(&self) -> &str {
        IN_CELLS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ra, dec, order, cells] = &arguments.args[..] else {
            return internal_err!("{IN_CELLS} has four arguments");
        };
        let (ColumnarValue::Scalar(order), ColumnarValue::Scalar(cells)) = (order, cells) else {
            let text = format!(
                "{IN_CELLS}: order and cells are constants; join with a table of cells by healpix_index"
            );
            return Err(Error::argument(text).into());
        };
        let Some(list) = CellList::from_values(order, cells)? else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None)));
        };
        let [ra, dec] = [ra, dec].map(|value| value.to_array(arguments.number_rows));
        let (ra, dec) = (ra?, dec?);
        let (ra, dec) = (ra.as_primitive::<Float64Type>(), dec.as_primitive::<Float64Type>());
        let is_in = ra.iter().zip(dec).map(|(ra, dec)| list.have([ra?, dec?]));
        Ok(ColumnarValue::Array(Arc::new(is_in.collect::<BooleanArray>())))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(order: u8, cells: &[i64]) -> CellList {
        CellList { order, cells: cells.to_vec() }
    }

    #[test]
    fn cells_of_another_order_are_those_within_or_around() {
        let cells = list(1, &[3, 5, 6, 7]);
        assert_eq!(cells.of_order(0, 9), Some(vec![0, 1]));
        assert_eq!(cells.of_order(1, 9), Some(vec![3, 5, 6, 7]));
        assert_eq!(list(1, &[3, 5]).of_order(2, 8), Some(vec![12, 13, 14, 15, 20, 21, 22, 23]));
        assert_eq!(list(1, &[3, 5]).of_order(2, 7), None);
        assert_eq!(cells.of_order(0, 1), None);
        assert_eq!(list(0, &[0, 11]).of_order(29, 1 << 20), None);
    }
}
