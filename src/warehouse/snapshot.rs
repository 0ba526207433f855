//! One version of one table, as its readers hold it: schema, files, key ranges.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use chrono::{DateTime, SecondsFormat, Utc};
use object_store::{ObjectMeta, ObjectStore};

use super::DataFile;
use super::kept::is_name;
use crate::error::{Error, Result};
use crate::schema::Table;

/// Which version of a table to read.
#[derive(Clone, Debug, PartialEq)]
pub enum AsOf {
    Version(u64),
    /// A version of one table, by its id: of one made anew in its place it is none.
    Exactly {
        version: u64,
        table_id: u64,
    },
    /// The newest version committed at or before this time, by the commits' own clocks.
    Time(DateTime<Utc>),
    /// A version that was kept by this name.
    Name(String),
}

impl AsOf {
    /// A version (`12`), an RFC 3339 time (`2026-11-23T01:00:00Z`) or a name (`dr1`).
    pub fn parse(text: &str) -> Result<Self> {
        if let Ok(version) = text.parse() {
            return Ok(AsOf::Version(version));
        }
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(AsOf::Time(time.to_utc())),
            Err(_) if is_name(text) => Ok(AsOf::Name(text.to_string())),
            Err(_) => Err(Error::argument(format!(
                "as_of: {text:.40} is neither a version (12) nor an RFC 3339 time (2026-11-23T01:00:00Z) nor a name (dr1)"
            ))),
        }
    }
}

impl std::fmt::Display for AsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AsOf::Version(version) | AsOf::Exactly { version, .. } => {
                write!(f, "version {version}")
            }
            AsOf::Time(time) => f.write_str(&rfc3339(time)),
            AsOf::Name(name) => f.write_str(name),
        }
    }
}

/// An immutable version of a table. Its files stay readable until vacuum's grace period is over.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub table: Table,
    pub version: u64,
    /// Whether it was begun by a survey that is made up: then so are some of its rows at least.
    pub synthetic: bool,
    /// Tells the table from one that was made anew in its place, whose versions count from 0 again.
    pub table_id: u64,
    /// The entry of the log that made this version; `None` of a plain folder, and where the log has it no more.
    pub entry: Option<ObjectMeta>,
    /// The stored columns, families in the field metadata, then provenance, then those that are in no file but in its path.
    pub schema: SchemaRef,
    /// Columns of other people's files that are not served.
    pub left_out: Vec<LeftOut>,
    /// Sorted by `keys.start()`. Key ranges may overlap until compaction.
    pub files: Vec<DataFile>,
    /// The store in which `files[..].path` are.
    pub store: Arc<dyn ObjectStore>,
}

/// A column that is not served, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    pub column: String,
    pub why: String,
}

impl Snapshot {
    /// The columns that are in no file but in its path, or in the log: the last ones of the schema.
    pub fn partition_columns(&self) -> Vec<FieldRef> {
        let columns = self.files.first().map_or(0, |file| file.partition_values.len());
        self.schema.fields().iter().skip(self.schema.fields().len() - columns).cloned().collect()
    }

    /// The same rows with columns that are in no file at the end, where a scan has them.
    pub(super) fn in_order(self) -> Result<Self> {
        let in_path = |i: &usize| {
            let name = self.schema.field(*i).name();
            let values = self.files.first().map(|file| file.partition_values.as_slice());
            values.unwrap_or_default().iter().position(|(column, _)| column == name)
        };
        let mut order: Vec<_> = (0..self.schema.fields().len()).collect();
        order.sort_by_key(in_path);
        let schema = Arc::new(self.schema.project(&order)?);
        Ok(Self { schema, ..self })
    }
}

pub(super) fn rfc3339(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn as_of_is_a_version_a_time_or_a_name() {
        assert_eq!(AsOf::parse("12").unwrap(), AsOf::Version(12));
        let time = AsOf::parse("2026-11-23T02:00:00+01:00").unwrap();
        assert_eq!(time, AsOf::Time("2026-11-23T01:00:00Z".parse().unwrap()));
        assert_eq!(AsOf::parse("dr1").unwrap(), AsOf::Name("dr1".into()));
        for bad in ["", "-1", "last night", "2026-11-23"] {
            let error = AsOf::parse(bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument);
            assert!(error.to_string().starts_with("as_of:"), "{error}");
        }
    }
}
