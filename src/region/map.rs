//! Reads a map of the sky in FITS: a probability for each HEALPix cell, flat or of many orders, as LIGO, Virgo and KAGRA send it; or a MOC,
//! which has none. Sources: <https://emfollow.docs.ligo.org/userguide/tutorial/multiorder_skymaps.html>; the keywords of healpy's
//! `write_map`.

use cdshealpix::nested;

use super::cells::{CollectedCells, FINEST, LevelCell};
use super::fits::{FitsColumn, FitsTable};
use super::{Region, moc};
use crate::error::{Error, Result};
use crate::limits::HeldMemory;

/// A region from a map, and when its event was.
#[derive(Debug)]
pub struct SkyMap {
    /// The cells of the highest probability density whose probabilities add up to the level.
    pub region: Region,
    /// `DATE-OBS`: ISO 8601, in UTC.
    pub observed: Option<String>,
}

impl SkyMap {
    /// Reads a file. `level`: how much of the probability is wanted, above 0 and at most 1; needed for a map, and wrong for a MOC.
    pub fn from_fits(bytes: &[u8], level: Option<f64>, memory: HeldMemory) -> Result<Self> {
        let mut table = FitsTable::open(bytes)?;
        let observed = table.text("DATE-OBS").map(str::to_string);
        check_frame(&table)?;
        let mut cells = CollectedCells::new(memory);
        let density =
            ["PROBDENSITY", "PROB", "PROBABILITY"].iter().find_map(|name| table.column(name));
        let is_map = density.is_some();
        match (table.column("UNIQ"), density) {
            (Some(uniq), Some(density)) => {
                read_multi_order(&mut table, &uniq, &density, &mut cells)?
            }
            (None, Some(density)) => read_flat(&mut table, &density, &mut cells)?,
            (_, None) => moc::read_fits(&mut table, &mut cells)?,
        }
        match (is_map, level) {
            (true, Some(level)) => keep_level(&mut cells, level)?,
            (true, None) => {
                let text = "credible_level is missing: give how much of the map's probability, above 0 and at most 1";
                return Err(Error::argument(text));
            }
            (false, Some(_)) => return Err(no_level()),
            (false, None) => {}
        }
        Ok(Self { region: Region::new(cells, None)?, observed })
    }
}

/// The error of a level of a region that has no probabilities.
fn no_level() -> Error {
    Error::argument("credible_level is given, but the region has no probabilities: leave it out")
}

/// Cells are those of ICRS: a map in galactic coordinates has others.
fn check_frame(table: &FitsTable<'_>) -> Result<()> {
    match table.text("COORDSYS") {
        None | Some("C" | "c" | "ICRS" | "EQUATORIAL" | "EQUATOR") => Ok(()),
        Some(other) => Err(Error::argument(format!(
            "COORDSYS is {other:.40}: send a map in equatorial coordinates (C), of ICRS"
        ))),
    }
}

/// Cells of any order, by their numbers, with densities.
fn read_multi_order(
    table: &mut FitsTable<'_>,
    uniq: &FitsColumn,
    density: &FitsColumn,
    cells: &mut CollectedCells,
) -> Result<()> {
    table.for_each_row(|row| {
        let (number, density) = (moc::long(uniq, row)?, first(density, row)?);
        let cell = LevelCell::from_uniq(number, density);
        cells.push(cell.ok_or_else(|| moc::no_cell("UNIQ", number))?)
    })?;
    cells.sort()
}

fn first(column: &FitsColumn, row: &[u8]) -> Result<f64> {
    let value = column.doubles(row).and_then(|mut values| values.next());
    value.ok_or_else(no_density)
}

fn no_density() -> Error {
    Error::argument("the probabilities must be of format D or E")
}

/// All cells of one order, in their order; rows may have many of them.
fn read_flat(
    table: &mut FitsTable<'_>,
    column: &FitsColumn,
    cells: &mut CollectedCells,
) -> Result<()> {
    let nside = table.length("NSIDE")?;
    let order =
        nside.checked_ilog2().filter(|order| nside.is_power_of_two() && *order <= FINEST.into());
    let order = order
        .ok_or_else(|| Error::argument(format!("NSIDE is {nside}, which is no power of 2")))?;
    let (order, number) = (order as u8, 12 * nside * nside);
    if let Some("EXPLICIT") = table.text("INDXSCHM") {
        return Err(Error::argument(
            "INDXSCHM is EXPLICIT: send a map of all cells, or a multi-order map",
        ));
    }
    let is_ring = match table.text("ORDERING") {
        Some("RING") => true,
        Some("NESTED" | "NEST") => false,
        other => {
            let other = other.unwrap_or_default();
            return Err(Error::argument(format!("ORDERING is `{other:.40}`, not RING or NESTED")));
        }
    };
    if table.rows().checked_mul(column.repeat as u64) != Some(number) {
        return Err(Error::argument(format!(
            "there are {} rows of {} probabilities; NSIDE = {nside} has {number} cells",
            table.rows(),
            column.repeat
        )));
    }
    cells.reserve(number as usize)?;
    let (layer, mut next) = (nested::get(order), 0);
    table.for_each_row(|row| {
        let values = column.doubles(row);
        for value in values.ok_or_else(no_density)? {
            let number = if is_ring { layer.from_ring(next) } else { next };
            let cell = LevelCell::new(order, number, value);
            cells.push(cell.ok_or_else(|| moc::no_cell("cell", number))?)?;
            next += 1;
        }
        Ok(())
    })
}

/// Keeps the cells of the highest densities that have so much of the probability, each with the probability of all cells up to it.
fn keep_level(cells: &mut CollectedCells, level: f64) -> Result<()> {
    let all = &mut cells.cells;
    // healpy marks cells that were not observed by a negative number.
    all.retain(|cell| cell.level > 0.0);
    all.sort_unstable_by(|one, other| {
        other.level.total_cmp(&one.level).then(one.position.cmp(&other.position))
    });
    let probability = |cell: &LevelCell| cell.level * cell.size() as f64;
    let total: f64 = all.iter().map(probability).sum();
    if !(total.is_finite() && total > 0.0) {
        return Err(Error::argument(
            "the probabilities of the map do not add up to a positive number",
        ));
    }
    let (mut sum, mut kept) = (0.0, 0);
    for cell in all.iter_mut() {
        if sum >= level * total {
            break;
        }
        sum += probability(cell);
        (cell.level, kept) = (sum / total, kept + 1);
    }
    all.truncate(kept);
    all.sort_unstable_by_key(|cell| cell.position);
    Ok(())
}
