//! Files and cells as clients may send them, and polygons against the plane in which their sides are straight.

use proptest::prelude::*;

use super::*;
use crate::astronomy::{CELL_ORDER, separation_deg};
use crate::limits::Budget;

fn memory() -> HeldMemory {
    Budget::new("regions", 64 << 20).hold()
}

/// A card of a header.
fn card(keyword: &str, value: &str) -> String {
    format!("{:80}", format!("{keyword:8}= {value:>20} / what it is"))
}

fn block(cards: &[(&str, &str)]) -> Vec<u8> {
    let mut text: String = cards.iter().map(|(keyword, value)| card(keyword, value)).collect();
    text += &format!("{:80}", "END");
    padded(text.into_bytes(), b' ')
}

fn padded(mut bytes: Vec<u8>, with: u8) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(2880), with);
    bytes
}

/// A file with a table of these keywords and bytes, after an image.
fn file(keywords: &[(&str, &str)], rows: &[u8], row_bytes: usize) -> Vec<u8> {
    let image =
        [("SIMPLE", "T"), ("BITPIX", "-32"), ("NAXIS", "2"), ("NAXIS1", "3"), ("NAXIS2", "2")];
    let number = (rows.len() / row_bytes).to_string();
    let row_bytes = row_bytes.to_string();
    let table = [
        ("XTENSION", "'BINTABLE'"),
        ("BITPIX", "8"),
        ("NAXIS", "2"),
        ("NAXIS1", &*row_bytes),
        ("NAXIS2", &*number),
        ("PCOUNT", "0"),
        ("GCOUNT", "1"),
    ];
    // What is given comes first, and the first counts.
    let cards = [keywords, &table].concat();
    [block(&image), padded(vec![0; 24], 0), block(&cards), padded(rows.to_vec(), 0)].concat()
}

const MULTI_ORDER: [(&str, &str); 6] = [
    ("TFIELDS", "2"),
    ("TTYPE1", "'UNIQ    '"),
    ("TFORM1", "'K       '"),
    ("TTYPE2", "'PROBDENSITY'"),
    ("TFORM2", "'1D'"),
    ("DATE-OBS", "'2017-08-17T12:41:06.4'"),
];

fn rows(cells: &[(u64, f64)]) -> Vec<u8> {
    let row = |(uniq, density): &(u64, f64)| [uniq.to_be_bytes(), density.to_be_bytes()].concat();
    cells.iter().flat_map(row).collect()
}

/// The cells of a region by their UNIQ numbers, with their levels.
fn uniqs(region: &Region) -> Vec<(u64, f64)> {
    let uniq = |cell: &LevelCell| {
        let order = FINEST - cell.size().trailing_zeros() as u8 / 2;
        ((4 << (2 * order)) + cell.first() / cell.size(), cell.level)
    };
    region.cells.iter().map(uniq).collect()
}

#[test]
fn a_multi_order_map_gives_its_densest_cells() {
    // Cell 0 of order 1 is a quarter of cell 0 of order 0: its density counts so much less.
    let cells = [(16, 8.0), (5, 1.0), (17, 4.0), (7, 0.0), (6, 1.0), (18, 0.0)];
    let bytes = file(&MULTI_ORDER, &rows(&cells), 16);
    let read = |level| SkyMap::from_fits(&bytes, Some(level), memory()).unwrap();
    let map = read(0.5);
    assert_eq!(map.observed.as_deref(), Some("2017-08-17T12:41:06.4"));
    // Probabilities 2, 1, 1, 1 of 5 in all.
    assert_eq!(uniqs(&map.region), [(16, 0.4), (17, 0.6)]);
    assert_eq!(uniqs(&read(0.4).region), [(16, 0.4)]);
    assert_eq!(uniqs(&read(0.41).region).len(), 2);
    assert_eq!(uniqs(&read(1.0).region), [(16, 0.4), (17, 0.6), (5, 0.8), (6, 1.0)]);
    assert_ne!(read(0.5).region.digest, read(0.4).region.digest);
    let packed = {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, &bytes).unwrap();
        packed.finish().unwrap()
    };
    let packed = SkyMap::from_fits(&packed, Some(0.5), memory()).unwrap();
    assert_eq!(packed.region.digest, read(0.5).region.digest);
}

