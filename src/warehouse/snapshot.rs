//! One version of one table, as its readers hold it: schema, files, key ranges.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, SecondsFormat, Utc};
use object_store::ObjectStore;

use super::DataFile;
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

    /// The version meant, of those there are.
    pub(super) fn resolve(&self, versions: &BTreeMap<u64, DateTime<Utc>>) -> Option<u64> {
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

pub(super) fn rfc3339(time: &DateTime<Utc>) -> String {
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
