//! Gives the program `BUILD_DIGEST`, a digest of the files that it is built from. Two builds may answer the same question with other
//! bytes although they have the same version number, so entity tags contain it. It is the same wherever these files are built.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

const BUILT_FROM: [&str; 4] = ["Cargo.lock", "sql", "src", "web"];

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for path in BUILT_FROM {
        println!("cargo::rerun-if-changed={path}");
        add_files(Path::new(path), &mut files)?;
    }
    // A folder lists its files in any order.
    files.sort();
    let mut digest = DefaultHasher::new();
    for path in files {
        (&path, fs::read(&path)?).hash(&mut digest);
    }
    println!("cargo::rustc-env=BUILD_DIGEST={:016x}", digest.finish());
    Ok(())
}

fn add_files(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    fs::read_dir(path)?.try_for_each(|entry| add_files(&entry?.path(), files))
}
