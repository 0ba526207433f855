//! The markers of a plot: the shapes for a band and a kind of point, in pixels.

use std::f64::consts::{PI, TAU};

use plotters::prelude::*;

use super::band::{BandStyle, Symbol};
use super::points::PointKind;

/// The radius of a marker.
const RADIUS_PX: f64 = 8.0;
const FORCED_RADIUS_PX: f64 = 5.5;
const LINE_PX: u32 = 2;

/// A part of a marker.
pub(crate) enum Part {
    Filled(Polygon<(i32, i32)>),
    Line(PathElement<(i32, i32)>),
}

/// The marker of a kind of point: filled for a detection, with a cross through it where its quality is bad, open for forced
/// photometry, an arrow down for an upper limit.
pub(crate) fn marker(band: &BandStyle, kind: PointKind) -> Vec<Part> {
    let colour = band.light.stroke_width(LINE_PX);
    let line = |corners: Vec<(i32, i32)>| Part::Line(PathElement::new(corners, colour));
    let outline = |radius_px| closed(outline(band.symbol, radius_px));
    match kind {
        PointKind::Valid => {
            let edge = PathElement::new(outline(RADIUS_PX), BLACK.mix(0.45).stroke_width(1));
            let shape = Polygon::new(outline(RADIUS_PX), band.light.filled());
            vec![Part::Filled(shape), Part::Line(edge)]
        }
        PointKind::BadQuality => {
            let r = RADIUS_PX as i32;
            let cross = [line(vec![(-r, -r), (r, r)]), line(vec![(-r, r), (r, -r)])];
            cross.into_iter().chain([line(outline(RADIUS_PX))]).collect()
        }
        PointKind::Forced => vec![line(outline(FORCED_RADIUS_PX))],
        PointKind::UpperLimit => vec![
            line(vec![(-6, 0), (6, 0)]),
            line(vec![(0, 0), (0, 20)]),
            line(vec![(-5, 13), (0, 20), (5, 13)]),
        ],
    }
}

/// The marker of an upper limit among very many: its arrow alone, small.
pub(crate) fn small_limit(band: &BandStyle) -> Part {
    let colour = band.light.stroke_width(1);
    Part::Line(PathElement::new(vec![(0, 0), (0, 9), (-2, 6), (0, 9), (2, 6)], colour))
}

fn closed(mut outline: Vec<(i32, i32)>) -> Vec<(i32, i32)> {
    outline.extend(outline.first().copied());
    outline
}

/// The corners of a symbol around its middle; y grows downwards.
fn outline(symbol: Symbol, radius_px: f64) -> Vec<(i32, i32)> {
    let (corners, turn) = match symbol {
        Symbol::Circle => (24, 0.0),
        Symbol::TriangleUp => (3, 0.0),
        Symbol::TriangleDown => (3, PI),
        Symbol::Square => (4, PI / 4.0),
        Symbol::Star => (10, 0.0),
        Symbol::Pentagon => (5, 0.0),
        Symbol::Diamond => (4, 0.0),
    };
    let corner = |i: usize| {
        let angle = turn + TAU * i as f64 / corners as f64;
        let inward = symbol == Symbol::Star && i % 2 == 1;
        let radius_px = if inward { 0.45 * radius_px } else { radius_px };
        let (x, y) = (radius_px * angle.sin(), -radius_px * angle.cos());
        (x.round() as i32, y.round() as i32)
    };
    (0..corners).map(corner).collect()
}
