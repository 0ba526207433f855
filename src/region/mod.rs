//! Regions of the sky (ICRS). The bytes of a map or a MOC, or the corners of a polygon, come in from a client; a [`Region`] goes out, which
//! tells whether a place lies in it, and in which cells of the sky to look.
//!
//! Nothing that a file says of itself is believed before it is checked, and all memory that grows with it is counted.

mod fits;
mod map;
mod moc;
mod polygon;
#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash, Hasher};

use self::polygon::Polygon;
use crate::astronomy::cell;
use crate::error::{Error, Result};
use crate::limits::HeldMemory;

pub use self::map::SkyMap;
pub use self::moc::MocCells;
pub use self::polygon::MOST_CORNERS;

/// The order of cells by which a place is found in a region: 0.4 milliarcseconds.
const FINEST: u8 = 29;
/// The most cells of a region. A map of nside 1024 has as many.
const MOST_CELLS: usize = 12 << 20;

/// A part of the sky.
#[derive(Debug)]
pub struct Region {
    /// Cells that lie in it as a whole: ascending, none in another.
    cells: Vec<LevelCell>,
    /// Cells on its rim, in the same order, and what of them is within.
    rim: Option<(Vec<LevelCell>, Polygon)>,
    /// Differs between different regions.
    digest: u64,
    _memory: HeldMemory,
}

/// A HEALPix cell of any order, nested.
#[derive(Clone, Copy, Debug, PartialEq)]
struct LevelCell {
    /// The first bits are its number, then a one, then zeros: those of cells next to each other follow each other, whatever their orders.
    position: u64,
    /// Its credible level, 0 to 1; NaN in a region without probabilities. While a map is read, the density of its probability.
    level: f64,
}

impl LevelCell {
    /// A cell of an order; `None` if there is none of this number.
    fn new(order: u8, number: u64, level: f64) -> Option<Self> {
        let exists = order <= FINEST && number < 12 << (2 * order);
        exists.then(|| Self { position: (2 * number + 1) << (2 * (FINEST - order)), level })
    }

    /// A cell by the number that FITS files have of it: 4 * 4^order + number.
    fn from_uniq(uniq: u64, level: f64) -> Option<Self> {
        let order = (uniq.checked_ilog2()? / 2).checked_sub(1)? as u8;
        Self::new(order, uniq.checked_sub(4 << (2 * order.min(FINEST)))?, level)
    }

    /// How many cells of the finest order it has.
    fn size(&self) -> u64 {
        self.position & self.position.wrapping_neg()
    }

    /// The first of them.
    fn first(&self) -> u64 {
        (self.position - self.size()) / 2
    }

    /// The one after the last of them.
    fn end(&self) -> u64 {
        self.first() + self.size()
    }
}

/// Cells that are being collected, in memory that is counted.
struct Cells {
    cells: Vec<LevelCell>,
    memory: HeldMemory,
}

impl Cells {
    fn new(memory: HeldMemory) -> Self {
        Self { cells: Vec::new(), memory }
    }

    /// Adds one. Errors: `Argument` over [`MOST_CELLS`], `Busy` where there is no memory for them.
    fn push(&mut self, cell: LevelCell) -> Result<()> {
        if self.cells.len() == self.cells.capacity() {
            let left = MOST_CELLS - self.cells.len();
            self.reserve(self.cells.len().clamp(1024, 1 << 20).min(left).max(1))?;
        }
        self.cells.push(cell);
        Ok(())
    }

    /// Makes room for more. Errors: as above.
    fn reserve(&mut self, more: usize) -> Result<()> {
        if more > MOST_CELLS - self.cells.len() {
            let text = format!("there are more than {MOST_CELLS} cells: send fewer");
            return Err(Error::argument(text));
        }
        self.memory.resize((self.cells.len() + more) * size_of::<LevelCell>())?;
        self.cells.reserve_exact(more);
        Ok(())
    }

    /// Adds the cells of the finest order from one to another, as few as they make.
    fn push_range(&mut self, mut from: u64, to: u64) -> Result<()> {
        while from < to {
            let most = from.trailing_zeros().min(2 * u32::from(FINEST));
            let size = 1 << (most.min((to - from).ilog2()) & !1);
            self.push(LevelCell { position: 2 * from + size, level: f64::NAN })?;
            from += size;
        }
        Ok(())
    }

    /// Puts them in order. Errors: `Argument` if one lies in another.
    fn sort(&mut self) -> Result<()> {
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

    /// The region that they make, which are in order.
    fn into_region(mut self, rim: Option<(Vec<LevelCell>, Polygon)>) -> Result<Region> {
        self.cells.shrink_to_fit();
        self.memory.resize(self.cells.capacity() * size_of::<LevelCell>())?;
        let mut hash = DefaultHasher::new();
        for cell in &self.cells {
            (cell.position, cell.level.to_bits()).hash(&mut hash);
        }
        if let Some((_, polygon)) = &rim {
            polygon.hash(&mut hash);
        }
        Ok(Region { cells: self.cells, rim, digest: hash.finish(), _memory: self.memory })
    }
}

impl Region {
    /// The credible level of a place, NaN where the region has no probabilities; `None` if it does not lie there.
    pub fn level(&self, place: [f64; 2]) -> Option<f64> {
        let at = cell(FINEST, place)? as u64;
        if let Some(cell) = holding(&self.cells, at) {
            return Some(cell.level);
        }
        let (rim, polygon) = self.rim.as_ref()?;
        let cell = holding(rim, at)?;
        polygon.holds(place).then_some(cell.level)
    }

    /// The cells of an order that it has some of, ascending; `None` where they are more than `most`.
    pub fn cells(&self, order: u8, most: usize) -> Option<Vec<i64>> {
        let shift = 2 * (FINEST - order);
        let rim = self.rim.iter().flat_map(|(rim, _)| rim);
        let within = |cell: &LevelCell| cell.first() >> shift..=(cell.end() - 1) >> shift;
        let ranges = || self.cells.iter().chain(rim.clone()).map(within);
        let number = ranges().try_fold(0_u64, |sum, range| {
            Some(sum + (range.end() - range.start() + 1)).filter(|sum| *sum <= 4 * most as u64)
        });
        number?;
        let mut cells: Vec<_> = ranges().flatten().map(|cell| cell as i64).collect();
        cells.sort_unstable();
        cells.dedup();
        (cells.len() <= most).then_some(cells)
    }
}

impl Hash for Region {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// The cell that has a cell of the finest order.
fn holding(cells: &[LevelCell], at: u64) -> Option<&LevelCell> {
    let after = cells.partition_point(|cell| cell.first() <= at);
    cells.get(after.checked_sub(1)?).filter(|cell| at < cell.end())
}
