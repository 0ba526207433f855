//! The real alerts and the conformance cases, which lie beside the project (`../shared`) and are no
//! part of it. If they are absent, the tests that need them are skipped with a message.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Seven real alerts, five of them of objects.
pub const SET_A: &str = "data/rubin-alerts/part-2-918301.avro";
/// Twelve real alerts of twelve other objects, as Fink stores them: nested Parquet.
pub const FINK_PARQUET: &str = "data/rubin-alerts/fink-science-v10_0-first12.parquet";
/// The five objects of set A.
pub const OBJECTS: [i64; 5] = [
    170028485706776685,
    313897383979122767,
    170028513894596704,
    313893023095193658,
    314002971860926640,
];

/// A file of `../shared`, or `None`, having said that the test is skipped.
pub fn path(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    // Not `eprintln!`, which is shown for tests that fail alone.
    let _ = writeln!(io::stderr(), "SKIPPED: {} is not there", path.display());
    None
}
