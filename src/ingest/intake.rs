//! What becomes of the rows of packets between reading and committing them: they are staged, and a summary says what was refused. Packets
//! of files and of streams come the same way.

use std::collections::BTreeSet;

use super::IngestOptions;
use super::evolution::{KnownColumns, extend};
use super::packet::PacketRows;
use super::staging::Staging;
use super::summary::{ImplausibleTime, Refused, Summary};
use super::upsert::upsert;
use crate::error::Result;
use crate::schema::Table;
use crate::warehouse::{Positions, Warehouse};

/// Rows of packets that are not committed yet.
pub(crate) struct Intake {
    options: IngestOptions,
    /// The columns of the tables that exist.
    stored: KnownColumns,
    staging: Staging,
    notes: BTreeSet<String>,
    /// Of all packets so far. What became of their rows is known when they are committed.
    pub summary: Summary,
}

impl Intake {
    /// Without rows.
    pub(crate) async fn begin(warehouse: &Warehouse, options: &IngestOptions) -> Result<Self> {
        let mut stored = KnownColumns::new();
        for table in Table::ALL {
            if let Some(snapshot) = warehouse.snapshot(table, None).await? {
                stored.insert(table, snapshot.schema.as_ref().clone());
            }
        }
        Ok(Self {
            staging: Staging::create(options)?,
            options: options.clone(),
            stored,
            notes: BTreeSet::new(),
            summary: Summary::default(),
        })
    }

    /// The columns of stored and staged rows.
    pub(crate) fn known_columns(&self) -> Result<KnownColumns> {
        let mut known = self.stored.clone();
        for (table, staged) in self.staging.columns() {
            let all = known.get(&table).map(|stored| extend(table, stored, &staged)).transpose()?;
            known.insert(table, all.unwrap_or(staged));
        }
        Ok(known)
    }

    /// Stages rows. `place` names a packet by its index in the batch: the file or partition, and the record or offset in it.
    pub(crate) fn take(
        &mut self,
        rows: PacketRows,
        place: impl Fn(usize) -> (String, u64),
    ) -> Result<()> {
        let PacketRows { packets, tables, solar_system, refused, implausible } = rows;
        for (table, batch) in &tables {
            self.staging.push(*table, batch)?;
        }
        self.summary.refused.extend(refused, |(at, reason)| {
            let (file, record) = place(at);
            Refused { file, record, reason }
        });
        self.summary.implausible_times.extend(implausible, |(at, time)| {
            let (file, record) = place(at);
            ImplausibleTime::new(&file, record, time)
        });
        self.summary.solar_system += solar_system;
        self.summary.packets += packets;
        Ok(())
    }

    /// Adds notes on fields that are left out.
    pub(crate) fn note(&mut self, notes: Vec<String>) {
        self.notes.extend(notes);
    }

    /// Commits all rows, and with them how far streams have been `read`: in the version that is given, if something was committed.
    pub(crate) async fn commit(
        self,
        warehouse: &Warehouse,
        read: &Positions,
    ) -> Result<(Summary, Option<u64>)> {
        let Self { options, staging, notes, mut summary, .. } = self;
        let done = upsert(warehouse, staging, &options, read).await?;
        for (table, merged) in done.merged {
            summary.note(table, merged);
        }
        summary.notes = notes.into_iter().collect();
        Ok((summary, done.read_in))
    }
}
