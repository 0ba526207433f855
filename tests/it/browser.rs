//! The pages in Chromium, as people use them: `tests/python/browser.py` has what it does. Where there is no Chromium the test
//! says so and proves nothing, but on CI.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::program;
use crate::python;
use crate::server::Server;

#[tokio::test]
async fn people_find_read_and_take_away_light_curves() {
    let Some(chromium) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().join("warehouse");
    let warehouse = warehouse.to_str().unwrap();
    let generate = ["generate", "--json", "--warehouse", warehouse, "--objects", "2000"];
    let made = program::run(generate).succeeded().json();
    let examples = made["examples"].as_array().unwrap();
    let ids: Vec<_> = examples.iter().map(|object| object["diaObjectId"].to_string()).collect();
    let server = Server::serve(warehouse, &[]).await;

    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&pictures).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/browser.py");
    let arguments =
        [&server.url, &ids.join(","), pictures.to_str().unwrap(), chromium.to_str().unwrap()];
    let said = python::run(&script, &arguments, &[]);
    println!("{said}pictures are in {}", pictures.display());
}

/// The browser in `PATH`, or `None`, having said that the test is skipped.
fn chromium() -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&folders);
    let mut programs = places.flat_map(|folder| {
        ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name))
    });
    let found = programs.find(|program| program.is_file());
    if found.is_none() {
        let missing = "there is no chromium in PATH (Debian: apt-get install chromium)";
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "{missing}");
        let _ = writeln!(io::stderr(), "SKIPPED: {missing}");
    }
    found
}
