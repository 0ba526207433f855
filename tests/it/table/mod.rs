//! `diaflight table`: what the tables went through, and the way back. Here is what its tests have in common: a warehouse of a few nights.

mod backup;
mod delete;
mod dry;
mod history;
mod restore;
mod stopped;
mod undo;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::alerts::{Alert, packets};
use crate::nights;
use crate::program::{Finished, run};

/// Noon in UTC of 2026-03-05 and of the day after, as MJD: a night is from one to the other.
const NIGHTS: [f64; 2] = [61104.6, 61105.6];

struct Survey {
    _folder: TempDir,
    warehouse: PathBuf,
}

impl Survey {
    fn empty() -> Self {
        let folder = tempdir().unwrap();
        Self { warehouse: folder.path().join("w"), _folder: folder }
    }

    /// In the first night objects 1 and 2 are seen, in the second 1 and 3; each source is forced, too.
    fn of_two_nights() -> Self {
        let survey = Self::empty();
        survey.ingest(&[(1, 11, NIGHTS[0]), (2, 21, NIGHTS[0])]);
        survey.ingest(&[(1, 12, NIGHTS[1]), (3, 31, NIGHTS[1])]);
        survey
    }

    /// Ingests sources: of which object, their ids and times.
    fn ingest(&self, sources: &[(i64, i64, f64)]) {
        let alerts = sources.iter().map(|(object, source, mjd)| {
            Alert::new(*object, *source, *mjd).with_forced(*source, *mjd)
        });
        self.ingest_alerts(&alerts.collect::<Vec<_>>());
    }

    fn ingest_alerts(&self, alerts: &[Alert]) {
        let folder = tempdir().unwrap();
        let night = nights::write_packets(folder.path(), "night.avro", &packets(alerts));
        run(["ingest", "--warehouse", self.path(), &night]).succeeded();
    }

    fn path(&self) -> &str {
        self.warehouse.to_str().unwrap()
    }

    fn ran(&self, arguments: &[&str]) -> Finished {
        run(arguments.iter().chain(&["--warehouse", self.path()]))
    }

    fn table(&self, arguments: &[&str]) -> Value {
        self.ran(&[&["table"], arguments, &["--json"]].concat()).succeeded().json()
    }

    /// One column of a query, as text.
    fn sql(&self, sql: &str) -> Vec<String> {
        let rows = self.ran(&["sql", "--format", "csv", sql]).succeeded().stdout;
        rows.lines().skip(1).map(str::to_string).collect()
    }

    /// The ids of the sources, the forced sources and the objects.
    fn rows(&self) -> [Vec<String>; 3] {
        [("diaSourceId", "sources"), ("diaForcedSourceId", "fp"), ("diaObjectId", "objects")]
            .map(|(id, table)| self.sql(&format!("SELECT \"{id}\" FROM {table} ORDER BY 1")))
    }

    /// The newest version of each table, from the log.
    fn versions(&self) -> [usize; 3] {
        ["sources", "fp", "objects"].map(|table| {
            let log = self.warehouse.join(table).join("_delta_log");
            let entries = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
            entries.filter(|path| path.extension().is_some_and(|name| name == "json")).count() - 1
        })
    }

    /// A day of a night that has sources, as `--night` wants it.
    fn first_night(&self) -> String {
        let day = self.sql("SELECT day_obs FROM nights ORDER BY 1").remove(0);
        format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..])
    }

    fn data_files(&self, table: &str) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.warehouse.join(table)).unwrap();
        let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path: &PathBuf| path.extension().is_some_and(|name| name == "parquet"));
        files.sort();
        files
    }
}

/// The three columns of ids, as [`Survey::rows`] has them.
fn ids(sources: &[i64], fp: &[i64], objects: &[i64]) -> [Vec<String>; 3] {
    [sources, fp, objects].map(|ids| ids.iter().map(i64::to_string).collect())
}

/// What Python's `deltalake` has to say.
fn deltalake(script: &str, table: &Path) -> String {
    let folder = tempdir().unwrap();
    let file = nights::save(folder.path(), "script.py", script.as_bytes());
    crate::python::run(Path::new(&file), &[table.to_str().unwrap()], &[])
}
