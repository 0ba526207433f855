//! Draws the points of an object as SVG: time in MJD below and as UTC dates above, flux or magnitude to the left.
//!
//! Drawn at twice its size and shown at half of it: the coordinates of the backend are whole pixels.

#[cfg(test)]
mod tests;

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::marker::{Part, marker, small_limit};
use super::notes::{MOST_FULL_LIMITS, notes};
use super::points::{LightCurve, Point, PointKind};
use super::ticks::{self, Tick};
use super::{Quantity, legend};
use crate::astronomy::{ab_mag, ab_mag_err};
use crate::error::{Error, Result};

const WIDTH_PX: u32 = 960;
const HEIGHT_PX: u32 = 540;
/// On the axis above; more would run into each other.
const MOST_DATES: usize = 6;

/// A point as it is drawn.
struct Placed<'a> {
    point: &'a Point,
    /// Magnitudes are negated: bright is up.
    y: f64,
    y_err: f64,
}

/// Draws a light curve; `missing` are the columns that the tables lack.
pub fn svg(
    title: &str,
    curve: &LightCurve,
    quantity: Quantity,
    missing: &[String],
) -> Result<String> {
    let mut placed: Vec<Placed> =
        curve.points.iter().filter_map(|point| place(point, quantity)).collect();
    // Detections are drawn last, on top of the other points.
    placed.sort_by_key(|placed| match placed.point.kind {
        PointKind::UpperLimit => 0,
        PointKind::Forced => 1,
        PointKind::BadQuality => 2,
        PointKind::Valid => 3,
    });
    let limits = placed.iter().filter(|placed| placed.point.kind == PointKind::UpperLimit).count();
    let notes = notes(curve, quantity, (placed.len(), limits), missing).join("; ");
    let mut svg = String::new();
    draw(&mut svg, title, &notes, &placed, quantity)
        .map_err(|error| Error::internal(format!("drawing a light curve: {error}")))?;
    let drawn = format!("width=\"{}\" height=\"{}\"", 2 * WIDTH_PX, 2 * HEIGHT_PX);
    Ok(svg.replacen(&drawn, &format!("width=\"{WIDTH_PX}\" height=\"{HEIGHT_PX}\""), 1))
}

/// Where a point is drawn; a limit has its place among magnitudes alone: among fluxes the measurement itself can be shown.
fn place(point: &Point, quantity: Quantity) -> Option<Placed<'_>> {
    let (y, y_err) = match (quantity, point.kind) {
        (Quantity::Flux, PointKind::UpperLimit) => return None,
        (Quantity::Flux, _) => (point.flux_njy, point.flux_err_njy),
        (Quantity::Magnitude, PointKind::UpperLimit) => (-ab_mag(point.flux_njy)?, 0.0),
        (Quantity::Magnitude, _) => (
            -ab_mag(point.flux_njy)?,
            ab_mag_err(point.flux_njy, point.flux_err_njy).unwrap_or_default(),
        ),
    };
    // A forced measurement below the noise has no meaningful magnitude; it is shown as an upper limit if it is one.
    let noise = point.kind == PointKind::Forced && point.flux_njy < 3.0 * point.flux_err_njy;
    (quantity == Quantity::Flux || !noise).then_some(Placed { point, y, y_err })
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;
type Root<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(
    svg: &mut String,
    title: &str,
    notes: &str,
    placed: &[Placed],
    quantity: Quantity,
) -> Drawn {
    let root = SVGBackend::with_string(svg, (2 * WIDTH_PX, 2 * HEIGHT_PX)).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new(title.to_string(), (40, 22), text(30)))?;
    root.draw(&Text::new(notes.to_string(), (40, 60), text(20)))?;
    if placed.is_empty() {
        // No axes: they would have no range.
        let (x, y) = (WIDTH_PX as i32 - 220, HEIGHT_PX as i32);
        root.draw(&Text::new("There is nothing to draw here.", (x, y), text(30)))?;
    } else {
        legend::draw(&root, (52, 106), placed.iter().map(|placed| placed.point))?;
        draw_points(&root, placed, quantity)?;
    }
    root.present()?;
    Ok(())
}

fn draw_points(root: &Root, placed: &[Placed], quantity: Quantity) -> Drawn {
    let times = range(placed.iter().map(|placed| placed.point.mjd));
    let heights = range(placed.iter().flat_map(|p| [p.y - p.y_err, p.y + p.y_err]));
    let mut chart = ChartBuilder::on(root)
        .margin(24)
        .margin_top(172)
        .x_label_area_size(84)
        .y_label_area_size(140)
        .build_cartesian_2d(times.clone(), heights.clone())?;
    chart
        .configure_mesh()
        .bold_line_style(BLACK.mix(0.12))
        .light_line_style(TRANSPARENT)
        .label_style(text(24))
        .axis_desc_style(text(26))
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&|mjd| decimals(*mjd, &times))
        .y_label_formatter(&|y| match quantity {
            Quantity::Flux => decimals(*y, &heights),
            Quantity::Magnitude => decimals(-y, &heights),
        })
        .x_desc("MJD (TAI)")
        .y_desc(match quantity {
            Quantity::Flux => "psfFlux on the difference image (nJy)",
            Quantity::Magnitude => "AB magnitude of psfFlux",
        })
        .draw()?;
    let above = |h_pos| text(22).pos(Pos::new(h_pos, VPos::Bottom));
    let (left, top) = chart.backend_coord(&(times.start, heights.end));
    root.draw(&Text::new("UTC", (left - 14, top - 10), above(HPos::Right)))?;
    for Tick { mjd_tai, date } in ticks::dates(&times, MOST_DATES) {
        let (x, _) = chart.backend_coord(&(mjd_tai, heights.end));
        root.draw(&PathElement::new(vec![(x, top - 8), (x, top)], BLACK.stroke_width(1)))?;
        root.draw(&Text::new(date, (x, top - 10), above(HPos::Center)))?;
    }
    let limits = placed.iter().filter(|placed| placed.point.kind == PointKind::UpperLimit).count();
    for Placed { point, y, y_err } in placed {
        let ends = vec![(point.mjd, y - y_err), (point.mjd, y + y_err)];
        let line = point.band.light.mix(0.5).stroke_width(2);
        chart.draw_series([PathElement::new(ends, line)])?;
        let parts = match point.kind {
            PointKind::UpperLimit if limits > MOST_FULL_LIMITS => vec![small_limit(point.band)],
            kind => marker(point.band, kind),
        };
        for part in parts {
            let at = EmptyElement::at((point.mjd, *y));
            match part {
                Part::Filled(shape) => chart.draw_series([at + shape])?,
                Part::Line(line) => chart.draw_series([at + line])?,
            };
        }
    }
    Ok(())
}

fn text(size_px: i32) -> TextStyle<'static> {
    ("sans-serif", size_px).into_font().color(&BLACK)
}

/// From the least to the greatest value, with a little room around them.
fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let ends = |(least, greatest): (f64, f64), value: f64| (least.min(value), greatest.max(value));
    let (least, greatest) = values.fold((f64::INFINITY, f64::NEG_INFINITY), ends);
    match greatest - least {
        span if span > 0.0 => least - 0.04 * span..greatest + 0.04 * span,
        _ if least.is_finite() => least - 0.5..least + 0.5,
        _ => 0.0..1.0,
    }
}

/// With as many decimals as tell the labels of an axis apart.
fn decimals(value: f64, axis: &Range<f64>) -> String {
    let decimals = (1.3 - (axis.end - axis.start).log10()).ceil().clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}