#[test]
fn a_flat_map_may_have_many_cells_in_a_row_and_unseen_ones() {
    let flat = |ordering, values: [f32; 12]| {
        let keywords = [
            ("TFIELDS", "1"),
            ("TTYPE1", "'prob'"),
            ("TFORM1", "'4E'"),
            ("NSIDE", "1"),
            ("ORDERING", ordering),
            ("COORDSYS", "'C'"),
        ];
        let values: Vec<_> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        let bytes = file(&keywords, &values, 16);
        SkyMap::from_fits(&bytes, Some(0.9), memory()).unwrap().region
    };
    let mut values = [0.0; 12];
    (values[4], values[7], values[9], values[11]) = (0.5, 0.25, f32::NAN, -1.6375e30);
    let expected = [(4 + 4, 0.5 / 0.75), (4 + 7, 1.0)];
    assert_eq!(uniqs(&flat("'NESTED'", values)), expected);
    // The cells of the lowest order have the same numbers in both schemes.
    assert_eq!(uniqs(&flat("'RING'", values)), expected);
}

#[test]
fn a_moc_is_read_by_ranges_and_by_numbers() {
    let order_29 = |cell: u64, order: u8| cell << (2 * (29 - order));
    let ends = [order_29(3, 1), order_29(6, 1), order_29(40, 3), order_29(40, 3) + 5];
    let ranges: Vec<_> = ends.iter().flat_map(|end| end.to_be_bytes()).collect();
    let keywords = |ordering| {
        [("TFIELDS", "1"), ("TFORM1", "'1K'"), ("MOCDIM", "'SPACE'"), ("ORDERING", ordering)]
    };
    let read = |bytes: &[u8]| SkyMap::from_fits(bytes, None, memory()).unwrap().region;
    let by_ranges = read(&file(&keywords("'RANGE'"), &ranges, 8));
    let numbers = [16 + 3, 16 + 4, 16 + 5];
    let found: Vec<_> = uniqs(&by_ranges).iter().map(|(uniq, _)| *uniq).collect();
    assert_eq!(found[2..], numbers);
    let first = order_29(40, 3);
    let finest = 4_u64 << 58;
    assert_eq!(found[..2], [(finest >> 2) + first / 4, finest + first + 4]);
    assert!(uniqs(&by_ranges).iter().all(|(_, level)| level.is_nan()));
    let numbers: Vec<_> = found.iter().rev().flat_map(|uniq| uniq.to_be_bytes()).collect();
    assert_eq!(read(&file(&keywords("'NUNIQ'"), &numbers, 8)).digest, by_ranges.digest);
    let all: Vec<_> = [0, 12 << 58].iter().flat_map(|end: &u64| end.to_be_bytes()).collect();
    let all = read(&file(&keywords("'RANGE'"), &all, 8));
    assert_eq!((all.cells.len(), all.cells(0, 12).unwrap().len()), (12, 12));
    let mut cells = MocCells::new(memory());
    for (order, cell) in [(1, 3), (1, 4), (1, 5), (28, first / 4), (29, first + 4)] {
        cells.push(order, cell).unwrap();
    }
    assert_eq!(cells.into_region().unwrap().digest, by_ranges.digest);
}

