//! The chart. In: the points of an object. Out: SVG: time in MJD below and as UTC dates above, flux or magnitude to the left.
//!
//! Drawn at twice its size and shown at half of it: the coordinates of the backend are whole pixels.

use std::ops::Range;

use plotters::prelude::*;

use super::marker::{Part, marker};
use super::points::{Kind, Point};
use super::{Quantity, legend};
use crate::astronomy::{ab_mag, ab_mag_err, mjd_to_iso_utc};
use crate::error::{Error, Result};

const WIDTH_PX: u32 = 960;
const HEIGHT_PX: u32 = 540;

/// A point as it is drawn.
struct Placed<'a> {
    point: &'a Point,
    /// Magnitudes are negated: bright is up.
    y: f64,
    y_err: f64,
}

/// Draws a light curve.
pub fn svg(title: &str, points: &[Point], quantity: Quantity) -> Result<String> {
    let mut placed: Vec<Placed> =
        points.iter().filter_map(|point| place(point, quantity)).collect();
    // Detections last, on top of the many others.
    placed.sort_by_key(|placed| match placed.point.kind {
        Kind::UpperLimit => 0,
        Kind::Forced => 1,
        Kind::BadQuality => 2,
        Kind::Valid => 3,
    });
    let mut svg = String::new();
    draw(&mut svg, title, &placed, quantity)
        .map_err(|error| Error::internal(format!("drawing a light curve: {error}")))?;
    let drawn = format!("width=\"{}\" height=\"{}\"", 2 * WIDTH_PX, 2 * HEIGHT_PX);
    Ok(svg.replacen(&drawn, &format!("width=\"{WIDTH_PX}\" height=\"{HEIGHT_PX}\""), 1))
}

/// Where a point is drawn; a limit has its place among magnitudes alone: among fluxes the measurement itself can be shown.
fn place(point: &Point, quantity: Quantity) -> Option<Placed<'_>> {
    let (y, y_err) = match (quantity, point.kind) {
        (Quantity::Flux, Kind::UpperLimit) => return None,
        (Quantity::Flux, _) => (point.flux_njy, point.flux_err_njy),
        (Quantity::Magnitude, Kind::UpperLimit) => (-ab_mag(point.flux_njy)?, 0.0),
        (Quantity::Magnitude, _) => (
            -ab_mag(point.flux_njy)?,
            ab_mag_err(point.flux_njy, point.flux_err_njy).unwrap_or_default(),
        ),
    };
    // A forced measurement within its noise has no magnitude to speak of; where it counts it is there as a limit.
    let noise = point.kind == Kind::Forced && point.flux_njy < 3.0 * point.flux_err_njy;
    (quantity == Quantity::Flux || !noise).then_some(Placed { point, y, y_err })
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, title: &str, placed: &[Placed], quantity: Quantity) -> Drawn {
    let root = SVGBackend::with_string(svg, (2 * WIDTH_PX, 2 * HEIGHT_PX)).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new(title.to_string(), (40, 22), text(30)))?;
    legend::draw(&root, (52, 92), placed.iter().map(|placed| placed.point))?;
    let times = range(placed.iter().map(|placed| placed.point.mjd));
    let heights = range(placed.iter().flat_map(|p| [p.y - p.y_err, p.y + p.y_err]));
    let mut chart = ChartBuilder::on(&root)
        .margin(24)
        .margin_top(120)
        .x_label_area_size(84)
        .y_label_area_size(140)
        .top_x_label_area_size(44)
        .build_cartesian_2d(times.clone(), heights.clone())?
        .set_secondary_coord(times.clone(), heights.clone());
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
    chart
        .configure_secondary_axes()
        .label_style(text(22))
        .x_labels(6)
        .x_label_formatter(&|mjd| date(*mjd))
        .draw()?;
    for Placed { point, y, y_err } in placed {
        let ends = vec![(point.mjd, y - y_err), (point.mjd, y + y_err)];
        let line = point.band.colour.mix(0.5).stroke_width(2);
        chart.draw_series([PathElement::new(ends, line)])?;
        for part in marker(point.band, point.kind) {
            let at = EmptyElement::at((point.mjd, *y));
            match part {
                Part::Filled(shape) => chart.draw_series([at + shape])?,
                Part::Line(line) => chart.draw_series([at + line])?,
            };
        }
    }
    if placed.is_empty() {
        let (x, y) = (WIDTH_PX as i32 - 220, HEIGHT_PX as i32);
        root.draw(&Text::new("No measurement to show here.", (x, y), text(30)))?;
    }
    root.present()?;
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

/// The day in UTC.
fn date(mjd: f64) -> String {
    mjd_to_iso_utc(mjd).and_then(|iso| iso.get(..10).map(str::to_string)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{band, png};

    fn point(kind: Kind, band: &str, mjd: f64, flux_njy: f64) -> Point {
        Point { kind, band: band::named(band), mjd, flux_njy, flux_err_njy: 100.0 }
    }

    fn light_curve() -> Vec<Point> {
        vec![
            point(Kind::Valid, "g", 61100.0, 2000.0),
            point(Kind::BadQuality, "r", 61101.0, 1500.0),
            point(Kind::Forced, "i", 61102.0, -50.0),
            point(Kind::UpperLimit, "i", 61102.0, 500.0),
        ]
    }

    #[test]
    fn flux_and_magnitude_show_what_they_can() {
        for (quantity, words, absent) in [
            (Quantity::Flux, ["nJy", "forced photometry"], "5 sigma limit"),
            (Quantity::Magnitude, ["AB magnitude", "5 sigma limit"], "forced photometry"),
        ] {
            let svg = svg("diaObjectId 7", &light_curve(), quantity).unwrap();
            for word in
                ["diaObjectId 7", "of bad quality", "MJD (TAI)", "2026-"].iter().chain(&words)
            {
                assert!(svg.contains(word), "{quantity:?}: {word}");
            }
            assert!(!svg.contains(absent), "{quantity:?}: {absent}");
            assert!(svg.contains("width=\"960\" height=\"540\" viewBox=\"0 0 1920 1080\""));
        }
    }

    #[test]
    fn a_light_curve_without_a_point_says_so() {
        let svg = svg("", &[], Quantity::Magnitude).unwrap();
        assert!(svg.contains("No measurement to show here."));
    }

    #[test]
    fn a_png_is_twice_the_size() {
        let svg = svg("diaObjectId 7", &light_curve(), Quantity::Flux).unwrap();
        let png = png(&svg).unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert_eq!((size(16), size(20)), (2 * WIDTH_PX, 2 * HEIGHT_PX));
    }
}
