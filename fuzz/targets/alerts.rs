//! Alert packets: any bytes are ingested, or refused with an error; nothing panics, hangs or takes memory without bound.
//!
//! Begin with real packets: a container of Avro has a schema and checksums that chance does not find.

#![no_main]

use std::fs;
use std::sync::LazyLock;

use diaflight::ingest::{IngestOptions, ingest};
use diaflight::warehouse::Warehouse;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

fuzz_target!(|bytes: &[u8]| {
    let (file, tables) = (FOLDER.path().join("alerts.avro"), FOLDER.path().join("tables"));
    fs::write(&file, bytes).unwrap();
    let _ = fs::remove_dir_all(&tables);
    let warehouse = Warehouse::open(tables.to_str().unwrap()).unwrap();
    let options =
        IngestOptions { history: true, memory_bytes: 256 << 20, ..IngestOptions::default() };
    let inputs = [file.to_str().unwrap().to_string()];
    let _ = RUNTIME.block_on(ingest(&warehouse, &inputs, &options, &|_| {}));
});
