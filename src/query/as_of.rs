//! Older versions of a table, for queries that ask for one.

use std::sync::Arc;

use super::follow::{Seen, Tables};
use super::prepared_tables::PreparedTables;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::AsOf;

impl Tables {
    /// An older snapshot; `None` where the table does not exist.
    pub(crate) async fn as_of(
        &self,
        table: Table,
        as_of: &AsOf,
    ) -> Result<Option<Arc<PreparedTables>>> {
        let Some(seen) = self.seen(table) else { return Ok(None) };
        let (current, history) = (seen.prepared.snapshot(), &seen.history);
        let version = self.version_of(&seen, as_of).await?;
        if version == Some(current.version) {
            return is_asked(&seen.prepared, as_of).map(Some);
        }
        let held = version.and_then(|version| self.older.get(table, history, version));
        if let Some(held) = held {
            return is_asked(&held, as_of).map(Some);
        }
        let number = match (as_of, version) {
            (AsOf::Time(_) | AsOf::Name(_), Some(version)) => AsOf::Version(version),
            (as_of, _) => as_of.clone(),
        };
        let older = self.options().source(table).older(current, &number, history).await?;
        let Some(snapshot) = older else { return Ok(None) };
        if snapshot.table_id != current.table_id {
            return Err(made_anew(table));
        }
        let prepared = Arc::new(self.prepare(snapshot).await?);
        self.older.keep(prepared.clone(), seen.history);
        is_asked(&prepared, as_of).map(Some)
    }

    /// The number of a version of a table; `None` for a time before its first.
    pub(super) async fn version_of(&self, seen: &Seen, as_of: &AsOf) -> Result<Option<u64>> {
        let current = seen.prepared.snapshot();
        let source = self.options().source(current.table);
        match as_of {
            AsOf::Time(time) => source.version_at(current, time, &seen.history).await,
            AsOf::Name(name) => source.version_named(current, name).await,
            AsOf::Version(version) | AsOf::Exactly { version, .. } => Ok(Some(*version)),
        }
    }

    /// The version after which somebody follows a table, and its [id](crate::warehouse::Snapshot::id).
    pub(super) async fn since(&self, seen: &Seen, since: Option<&AsOf>) -> Result<(u64, u64)> {
        let known = seen.prepared.snapshot();
        let Some(since) = since else { return Ok((known.version, known.id())) };
        let version = self.version_of(seen, since).await.map_err(|error| error.context("since"))?;
        let version = version.filter(|version| *version <= known.version).ok_or_else(|| {
            let (table, newest) = (known.table.name(), known.version);
            Error::argument(format!("since: {table} has no {since} (yet); the newest is {newest}"))
        })?;
        let of_version = self.options().source(known.table).id_of(version, known).await?;
        match (since, of_version) {
            (AsOf::Exactly { id, .. }, Some(of_version)) if of_version != *id => {
                Err(made_anew(known.table))
            }
            (AsOf::Exactly { .. }, None) => {
                let why = format!(
                    "since: the log does not have version {version} any more: ask for all rows again"
                );
                Err(Error::new(Kind::Gone, why))
            }
            (_, of_version) => Ok((version, of_version.unwrap_or(known.table_id))),
        }
    }
}

/// A snapshot that was found by its number, if it is the one that is asked for.
fn is_asked(found: &Arc<PreparedTables>, as_of: &AsOf) -> Result<Arc<PreparedTables>> {
    match as_of {
        AsOf::Exactly { id, .. } if *id != found.snapshot().id() => {
            Err(made_anew(found.snapshot().table))
        }
        _ => Ok(found.clone()),
    }
}

pub(super) fn made_anew(table: Table) -> Error {
    let text = format!(
        "the table {} has been created anew or restored, and its earlier versions are gone: ask for the newest version",
        table.name()
    );
    Error::new(Kind::Gone, text)
}
