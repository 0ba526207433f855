//! What an operator sees of a server: its health, its metrics with the alerts and the dashboard over them, its log.

mod health;
mod logs;
pub(crate) mod monitoring;

use std::path::{Path, PathBuf};
use std::process::Command;

use walkdir::WalkDir;

use crate::program::{diaflight, run};

/// A small warehouse in a folder.
fn survey(folder: &Path) -> String {
    let warehouse = folder.join("survey").to_str().unwrap().to_string();
    run(["generate", "--warehouse", &warehouse, "--objects", "20", "--seed", "1"]).succeeded();
    warehouse
}

/// `serve` of a warehouse that looks at its tables often.
fn serve(warehouse: &str) -> Command {
    let mut command = diaflight();
    command.args(["serve", "--warehouse", warehouse, "--listen", "127.0.0.1:0"]);
    command.args(["--refresh-ms", "20"]);
    command
}

/// A Parquet file of a table.
fn a_file_of(warehouse: &str, table: &str) -> PathBuf {
    let files = WalkDir::new(Path::new(warehouse).join(table)).into_iter().map(Result::unwrap);
    let is_data = |path: &PathBuf| path.extension().is_some_and(|end| end == "parquet");
    files.map(|file| file.into_path()).find(is_data).unwrap()
}
