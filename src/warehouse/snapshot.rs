//! One version of one table, as its readers hold it: schema, files, key ranges.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, SecondsFormat, Utc};
use futures::TryStreamExt;
use object_store::ObjectStore;

use super::log::Log;
use super::{DataFile, Warehouse};
use crate::error::{Error, Result};
use crate::schema::Table;

/// Which version of a table to read.
#[derive(Clone, Debug, PartialEq)]
pub enum AsOf {
    Version(u64),
    /// The newest version committed at or before this time.
    Time(DateTime<Utc>),
}

impl AsOf {
    /// A version (`12`) or an RFC 3339 time (`2026-11-23T01:00:00Z`).
    pub fn parse(text: &str) -> Result<Self> {
        if let Ok(version) = text.parse() {
            return Ok(AsOf::Version(version));
        }
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(AsOf::Time(time.to_utc())),
            Err(_) => Err(Error::argument(format!(
                "as_of: {text} is neither a version (12) nor an RFC 3339 time (2026-11-23T01:00:00Z)"
            ))),
        }
    }

    fn resolve(&self, versions: &BTreeMap<u64, DateTime<Utc>>) -> Option<u64> {
        match self {
            AsOf::Version(version) => versions.contains_key(version).then_some(*version),
            AsOf::Time(asked) => {
                let before = versions.iter().rev().find(|(_, committed)| *committed <= asked);
                before.map(|(version, _)| *version)
            }
        }
    }
}

impl std::fmt::Display for AsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AsOf::Version(version) => write!(f, "version {version}"),
            AsOf::Time(time) => f.write_str(&rfc3339(time)),
        }
    }
}

/// An immutable version of a table. Its files stay readable until vacuum's grace period is over.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub table: Table,
    pub version: u64,
    /// The stored columns, families in the field metadata, provenance last.
    pub schema: SchemaRef,
    /// Sorted by `keys.start()`. Key ranges may overlap until compaction.
    pub files: Vec<DataFile>,
    /// The store in which `files[..].path` are.
    pub store: Arc<dyn ObjectStore>,
}

impl Warehouse {
    /// The newest state of a table, or an older one; `None` where the table does not exist yet.
    /// A version or time that is not there any more is an `Argument` error that names `as_of`.
    pub async fn snapshot(&self, table: Table, as_of: Option<&AsOf>) -> Result<Option<Snapshot>> {
        let log = Log::new(&self.location, table)?;
        if let Some(as_of) = as_of {
            return older(&log, as_of).await;
        }
        let state = log.state(None).await?;
        state.map(|state| log.snapshot(&state)).transpose()
    }

    /// The newest state of the table of a snapshot; `None` while that is the newest, which costs one
    /// request to find out.
    pub async fn refresh(&self, known: &Snapshot) -> Result<Option<Snapshot>> {
        let log = Log::new(&self.location, known.table)?;
        match log.has(known.version + 1).await? {
            true => self.snapshot(known.table, None).await,
            false => Ok(None),
        }
    }
}

async fn older(log: &Log, as_of: &AsOf) -> Result<Option<Snapshot>> {
    let versions = log.versions().await?;
    let (Some((oldest, since)), Some((newest, _))) =
        (versions.first_key_value(), versions.last_key_value())
    else {
        return Ok(None);
    };
    let gone =
        |why: String| Error::argument(format!("as_of: {} has no {as_of} {why}", log.table.name()));
    let kept = || format!("(any more); it has {oldest} ({}) to {newest}", rfc3339(since));
    let version = as_of.resolve(&versions).ok_or_else(|| gone(kept()))?;
    let Some(state) = log.state(Some(version)).await? else { return Err(gone(kept())) };
    let snapshot = log.snapshot(&state)?;
    if version != *newest && !all_there(log, &snapshot).await? {
        return Err(gone("any more: vacuum has deleted its files".into()));
    }
    Ok(Some(snapshot))
}

async fn all_there(log: &Log, snapshot: &Snapshot) -> Result<bool> {
    let objects = log.location.store.list(Some(&log.location.prefix));
    let there: HashSet<_> = objects
        .map_ok(|object| object.location)
        .try_collect()
        .await
        .map_err(|error| log.failed(Error::from(error)))?;
    Ok(snapshot.files.iter().all(|file| there.contains(&file.path)))
}

fn rfc3339(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn as_of_is_a_version_or_a_time() {
        assert_eq!(AsOf::parse("12").unwrap(), AsOf::Version(12));
        let time = AsOf::parse("2026-11-23T02:00:00+01:00").unwrap();
        assert_eq!(time, AsOf::Time("2026-11-23T01:00:00Z".parse().unwrap()));
        for bad in ["", "-1", "yesterday", "2026-11-23"] {
            let error = AsOf::parse(bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument);
            assert!(error.to_string().starts_with("as_of:"), "{error}");
        }
    }

    #[test]
    fn a_time_resolves_to_the_newest_version_before_it() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let versions = BTreeMap::from([(3, at(10)), (4, at(20)), (5, at(30))]);
        let resolve = |as_of: AsOf| as_of.resolve(&versions);
        assert_eq!(resolve(AsOf::Time(at(9))), None);
        assert_eq!(resolve(AsOf::Time(at(10))), Some(3));
        assert_eq!(resolve(AsOf::Time(at(29))), Some(4));
        assert_eq!(resolve(AsOf::Time(at(99))), Some(5));
        assert_eq!(resolve(AsOf::Version(4)), Some(4));
        assert_eq!(resolve(AsOf::Version(6)), None);
    }
}
