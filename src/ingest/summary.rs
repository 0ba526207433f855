//! What an ingest did: for a person (`Display`), and as JSON.

use std::fmt;

use serde::Serialize;

use super::merge::Merged;
use crate::schema::Table;

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
    /// Packets that gave no rows because something is wrong with them.
    pub refused: Vec<Refused>,
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
        let Self { files, bytes, packets, solar_system, refused, .. } = self;
        writeln!(f, "{packets} packets read from {files} files ({bytes} bytes)")?;
        for (name, rows) in
            [("sources", &self.sources), ("objects", &self.objects), ("fp", &self.fp)]
        {
            let Merged { added, replaced, present } = rows;
            writeln!(f, "{name}: {added} added, {replaced} replaced, {present} already present")?;
        }
        writeln!(f, "{solar_system} Solar System packets skipped")?;
        write!(f, "{} packets refused", refused.len())?;
        for Refused { file, record, reason } in refused {
            write!(f, "\n  {file}, record {record} (the first is 0): {reason}")?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\nnote: {note}"))
    }
}
