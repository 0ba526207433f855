//! LSSTCam's focal plane: 189 detectors in 21 rafts of 3 by 3, a 5 by 5 square without its corners. It finds the detector and the pixel at
//! a point of the focal plane, if there is one.
//!
//! Detectors are numbered as Rubin's are, raft by raft. Sizes: 0.2 arcsec pixels, 42.25 mm from detector
//! to detector at 20 arcsec per mm (LSE-349).

/// A pixel of a detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pixel {
    pub detector: u8,
    pub x: f32,
    pub y: f32,
}

pub(crate) const DETECTORS: u8 = 189;
pub(crate) const WIDTH_PIXELS: f64 = 4072.0;
pub(crate) const HEIGHT_PIXELS: f64 = 4000.0;

const PIXEL_DEG: f64 = 0.2 / 3600.0;
const PITCH_DEG: f64 = 845.0 / 3600.0;
/// Detectors along a side of the square.
const SIDE: usize = 15;
/// The number of rafts before each row of rafts, and the columns the row begins and ends with.
const RAFT_ROWS: [(usize, usize, usize); 5] =
    [(0, 1, 4), (3, 0, 5), (8, 0, 5), (13, 0, 5), (18, 1, 4)];

/// The pixel at degrees (right, up) from the centre of the focal plane.
pub(crate) fn pixel_at([right_deg, up_deg]: [f64; 2]) -> Option<Pixel> {
    let (column, x_deg) = cell(right_deg)?;
    let (row, y_deg) = cell(up_deg)?;
    let (before, first, end) = RAFT_ROWS[row / 3];
    if !(first..end).contains(&(column / 3)) {
        return None;
    }
    let (x, y) = (x_deg / PIXEL_DEG, y_deg / PIXEL_DEG);
    let detector = (before + column / 3 - first) * 9 + (row % 3) * 3 + column % 3;
    (x < WIDTH_PIXELS && y < HEIGHT_PIXELS).then_some(Pixel {
        detector: detector as u8,
        x: x as f32,
        y: y as f32,
    })
}

/// Degrees (right, up) from the centre of the focal plane to a pixel: the inverse of [`pixel_at`].
pub(crate) fn place_of(detector: u8, x: f64, y: f64) -> [f64; 2] {
    let (raft, within) = (usize::from(detector) / 9, usize::from(detector) % 9);
    let raft_row = RAFT_ROWS.iter().rposition(|(before, ..)| *before <= raft).unwrap_or(0);
    let (before, first, _) = RAFT_ROWS[raft_row];
    let column = (first + raft - before) * 3 + within % 3;
    let row = raft_row * 3 + within / 3;
    let corner = |cell: usize| (cell as f64 - SIDE as f64 / 2.0) * PITCH_DEG;
    [corner(column) + x * PIXEL_DEG, corner(row) + y * PIXEL_DEG]
}

/// Which of the 15 cells along an axis, and how far into it.
fn cell(offset_deg: f64) -> Option<(usize, f64)> {
    let cells = offset_deg / PITCH_DEG + SIDE as f64 / 2.0;
    let cell = cells.floor();
    (0.0..SIDE as f64).contains(&cell).then_some((cell as usize, (cells - cell) * PITCH_DEG))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detector_is_found_where_it_lies() {
        for detector in 0..DETECTORS {
            let pixel = pixel_at(place_of(detector, 1000.5, 3000.25)).unwrap();
            assert_eq!(pixel.detector, detector);
            assert!((pixel.x - 1000.5).abs() < 0.01 && (pixel.y - 3000.25).abs() < 0.01);
        }
        assert_eq!(pixel_at([0.0, 0.0]).unwrap().detector, 94);
    }

    #[test]
    fn gaps_corners_and_the_outside_have_no_pixel() {
        let gap = place_of(94, WIDTH_PIXELS + 20.0, 100.0);
        for place in [gap, [1.7, 1.7], [-1.7, 1.7], [2.0, 0.0], [0.0, -3.0]] {
            assert_eq!(pixel_at(place), None, "{place:?}");
        }
    }
}