#[test]
fn a_file_is_refused_by_what_is_wrong_with_it() {
    let good = file(&MULTI_ORDER, &rows(&[(4, 1.0)]), 16);
    let with = |keyword: &'static str, value: &'static str| {
        file(&[&[(keyword, value)][..], &MULTI_ORDER].concat(), &rows(&[(4, 1.0)]), 16)
    };
    let of = |cells: &[(u64, f64)]| file(&MULTI_ORDER, &rows(cells), 16);
    for (bytes, why) in [
        (b"".to_vec(), "a header: the file ends too early"),
        (vec![b'x'; 9000], "a header: the file ends too early"),
        (b"\x1f\x8b\x08\x00".to_vec(), "a header: the file"),
        (block(&[("XTENSION", "'BINTABLE'")]), "it is no FITS file"),
        (block(&[("SIMPLE", "T"), ("NAXIS", "0")]), "a header: the file ends too early"),
        (good[..good.len() - 2880].to_vec(), "row 0 of 1: the file ends too early"),
        (with("NAXIS2", "9000000000000000000"), "there are 9000000000000000000 rows"),
        (with("NAXIS1", "99999999999"), "NAXIS1 is 99999999999"),
        (with("NAXIS1", "17"), "NAXIS1 is 17, but the columns have 16 bytes"),
        (with("NAXIS2", "-1"), "NAXIS2 must be a whole number, not `-1`"),
        (with("TFIELDS", "99999999999"), "TFIELDS is 99999999999"),
        (with("TFIELDS", "3"), "TFORM3 is ``"),
        (with("TFORM1", "'99999999999999999999K'"), "TFORM1 is"),
        (with("TFORM2", "'8A'"), "the probabilities must be of format D or E"),
        (with("TFORM1", "'D'"), "the cells must be positive, of format K or J"),
        (with("TTYPE2", "'OTHER'"), "the table is no map and no MOC: its columns are UNIQ, OTHER"),
        (with("TZERO1", "1"), "column 1 is scaled"),
        (with("COORDSYS", "'G'"), "COORDSYS is G"),
        (of(&[(4, 0.0)]), "the probabilities of the map do not add up"),
        (of(&[(4, f64::INFINITY)]), "the probabilities of the map do not add up"),
        (of(&[(3, 1.0)]), "UNIQ 3 is no cell"),
        (of(&[(0, 1.0)]), "UNIQ 0 is no cell"),
        (of(&[((16 << 58) - 1, 1.0), (u64::MAX, 1.0)]), "the cells must be positive"),
        (of(&[(i64::MAX as u64, 1.0)]), "is no cell"),
        (of(&[(4, 1.0), (17, 1.0)]), "cells lie in each other"),
        (of(&[(4, 1.0), (4, 1.0)]), "cells lie in each other"),
    ] {
        let error = SkyMap::from_fits(&bytes, Some(0.5), memory()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}, not {why}");
    }
    let error = SkyMap::from_fits(&good, None, memory()).unwrap_err().to_string();
    assert!(error.contains("credible_level is missing"), "{error}");
    let image = [("SIMPLE", "T"), ("BITPIX", "64"), ("NAXIS", "2"), ("NAXIS1", "4000000000")];
    let image = [&image[..], &[("NAXIS2", "4000000000")]].concat();
    let error = SkyMap::from_fits(&block(&image), None, memory()).unwrap_err().to_string();
    assert!(error.contains("more data than a file can have"), "{error}");
}

#[test]
fn memory_is_refused_before_it_is_taken() {
    let budget = Budget::new("regions", 1 << 20);
    let cells: Vec<_> = (0..100_000).map(|cell| ((4 << 20) + cell, 1.0)).collect();
    let bytes = file(&MULTI_ORDER, &rows(&cells), 16);
    let error = SkyMap::from_fits(&bytes, Some(0.5), budget.hold()).unwrap_err();
    assert_eq!(error.kind(), crate::error::Kind::Busy);
    assert_eq!(budget.free_bytes(), 1 << 20);
    let kept =
        SkyMap::from_fits(&file(&MULTI_ORDER, &rows(&cells[..9]), 16), Some(0.5), budget.hold());
    assert!(budget.free_bytes() < 1 << 20);
    drop(kept);
    assert_eq!(budget.free_bytes(), 1 << 20);
}

