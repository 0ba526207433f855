//! What an ingest did: for a person (`Display`), and as JSON.

use std::fmt;

use serde::Serialize;

use super::merge::Merged;
use crate::schema::Table;

/// Refused packets that are listed. A file of another survey may have millions, all for the same reason.
const LISTED: usize = 20;

/// The outcome of one ingest, all files together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub files: u64,
    /// The size of the files.
    pub bytes: u64,
    /// Packets read, whatever became of them.
    pub packets: u64,
    pub sources: Merged,
    pub objects: Merged,
    pub fp: Merged,
    /// Packets of Solar System objects, which are not in the tables.
    pub solar_system: u64,
    /// Packets that gave no rows because something is wrong with them: how many, the first of them, and how many are not
    /// among these.
    pub refused_packets: u64,
    pub refused: Vec<Refused>,
    pub refused_not_listed: u64,
    /// What else to know: fields of the packets that are not in the tables.
    pub notes: Vec<String>,
}

/// One refused packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    pub file: String,
    /// Its place in the file: the first record is 0.
    pub record: u64,
    pub reason: String,
}

impl Summary {
    /// Counts a refused packet, and lists it while few are.
    pub fn refuse(&mut self, packet: impl FnOnce() -> Refused) {
        self.refused_packets += 1;
        match self.refused.len() < LISTED {
            true => self.refused.push(packet()),
            false => self.refused_not_listed += 1,
        }
    }

    /// What became of the rows of a table.
    pub fn table_mut(&mut self, table: Table) -> &mut Merged {
        match table {
            Table::Sources => &mut self.sources,
            Table::Objects => &mut self.objects,
            Table::Fp => &mut self.fp,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, bytes, packets, solar_system, refused_packets, .. } = self;
        writeln!(f, "{packets} packets read from {files} files ({bytes} bytes)")?;
        for (name, rows) in
            [("sources", &self.sources), ("objects", &self.objects), ("fp", &self.fp)]
        {
            let Merged { added, replaced, present } = rows;
            writeln!(f, "{name}: {added} added, {replaced} replaced, {present} already present")?;
        }
        writeln!(f, "{solar_system} Solar System packets skipped")?;
        write!(f, "{refused_packets} packets refused")?;
        for Refused { file, record, reason } in &self.refused {
            write!(f, "\n  {file}, record {record} (the first is 0): {reason}")?;
        }
        if self.refused_not_listed > 0 {
            write!(f, "\n  and {} more, which are not listed", self.refused_not_listed)?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\nnote: {note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_refused_packets_the_first_are_listed_and_all_counted() {
        let mut summary = Summary::default();
        for record in 0..300_000 {
            summary.refuse(|| Refused { file: "a".into(), record, reason: "wrong".into() });
        }
        let text = summary.to_string();
        for said in ["300000 packets refused\n", "record 19 ", "and 299980 more"] {
            assert!(text.contains(said), "{text}");
        }
        assert!(!text.contains("record 20 "));
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(
            (&json["refused_packets"], &json["refused_not_listed"]),
            (&300_000.into(), &299_980.into())
        );
        assert_eq!(json["refused"].as_array().unwrap().len(), 20);
    }
}
