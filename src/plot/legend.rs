//! The legend above a plot: a marker and a word for each band and kind of point that is drawn.

use std::collections::HashSet;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::band::{ANY, BANDS, BandStyle, OTHER};
use super::marker::{Part, marker};
use super::points::{Point, PointKind};

const TEXT_PX: i32 = 24;
/// The average width of a letter.
const LETTER_PX: i32 = 13;
const GAP_PX: i32 = 28;

/// The names of the kinds, in the order in which they are shown.
const KINDS: [(PointKind, &str); 4] = [
    (PointKind::Valid, "detection"),
    (PointKind::BadQuality, "of bad quality"),
    (PointKind::Forced, "forced photometry"),
    (PointKind::UpperLimit, "5 sigma limit"),
];

/// Draws a line of markers and words for what is among the points, from `(x, y)` on.
pub(crate) fn draw<'a, DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    (mut x, y): (i32, i32),
    points: impl Iterator<Item = &'a Point>,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let (mut shown_bands, mut shown_kinds) = (HashSet::new(), HashSet::new());
    for point in points {
        shown_bands.insert(point.band.name);
        shown_kinds.insert(point.kind);
    }
    let bands = BANDS.iter().chain([&OTHER]);
    let bands = bands.filter(|band| shown_bands.contains(band.name));
    let bands: Vec<(&'static BandStyle, PointKind, &str)> =
        bands.map(|band| (band, PointKind::Valid, told(band))).collect();
    let kinds = KINDS.iter().filter(|(kind, _)| shown_kinds.contains(kind));
    let kinds = kinds.map(|&(kind, name)| (&ANY, kind, name));
    for (band, kind, name) in bands.into_iter().chain(kinds) {
        let middle = if kind == PointKind::UpperLimit { y - TEXT_PX / 3 } else { y };
        for part in marker(band, kind) {
            let at = EmptyElement::at((x, middle));
            match part {
                Part::Filled(shape) => area.draw(&(at + shape))?,
                Part::Line(line) => area.draw(&(at + line))?,
            }
        }
        let style = ("sans-serif", TEXT_PX).into_font().color(&BLACK);
        area.draw(&Text::new(name.to_string(), (x + 16, y - TEXT_PX / 2), style))?;
        x += 16 + LETTER_PX * name.len() as i32 + GAP_PX;
    }
    Ok(())
}

fn told(band: &'static BandStyle) -> &'static str {
    if band.name == OTHER.name { "other or no band" } else { band.name }
}
