//! Notes below the title about what the picture does not show, or not as it is.

use super::Quantity;
use super::points::{LightCurve, PointKind};

/// With more upper limits, their arrows would merge into a solid bar, so they are drawn small.
pub(crate) const MOST_FULL_LIMITS: usize = 300;

/// `drawn`: how many of the points have a place on the axes; `limits`: how many of these are upper limits; `missing`: columns that the
/// tables lack.
pub(crate) fn notes(
    curve: &LightCurve,
    quantity: Quantity,
    (drawn, limits): (usize, usize),
    missing: &[String],
) -> Vec<String> {
    let measured = |point: &&super::points::Point| {
        quantity == Quantity::Magnitude || point.kind != PointKind::UpperLimit
    };
    let faint = curve.points.iter().filter(measured).count() - drawn;
    let small = if limits > MOST_FULL_LIMITS { limits } else { 0 };
    let counted = [
        (curve.unplaced, "without a time or a flux: not drawn"),
        (curve.poor_forced, "forced and withdrawn, or without an uncertainty: not drawn"),
        (
            faint,
            "negative, or forced and below 3 sigma, without a magnitude: not drawn, unless as limits",
        ),
        (small, "limits: drawn small"),
    ];
    let counted = counted.into_iter().filter(|(count, _)| *count > 0);
    let mut notes: Vec<String> = counted.map(|(count, what)| format!("{count} {what}")).collect();
    if !missing.is_empty() {
        notes.push(format!("not in the tables: {}", missing.join(", ")));
    }
    notes
}
