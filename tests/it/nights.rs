//! Writes two nights of alerts as files, and says what a warehouse holds once both are ingested. The second night has
//! another packet layout and detects an object of the first again.

use std::fs;
use std::path::Path;

use arrow::datatypes::DataType;
use serde_json::Value;

use crate::alerts::{Alert, Layout, packets};

pub const OBJECTS: [i64; 3] = [170028485706776685, 313897383979122767, 314002971860926640];
/// One for each alert, and one of the history, which is none without `--history`.
pub const SOURCES: usize = 4;
pub const FORCED: usize = 3;

/// Writes `first.avro` and `second.parquet`.
pub fn write(folder: &Path) -> [String; 2] {
    let [a, b, c] = OBJECTS;
    let first = [
        Alert::new(a, 170094456272322680, 61105.093643486834),
        Alert::new(b, 170094456251351059, 61105.093643486834).with_forced(21, 61105.0936),
        Alert::of_solar_system(170094456480989258, 61105.0958006999),
    ];
    let second = [
        Alert::new(b, 170098849600000001, 61106.1)
            .with_history(170094456251351059, 61105.093643486834)
            .with_forced(21, 61105.0936)
            .with_forced(22, 61106.1),
        Alert::new(c, 170098849600000002, 61106.1).with_forced(23, 61106.1),
    ];
    let avro = Layout::enriched().nulls_last().avro(&packets(&first), None, 2);
    let parquet = Layout::enriched().with("xm", "spicy_SPICY", DataType::Int32);
    [
        save(folder, "first.avro", &avro),
        save(folder, "second.parquet", &parquet.parquet(&packets(&second))),
    ]
}

/// Writes a raw Avro file of packets.
pub fn write_packets(folder: &Path, name: &str, packets: &[Value]) -> String {
    save(folder, name, &Layout::raw().avro(packets, None, 2))
}

/// Writes a file and returns its path.
pub fn save(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_string()
}
