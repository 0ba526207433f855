//! Maps of the sky and MOCs in FITS, of which some bytes are changed: each is a region or an error; nothing panics, hangs or takes memory
//! without bound.

#![no_main]

use diaflight::limits::Budget;
use diaflight::region::SkyMap;
use libfuzzer_sys::fuzz_target;

/// The size of a block of a file.
const BLOCK: usize = 2880;

/// A header of these cards.
fn header(cards: &[&str]) -> Vec<u8> {
    let text: String = cards.iter().chain(&["END"]).map(|card| format!("{card:80}")).collect();
    format!("{text:BLOCK$}").into_bytes()
}

/// A file with a table of two columns, of the given bytes.
fn file(kind: u8, rows: &[u8]) -> Vec<u8> {
    let number = format!("NAXIS2  = {:>20}", rows.len() / 16);
    let (name, ordering) = match kind % 4 {
        0 => ("TTYPE2  = 'PROBDENSITY'", "ORDERING= 'NUNIQ   '"),
        1 => ("TTYPE2  = 'PROB    '", "ORDERING= 'RING    '"),
        2 => ("TTYPE2  = 'OTHER   '", "ORDERING= 'NUNIQ   '"),
        _ => ("TTYPE2  = 'OTHER   '", "ORDERING= 'RANGE   '"),
    };
    let cards = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  =                    8",
        "NAXIS   =                    2",
        "NAXIS1  =                   16",
        &number,
        "TFIELDS =                    2",
        "TTYPE1  = 'UNIQ    '",
        "TFORM1  = 'K       '",
        name,
        "TFORM2  = 'D       '",
        "NSIDE   =                    1",
        ordering,
    ];
    let image = header(&["SIMPLE  =                    T", "NAXIS   =                    0"]);
    [image, header(&cards), rows.to_vec()].concat()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let (edits, rows) = bytes.split_at(bytes.len().min(12));
    let mut file = file(*kind, rows);
    for edit in edits.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % file.len();
        file[place] = edit[2];
    }
    let memory = Budget::new("regions", 16 << 20);
    for level in [None, Some(0.9)] {
        let _ = SkyMap::from_fits(&file, level, memory.hold());
    }
});
