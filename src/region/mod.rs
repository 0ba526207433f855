//! Regions of the sky (ICRS). The bytes of a map or a MOC, or the corners of a polygon, come in from a client; a [`Region`] goes out, which
//! tells whether a place lies in it, and in which cells of the sky to look.
//!
//! Nothing that a file says of itself is believed before it is checked, and all memory that grows with it is counted.

mod cells;
mod fits;
mod map;
mod moc;
mod polygon;
#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash, Hasher};

use self::cells::{CollectedCells, FINEST, LevelCell, holding};
use self::polygon::Polygon;
use crate::astronomy::cell;
use crate::error::Result;
use crate::limits::HeldMemory;

pub use self::map::SkyMap;
pub use self::moc::MocCells;
pub use self::polygon::MOST_CORNERS;

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

impl Region {
    /// The region of cells that are in order.
    fn new(mut found: CollectedCells, rim: Option<(Vec<LevelCell>, Polygon)>) -> Result<Self> {
        found.shrink()?;
        let CollectedCells { cells, memory } = found;
        let mut hash = DefaultHasher::new();
        for cell in &cells {
            (cell.position, cell.level.to_bits()).hash(&mut hash);
        }
        if let Some((_, polygon)) = &rim {
            polygon.hash(&mut hash);
        }
        Ok(Self { cells, rim, digest: hash.finish(), _memory: memory })
    }

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
