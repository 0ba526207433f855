//! What an ingest did: for a person (`Display`), and as JSON.

use std::fmt;

use serde::Serialize;

use super::listed::Listed;
use super::times::Implausible;
use super::upsert::Merged;
use crate::schema::Table;
use crate::schema::provenance::PLAUSIBLE_MJD;

/// The outcome of one ingest, all files together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Files read.
    pub files: u64,
    /// The size of the files.
    pub bytes: u64,
    /// Packets read, whatever became of them.
    pub packets: u64,
    /// What became of the rows of `sources`.
    pub sources: Merged,
    /// What became of the rows of `objects`.
    pub objects: Merged,
    /// What became of the rows of `fp`.
    pub fp: Merged,
    /// Packets of Solar System objects, which are not in the tables.
    pub solar_system: u64,
    /// Packets that gave no rows because something is wrong with them.
    pub refused: Listed<Refused>,
    /// Implausible times, in packets that gave rows all the same.
    pub implausible_times: Listed<ImplausibleTime>,
    /// Notes about fields of the packets that are not in the tables.
    pub notes: Vec<String>,
}

/// One refused packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The file that the packet is in.
    pub file: String,
    /// Its place in the file: the first record is 0.
    pub record: u64,
    /// Why it was refused.
    pub reason: String,
}

/// An implausible time. Its row is in the tables unless a copy with a plausible time is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImplausibleTime {
    /// The file that the time is in.
    pub file: String,
    /// The packet's place in the file: the first record is 0.
    pub record: u64,
    /// The field of the packet: `prvDiaForcedSources[3].midpointMjdTai`.
    pub column: String,
    /// The time as it stands there.
    pub value: f64,
    /// What would be right.
    pub expected: String,
}

impl ImplausibleTime {
    pub(super) fn new(file: &str, record: u64, time: Implausible) -> Self {
        let (least, greatest) = PLAUSIBLE_MJD.into_inner();
        let expected = format!("an MJD from {least} to {greatest}");
        let Implausible { field, mjd } = time;
        Self { file: file.to_string(), record, column: field, value: mjd, expected }
    }
}

impl Summary {
    /// Notes what became of the rows of a table.
    pub(super) fn note(&mut self, table: Table, merged: Merged) {
        match table {
            Table::Sources => self.sources = merged,
            Table::Objects => self.objects = merged,
            Table::Fp => self.fp = merged,
            // Alerts have none.
            Table::Places => {}
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, bytes, packets, solar_system, refused, implausible_times, .. } = self;
        writeln!(f, "{packets} packets read from {files} files ({bytes} bytes)")?;
        for (name, rows) in
            [("sources", &self.sources), ("objects", &self.objects), ("fp", &self.fp)]
        {
            let Merged { added, replaced, present } = rows;
            writeln!(f, "{name}: {added} added, {replaced} replaced, {present} already present")?;
        }
        writeln!(f, "{solar_system} Solar System packets skipped")?;
        write!(f, "{} packets refused{refused}", refused.count)?;
        if implausible_times.count > 0 {
            let count = implausible_times.count;
            write!(
                f,
                "\n{count} times are implausible: their rows never win over a copy with a plausible one{implausible_times}"
            )?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\nnote: {note}"))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, record, reason } = self;
        write!(f, "{file}, record {record} (the first is 0): {reason}")
    }
}

impl fmt::Display for ImplausibleTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, record, column, value, expected } = self;
        let place = format!("{file}, record {record} (the first is 0)");
        write!(f, "{place}: {column} is {value}; {expected} is expected")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_refused_packets_the_first_are_listed_and_all_counted() {
        let mut summary = Summary::default();
        for record in 0..300_000 {
            summary.refused.push(Refused { file: "a".into(), record, reason: "wrong".into() });
        }
        let text = summary.to_string();
        for said in ["300000 packets refused\n", "record 19 ", "and 299980 more"] {
            assert!(text.contains(said), "{text}");
        }
        assert!(!text.contains("record 20 "));
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["refused"]["count"], 300_000);
        assert_eq!(json["refused"]["first"].as_array().unwrap().len(), 20);
    }
}
