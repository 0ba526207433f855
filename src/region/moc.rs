//! Reads a MOC (Multi-Order Coverage map), the cells of a part of the sky: in FITS, or in JSON.
//! Source: IVOA recommendation MOC 2.0, <https://www.ivoa.net/documents/MOC/>.

use super::Region;
use super::cells::{CollectedCells, FINEST, LevelCell};
use super::fits::{FitsColumn, FitsTable};
use crate::error::{Error, Result};
use crate::limits::HeldMemory;

/// Reads the cells of a table: their numbers, of any order, or ranges of those of order 29.
pub(super) fn read_fits(table: &mut FitsTable<'_>, cells: &mut CollectedCells) -> Result<()> {
    if table.text("MOCDIM").is_some_and(|dimension| dimension != "SPACE") {
        return Err(Error::argument("MOCDIM must be SPACE: send a MOC of the sky alone"));
    }
    match (table.text("ORDERING"), table.column("RANGE"), table.column("UNIQ")) {
        (Some("RANGE"), column, _) => {
            // The standard does not fix the name of the only column.
            let range = column.or_else(|| table.first_column());
            read_ranges(table, &range.ok_or_else(|| no_map(table))?, cells)
        }
        (Some("NUNIQ"), _, uniq) => {
            let uniq = uniq.or_else(|| table.first_column());
            read_numbers(table, &uniq.ok_or_else(|| no_map(table))?, cells)
        }
        _ => Err(no_map(table)),
    }?;
    cells.sort()
}

fn no_map(table: &FitsTable<'_>) -> Error {
    Error::argument(format!(
        "the table is no map and no MOC: its columns are {}; a map has PROB, or UNIQ and PROBDENSITY",
        table.names()
    ))
}

fn read_numbers(
    table: &mut FitsTable<'_>,
    uniq: &FitsColumn,
    cells: &mut CollectedCells,
) -> Result<()> {
    table.for_each_row(|row| {
        let number = long(uniq, row)?;
        let cell = LevelCell::from_uniq(number, f64::NAN);
        cells.push(cell.ok_or_else(|| no_cell("UNIQ", number))?)
    })
}

/// Rows are, in turn, the first cell of a range and the one after its last.
fn read_ranges(
    table: &mut FitsTable<'_>,
    range: &FitsColumn,
    cells: &mut CollectedCells,
) -> Result<()> {
    let (mut from, most) = (None, 12 << (2 * FINEST));
    table.for_each_row(|row| {
        let number = long(range, row)?;
        match from.take() {
            _ if number > most => Err(no_cell("RANGE", number)),
            None => {
                from = Some(number);
                Ok(())
            }
            Some(from) if from < number => cells.push_range(from, number),
            Some(from) => {
                let text = format!("the range from {from} to {number} has no cells");
                Err(Error::argument(text))
            }
        }
    })?;
    match from {
        None => Ok(()),
        Some(_) => Err(Error::argument("the last range of the MOC has no end")),
    }
}

pub(super) fn long(column: &FitsColumn, row: &[u8]) -> Result<u64> {
    let wrong = || Error::argument("the cells must be positive, of format K or J");
    column.long(row).ok_or_else(wrong)
}

pub(super) fn no_cell(what: &str, number: u64) -> Error {
    Error::argument(format!("{what} {number} is no cell of orders 0 to 29"))
}

/// A MOC that comes as orders and numbers of cells: JSON has `{"3": [1, 2], "5": [17]}`.
pub struct MocCells(CollectedCells);

impl MocCells {
    /// None yet.
    pub fn new(memory: HeldMemory) -> Self {
        Self(CollectedCells::new(memory))
    }

    /// Adds a cell. Errors: `Argument` where there is none of this order and number.
    pub fn push(&mut self, order: u8, number: u64) -> Result<()> {
        let cell = LevelCell::new(order, number, f64::NAN);
        let none = || Error::argument(format!("there is no cell {number} of order {order}"));
        self.0.push(cell.ok_or_else(none)?)
    }

    /// The region. Errors: `Argument` where cells lie in each other.
    pub fn into_region(mut self) -> Result<Region> {
        self.0.sort()?;
        Region::new(self.0, None)
    }
}
