//! HEALPix cells of any order: as a number each, by which cells that are next to each other follow each other.

use crate::error::{Error, Result};
use crate::limits::HeldMemory;

/// The order of cells by which a place is found in a region: 0.4 milliarcseconds.
pub(super) const FINEST: u8 = 29;
/// The most cells of a region. A map of nside 1024 has as many.
const MOST_CELLS: usize = 12 << 20;

/// A HEALPix cell of any order, nested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LevelCell {
    /// The first bits are its number, then a one, then zeros: those of cells next to each other follow each other, whatever their orders.
    pub position: u64,
    /// Its credible level, 0 to 1; NaN in a region without probabilities. While a map is read, the density of its probability.
    pub level: f64,
}

impl LevelCell {
    /// A cell of an order; `None` if there is none of this number.
    pub(super) fn new(order: u8, number: u64, level: f64) -> Option<Self> {
        let exists = order <= FINEST && number < 12 << (2 * order);
        exists.then(|| Self { position: (2 * number + 1) << (2 * (FINEST - order)), level })
    }

    /// A cell by the number that FITS files have of it: 4 * 4^order + number.
    pub(super) fn from_uniq(uniq: u64, level: f64) -> Option<Self> {
        let order = (uniq.checked_ilog2()? / 2).checked_sub(1)? as u8;
        Self::new(order, uniq.checked_sub(4 << (2 * order.min(FINEST)))?, level)
    }

    /// How many cells of the finest order it has.
    pub(super) fn size(&self) -> u64 {
        self.position & self.position.wrapping_neg()
    }

    /// The first of them.
    pub(super) fn first(&self) -> u64 {
        (self.position - self.size()) / 2
    }

    /// The one after the last of them.
    pub(super) fn end(&self) -> u64 {
        self.first() + self.size()
    }
}

/// Cells that are being collected, in memory that is counted.
pub(super) struct CollectedCells {
    pub cells: Vec<LevelCell>,
    pub memory: HeldMemory,
}

impl CollectedCells {
    pub(super) fn new(memory: HeldMemory) -> Self {
        Self { cells: Vec::new(), memory }
    }

    /// Adds one. Errors: `Argument` over [`MOST_CELLS`], `Busy` where there is no memory for them.
    pub(super) fn push(&mut self, cell: LevelCell) -> Result<()> {
        if self.cells.len() == self.cells.capacity() {
            let left = MOST_CELLS - self.cells.len();
            self.reserve(self.cells.len().clamp(1024, 1 << 20).min(left).max(1))?;
        }
        self.cells.push(cell);
        Ok(())
    }

    /// Makes room for more. Errors: as above.
    pub(super) fn reserve(&mut self, more: usize) -> Result<()> {
        if more > MOST_CELLS - self.cells.len() {
            let text = format!("there are more than {MOST_CELLS} cells: send fewer");
            return Err(Error::argument(text));
        }
        self.memory.resize((self.cells.len() + more) * size_of::<LevelCell>())?;
        self.cells.reserve_exact(more);
        Ok(())
    }

    /// Adds the cells of the finest order from one to another, as few as they make.
    pub(super) fn push_range(&mut self, mut from: u64, to: u64) -> Result<()> {
        while from < to {
            let most = from.trailing_zeros().min(2 * u32::from(FINEST));
            let size = 1 << (most.min((to - from).ilog2()) & !1);
            self.push(LevelCell { position: 2 * from + size, level: f64::NAN })?;
            from += size;
        }
        Ok(())
    }

    /// Gives back what is not used.
    pub(super) fn shrink(&mut self) -> Result<()> {
        self.cells.shrink_to_fit();
        self.memory.resize(self.cells.capacity() * size_of::<LevelCell>())
    }

    /// Puts them in order. Errors: `Argument` if one lies in another.
    pub(super) fn sort(&mut self) -> Result<()> {
        self.cells.sort_unstable_by_key(|cell| cell.position);
        let overlap = self.cells.array_windows().find(|[one, next]| one.end() > next.first());
        match overlap {
            None => Ok(()),
            Some([one, next]) => Err(Error::argument(format!(
                "cells lie in each other: those of order 29 from {} and from {}",
                one.first(),
                next.first()
            ))),
        }
    }
}

/// The cell that has a cell of the finest order.
pub(super) fn holding(cells: &[LevelCell], at: u64) -> Option<&LevelCell> {
    let after = cells.partition_point(|cell| cell.first() <= at);
    cells.get(after.checked_sub(1)?).filter(|cell| at < cell.end())
}
