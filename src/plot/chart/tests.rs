//! What a picture shows, read back from its SVG.

use super::*;
use crate::plot::{band, png};

fn point(kind: PointKind, band: &str, mjd: f64, flux_njy: f64) -> Point {
    Point { kind, band: band::named(band), mjd, flux_njy, flux_err_njy: 100.0 }
}

fn light_curve() -> LightCurve {
    let points = vec![
        point(PointKind::Valid, "g", 61100.0, 2000.0),
        point(PointKind::BadQuality, "r", 61101.0, 1500.0),
        point(PointKind::Forced, "i", 61102.0, -50.0),
        point(PointKind::UpperLimit, "i", 61102.0, 500.0),
    ];
    LightCurve { points, ..LightCurve::default() }
}

fn drawn(curve: &LightCurve, quantity: Quantity) -> String {
    svg("diaObjectId 7", curve, quantity, &[]).unwrap()
}

/// The texts of a picture, each with the x of its place.
fn texts(svg: &str) -> Vec<(f64, String)> {
    let elements = svg.split("<text ").skip(1);
    let text = |element: &str| {
        let x = element.split("x=\"").nth(1)?.split('"').next()?.parse().ok()?;
        let text = element.split_once('>')?.1.split("</text>").next()?;
        Some((x, text.trim().to_string()))
    };
    elements.filter_map(text).collect()
}

#[test]
fn flux_and_magnitude_show_what_they_can() {
    for (quantity, words, absent) in [
        (Quantity::Flux, ["nJy", "forced photometry"], "5 sigma limit"),
        (Quantity::Magnitude, ["AB magnitude", "5 sigma limit"], "forced photometry"),
    ] {
        let svg = drawn(&light_curve(), quantity);
        for word in ["diaObjectId 7", "of bad quality", "MJD (TAI)", "2026-"].iter().chain(&words) {
            assert!(svg.contains(word), "{quantity:?}: {word}");
        }
        assert!(!svg.contains(absent), "{quantity:?}: {absent}");
        assert!(svg.contains("width=\"960\" height=\"540\" viewBox=\"0 0 1920 1080\""));
    }
}

#[test]
fn a_date_stands_above_the_mjd_of_its_midnight() {
    let texts = texts(&drawn(&light_curve(), Quantity::Flux));
    let mjd = |text: &str| text.parse::<f64>().ok().filter(|mjd| (6e4..7e4).contains(mjd));
    let known: Vec<(f64, f64)> =
        texts.iter().filter_map(|(x, text)| Some((*x, mjd(text)?))).collect();
    let [(left, first), .., (right, last)] = known[..] else { panic!("{texts:?}") };
    assert_eq!(texts.iter().filter(|(_, text)| text == "MJD (TAI)").count(), 1);
    let dates: Vec<_> = texts.iter().filter(|(_, text)| text.starts_with("2026-")).collect();
    assert!(dates.len() > 1, "{texts:?}");
    for (x, text) in dates {
        let mjd = first + (x - left) / (right - left) * (last - first);
        let (date, time) = text.split_once(' ').unwrap_or((text, "00:00"));
        let day = chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").unwrap();
        let time = chrono::NaiveTime::parse_from_str(time, "%H:%M").unwrap();
        let utc = (day.and_time(time).and_utc().timestamp() as f64) / 86_400.0 + 40_587.0;
        // Two pixels of a picture of three days.
        assert!((utc + 37.0 / 86_400.0 - mjd).abs() < 0.005, "{text} at {mjd}");
    }
}

#[test]
fn what_is_not_drawn_is_told() {
    let faint = point(PointKind::Valid, "u", 61100.0, -3.0);
    let mut curve = light_curve();
    curve.points.push(faint);
    curve.unplaced = 5;
    let lacking = ["sources r:band".to_string()];
    let magnitudes = svg("", &curve, Quantity::Magnitude, &lacking).unwrap();
    for note in [
        "5 without a time or a flux: not drawn",
        "2 negative, or forced and below 3 sigma, without a magnitude: not drawn, unless as limits",
        "not in the tables: sources r:band",
    ] {
        assert!(magnitudes.contains(note), "{note}: {magnitudes}");
    }
    assert!(!drawn(&curve, Quantity::Flux).contains("without a magnitude"));
    let many = (0..1000).map(|n| point(PointKind::UpperLimit, "i", 61100.0 + f64::from(n), 500.0));
    let many = LightCurve { points: many.collect(), ..LightCurve::default() };
    let small = drawn(&many, Quantity::Magnitude);
    assert!(small.contains("1000 limits: drawn small"), "{small}");
    assert!(!drawn(&light_curve(), Quantity::Magnitude).contains("drawn small"));
}

#[test]
fn a_light_curve_without_a_point_says_so_and_has_no_axes() {
    let svg = drawn(&LightCurve::default(), Quantity::Magnitude);
    assert!(svg.contains("There is nothing to draw here."));
    assert!(!svg.contains("MJD") && !svg.contains("1858"), "{svg}");
}

#[test]
fn a_png_is_twice_the_size() {
    let png = png(&drawn(&light_curve(), Quantity::Flux)).unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((size(16), size(20)), (2 * WIDTH_PX, 2 * HEIGHT_PX));
}
