//! Commits are synced to the disk before they are acknowledged: checks the system calls of a running ingest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use diaflight::schema::Table;
use tempfile::tempdir;

use crate::nights;
use crate::program::{finish, installed};

/// Calls that succeeded, each with its place among all of them.
#[derive(Debug, Default)]
struct Calls {
    synced: Vec<(usize, PathBuf)>,
    named: Vec<(usize, PathBuf, PathBuf)>,
    folders: Vec<(usize, PathBuf)>,
}

/// Reads what `strace -f -y -s 4096` wrote of `fsync`, `link`, `rename` and `mkdir`.
fn calls(log: &str) -> Calls {
    let mut calls = Calls::default();
    let quoted = |line: &str| -> Vec<PathBuf> {
        line.split('"').skip(1).step_by(2).map(PathBuf::from).collect()
    };
    for (at, line) in log.lines().enumerate() {
        if !line.ends_with("= 0") {
            continue;
        }
        let call = line.split_once(' ').unwrap().1.trim_start();
        if call.starts_with("fsync(") || call.starts_with("fdatasync(") {
            let path = call.split_once('<').unwrap().1.rsplit_once('>').unwrap().0;
            calls.synced.push((at, path.into()));
        } else if call.starts_with("link") || call.starts_with("rename") {
            let [from, to] = &quoted(call)[..] else { panic!("{line}") };
            calls.named.push((at, from.clone(), to.clone()));
        } else if call.starts_with("mkdir") {
            calls.folders.push((at, quoted(call)[0].clone()));
        }
    }
    calls
}

#[test]
fn files_and_folders_are_synced_before_the_commit_that_names_them() {
    if !installed("strace") {
        return;
    }
    let folder = tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let [night, _] = nights::write(&root);
    let (log, warehouse) = (root.join("calls"), root.join("new/warehouse"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "4096", "--seccomp-bpf", "-e"]);
    strace.arg("trace=fsync,fdatasync,link,linkat,rename,renameat,renameat2,mkdir,mkdirat");
    strace.arg("-o").arg(&log).arg(env!("CARGO_BIN_EXE_diaflight"));
    strace.arg("ingest").arg("--warehouse").arg(&warehouse).arg(&night);
    finish(&mut strace).succeeded();
    let calls = calls(&resumed(&fs::read_to_string(&log).unwrap()));

    let synced = |path: &Path, after: usize, before: usize| {
        calls.synced.iter().any(|(at, synced)| synced == path && *at > after && *at < before)
    };
    let of_warehouse: Vec<_> =
        calls.named.iter().filter(|(_, _, to)| to.starts_with(&warehouse)).collect();
    let commits: Vec<_> = of_warehouse
        .iter()
        .filter(|(_, _, to)| to.extension().is_some_and(|end| end == "json"))
        .collect();
    assert_eq!(commits.len(), Table::STORED.len(), "{calls:?}");
    for (at, from, to) in &of_warehouse {
        assert!(synced(from, 0, *at), "{to:?} has its name before it is synced: {calls:?}");
        assert!(synced(to.parent().unwrap(), *at, usize::MAX), "the folder of {to:?} is not");
    }
    let first_commit = commits.iter().map(|(at, ..)| *at).min().unwrap();
    let data: BTreeSet<_> = of_warehouse
        .iter()
        .filter(|(_, _, to)| to.extension().is_some_and(|end| end == "parquet"))
        .collect();
    assert_eq!(data.len(), Table::STORED.len(), "{calls:?}");
    for (at, _, to) in data {
        assert!(synced(to.parent().unwrap(), *at, first_commit), "{to:?}: {calls:?}");
    }
    let made: Vec<_> = calls.folders.iter().filter(|(_, to)| to.starts_with(&root)).collect();
    assert!(made.len() >= 8, "{calls:?}");
    for (at, path) in made {
        assert!(synced(path.parent().unwrap(), *at, usize::MAX), "{path:?}: {calls:?}");
    }
}

/// The log with calls that were interrupted put together where they end.
fn resumed(log: &str) -> String {
    let mut begun = BTreeMap::new();
    let mut lines = String::new();
    for line in log.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if let Some(start) = call.strip_suffix("<unfinished ...>") {
            begun.insert(thread.to_string(), start.to_string());
        } else if let Some((_, end)) = call.split_once(" resumed>") {
            lines += &format!("{thread} {}{end}\n", begun.remove(thread).unwrap());
        } else {
            lines += &format!("{line}\n");
        }
    }
    lines
}
