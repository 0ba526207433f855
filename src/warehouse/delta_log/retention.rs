//! Keeps the log of a table from growing without end: how long commits and removed files stay in it, and how often a checkpoint sums it up.
//! Properties of the table say so, which other engines know, too. Every commit cleans the log by age; [`Warehouse::tidy_log`] also by
//! number.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use deltalake_core::DeltaTableError;
use deltalake_core::checkpoints::cleanup_expired_logs_for;
use deltalake_core::kernel::{Metadata, MetadataExt};

use super::kept::{complete_kept, oldest_incomplete};
use super::updates::version_named_by;
use super::{Change, Log, Operation};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::{ATTEMPTS, VacuumOptions, Warehouse};

/// A property of the table.
struct Property {
    name: &'static str,
    value: &'static str,
    /// What an older version gave to its tables. Where there is something else, a person has set it.
    former: Option<&'static str>,
}

/// What a new table has. A checkpoint takes as long as some commits, and reading a commit after it next to nothing.
const PROPERTIES: [Property; 3] = [
    Property { name: "delta.checkpointInterval", value: "50", former: Some("10") },
    Property {
        name: "delta.deletedFileRetentionDuration",
        value: "interval 7 days",
        former: Some("interval 30 days"),
    },
    Property { name: "delta.logRetentionDuration", value: "interval 30 days", former: None },
];

/// The names and values of the properties of a new table.
pub(super) fn properties() -> [(&'static str, &'static str); 3] {
    PROPERTIES.map(|Property { name, value, .. }| (name, value))
}

/// The log has at most about so many commits: those before the newest checkpoint that is older than these are deleted.
const MOST_VERSIONS: u64 = 10_000;

/// The entries are deleted whatever their age, also where the clock of the store is ahead.
const ANY_AGE: TimeDelta = TimeDelta::days(1);

impl Warehouse {
    /// Completes the files of names that an older version wrote, gives the table the properties of a new one where nobody has set others,
    /// and deletes commits from the log that are older than the newest 10,000 and than a checkpoint. Returns how many files of the log were
    /// deleted. The properties stay as they are where the log is to know removed files for longer than a new one does, for this grace
    /// period.
    pub async fn tidy_log(&self, table: Table, vacuum: &VacuumOptions) -> Result<usize> {
        self.tidy_log_to(table, vacuum.grace, MOST_VERSIONS).await
    }

    async fn tidy_log_to(&self, table: Table, grace: Duration, most: u64) -> Result<usize> {
        let log = Log::new(&self.location, table)?;
        let state = log.state(None).await?.ok_or_else(|| self.no_table(table))?;
        complete_kept(&log, &state).await?;
        if grace <= VacuumOptions::DEFAULT.grace {
            self.renew_properties(&log).await?;
        }
        let needed = oldest_incomplete(&log, &state).await?.unwrap_or(u64::MAX);
        let oldest = state.version().saturating_sub(most).min(needed);
        let cutoff = (Utc::now() + ANY_AGE).timestamp_millis();
        let deleted = cleanup_expired_logs_for(oldest, log.delta.as_ref(), cutoff, None).await;
        let deleted = deleted.map_err(|error| log.failed(Error::from(error)))?;
        // Where the oldest version cannot be read, it may still be later.
        let of_updates = tidy_log_of_updates(&log, cutoff).await.unwrap_or_else(|error| {
            tracing::warn!(table = table.name(), %error, "the log of the updates stays as it is");
            0
        });
        Ok(deleted + of_updates)
    }

    /// Commits the properties of a new table, unless the table has them.
    async fn renew_properties(&self, log: &Log) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let table = log.table;
            let state = log.state(None).await?.ok_or_else(|| self.no_table(table))?;
            let is_new = renewed(state.metadata()).map_err(|error| log.failed(error.into()))?;
            if is_new.is_none() {
                return Ok(());
            }
            let base = log.snapshot(&state).await?;
            let (operation, schema) = (Operation::SetProperties, base.schema.clone());
            let change = Change { operation, schema, add: Vec::new(), remove: Vec::new() };
            match self.commit(table, Some(&base), change).await {
                Err(error) if error.kind() == Kind::Conflict => {}
                done => {
                    let version = done?;
                    tracing::info!(
                        table = table.name(),
                        version,
                        "has the properties of a new table"
                    );
                    return Ok(());
                }
            }
        }
        // The next time will do.
        Ok(())
    }
}

/// Deletes commits from the log of the updates that are older than any version of them that the log of the table names.
async fn tidy_log_of_updates(log: &Log, cutoff: i64) -> Result<usize> {
    let Some(updates) = &log.updates else { return Ok(0) };
    let Some((oldest, _)) = log.versions().await?.first().copied() else { return Ok(0) };
    let Some(state) = log.state(Some(oldest)).await? else { return Ok(0) };
    let Some(named) = version_named_by(log, &state).await? else { return Ok(0) };
    let deleted = cleanup_expired_logs_for(named, updates.delta.as_ref(), cutoff, None).await;
    deleted.map_err(|error| updates.failed(Error::from(error)))
}

/// The metadata with the properties of a new table, where they are those of an older version; `None` if none is.
pub(super) fn renewed(metadata: &Metadata) -> Result<Option<Metadata>, DeltaTableError> {
    let is_former = |property: &&Property| {
        let told = metadata.configuration().get(property.name);
        told.is_some_and(|told| property.former == Some(told))
    };
    let mut former = PROPERTIES.iter().filter(is_former).peekable();
    if former.peek().is_none() {
        return Ok(None);
    }
    let set = |metadata: Metadata, Property { name, value, .. }: &Property| {
        Ok(metadata.add_config_key(name.to_string(), value.to_string())?)
    };
    former.try_fold(metadata.clone(), set).map(Some)
}

#[cfg(test)]
mod tests;
