//! The backup of OPERATIONS.md, taken with its own commands while alerts are ingested and files merged: each copy is whole.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{NIGHTS, Survey};
use crate::program::{finish, run};

const ROUNDS: i64 = 12;

/// The commands of the section, up to the check.
fn commands() -> &'static str {
    let text = include_str!("../../../OPERATIONS.md");
    let section = text.split("\n## ").find(|section| section.starts_with("Backup")).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap();
    block.split("target/debug/diaflight").next().unwrap()
}

#[test]
fn a_backup_while_writers_work_is_whole() {
    let survey = Survey::of_two_nights();
    let place = survey.warehouse.parent().unwrap();
    symlink(&survey.warehouse, place.join("warehouse")).unwrap();
    let is_done = AtomicBool::new(false);
    let copies = thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                survey.ingest(&[
                    (1, 1000 + round, NIGHTS[1]),
                    (100 + round, 2000 + round, NIGHTS[1]),
                ]);
                if round % 3 == 2 {
                    survey.ran(&["maintain", "compact"]).succeeded();
                }
            }
            is_done.store(true, Ordering::Release);
        });
        let mut copies = Vec::new();
        while !is_done.load(Ordering::Acquire) {
            let mut backup = Command::new("bash");
            backup.args(["-euo", "pipefail", "-c", commands()]).current_dir(place);
            finish(&mut backup).succeeded();
            let copy = place.join(format!("copy-{}", copies.len()));
            fs::rename(place.join("backup"), &copy).unwrap();
            copies.push(copy.to_str().unwrap().to_string());
        }
        copies
    });
    assert!(copies.len() > 2, "{copies:?}");
    let mut counts = Vec::new();
    for copy in &copies {
        run(["maintain", "check", "--warehouse", copy]).succeeded();
        let statement = "SELECT (SELECT count(*) FROM objects LEFT ANTI JOIN sources USING (\"diaObjectId\")) AS alone, \
                         (SELECT count(*) FROM sources) AS sources";
        let answer = run(["sql", "--warehouse", copy, "--format", "json", statement]).succeeded();
        assert_eq!(answer.json()[0]["alone"], 0, "{copy}");
        counts.push(answer.json()[0]["sources"].as_u64().unwrap());
    }
    assert!(counts.is_sorted() && counts[0] >= 4, "{counts:?}");
}