/// A polygon around a place whose corners are at some directions and distances, and places around it.
fn polygons() -> impl Strategy<Value = (Vec<[f64; 2]>, Vec<[f64; 2]>)> {
    let middle = (0.0..360.0f64, prop_oneof![Just(90.0), Just(-89.99), -90.0..90.0f64]);
    let corners = prop::collection::vec((0.0..360.0f64, 0.05..1.0f64), 3..12);
    let places = prop::collection::vec((0.0..360.0f64, 0.0..1.2f64), 1..60);
    let size_deg = (-4.0..1.7f64).prop_map(|exponent| 10f64.powf(exponent));
    (middle, corners, places, size_deg).prop_map(|(middle, mut corners, places, size_deg)| {
        corners.sort_by(|one, other| one.0.total_cmp(&other.0));
        let around = |&(angle, distance): &(f64, f64)| beside(middle, angle, distance * size_deg);
        (corners.iter().map(around).collect(), places.iter().map(around).collect())
    })
}

/// The place at an angle (from north through east) and a distance from another.
fn beside((ra, dec): (f64, f64), angle_deg: f64, distance_deg: f64) -> [f64; 2] {
    let (angle, distance, dec) =
        (angle_deg.to_radians(), distance_deg.to_radians(), dec.to_radians());
    let sine = dec.sin() * distance.cos() + dec.cos() * distance.sin() * angle.cos();
    let east = angle.sin() * distance.sin() * dec.cos();
    let ra = ra + east.atan2(distance.cos() - dec.sin() * sine).to_degrees();
    [ra.rem_euclid(360.0), sine.clamp(-1.0, 1.0).asin().to_degrees()]
}

/// Whether a place lies in a polygon, by the plane in which arcs of great circles are straight; `None` where it lies on a side.
fn is_within(corners: &[[f64; 2]], place: [f64; 2]) -> Option<bool> {
    let flat = |[ra, dec]: [f64; 2]| {
        let turn = (ra - place[0]).to_radians();
        let (dec, at) = (dec.to_radians(), place[1].to_radians());
        let ahead = at.sin() * dec.sin() + at.cos() * dec.cos() * turn.cos();
        let north = at.cos() * dec.sin() - at.sin() * dec.cos() * turn.cos();
        [dec.cos() * turn.sin() / ahead, north / ahead]
    };
    let mut within = false;
    for (one, other) in corners.iter().zip(corners.iter().cycle().skip(1)) {
        let ([x1, y1], [x2, y2]) = (flat(*one), flat(*other));
        let length = (x2 - x1).hypot(y2 - y1);
        if (x1 * y2 - x2 * y1).abs() < 1e-9 * length {
            return None;
        }
        if (y1 > 0.0) != (y2 > 0.0) && x1 + (x2 - x1) * y1 / (y1 - y2) > 0.0 {
            within = !within;
        }
    }
    Some(within)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_polygon_has_what_lies_within_its_sides((corners, places) in polygons()) {
        let Ok(region) = Region::from_corners(&corners, memory()) else { return Ok(()) };
        let cells = region.cells(CELL_ORDER, 1 << 20);
        for place in places {
            let near = corners.iter().all(|corner| separation_deg(*corner, place).unwrap() < 85.0);
            let Some(within) = is_within(&corners, place).filter(|_| near) else { continue };
            prop_assert_eq!(region.level(place).is_some(), within, "{:?}", place);
            if let (Some(cells), true) = (&cells, within) {
                let cell = cell(CELL_ORDER, place).unwrap();
                prop_assert!(cells.binary_search(&cell).is_ok());
            }
        }
    }

    #[test]
    fn a_region_has_the_places_of_its_cells(
        orders in prop::collection::vec((0..=29u8, any::<u64>()), 1..30),
        places in prop::collection::vec((0.0..360.0f64, -90.0..90.0f64), 50),
    ) {
        let mut cells = MocCells::new(memory());
        for (order, number) in &orders {
            cells.push(*order, number % (12 << (2 * order))).unwrap();
        }
        let Ok(region) = cells.into_region() else { return Ok(()) };
        for (ra, dec) in places {
            let holds = orders.iter().any(|(order, number)| {
                cell(*order, [ra, dec]).unwrap() as u64 == number % (12 << (2 * order))
            });
            prop_assert_eq!(region.level([ra, dec]).is_some(), holds);
            if let Some(cells) = region.cells(5, 1 << 14) {
                let at = cell(5, [ra, dec]).unwrap();
                prop_assert!(!holds || cells.binary_search(&at).is_ok());
            }
        }
    }
}
