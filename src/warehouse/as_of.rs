//! Which version of a table somebody asks for, as they write it: a number, a time or a name.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::error::{Error, Result};

/// A name of a version is a letter, then letters, digits and these.
pub(super) const NAME_SIGNS: &str = "_-.";
pub(super) const MOST_NAME_BYTES: usize = 64;

/// Which version of a table to read.
#[derive(Clone, Debug, PartialEq)]
pub enum AsOf {
    /// A version by its number.
    Version(u64),
    /// The version of this number and id. Where another table, or a backup, has taken the place of the table since, there is no such
    /// version, though one may have its number.
    Exactly {
        /// The number of the version.
        version: u64,
        /// [`Snapshot::id`](super::Snapshot::id).
        id: u64,
    },
    /// The newest version committed at or before this time, by the commits' own clocks.
    Time(DateTime<Utc>),
    /// The version that was kept by this name.
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
                "{text:.40} is neither a version (12) nor an RFC 3339 time (2026-11-23T01:00:00Z) nor a name (dr1)"
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

/// Whether a text can be the name of a version: such a name is neither a number nor a time.
pub(super) fn is_name(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || NAME_SIGNS.contains(c);
    text.len() <= MOST_NAME_BYTES
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(rest)
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
            assert!(error.to_string().contains("is neither a version"), "{error}");
        }
    }

    #[test]
    fn a_name_is_neither_a_version_nor_a_time_nor_a_path() {
        for name in ["dr1", "Smith-et-al.2026_v2", "x"] {
            assert!(is_name(name), "{name}");
        }
        let long = "x".repeat(65);
        for text in ["", "12", "2026-11-23T01:00:00Z", "../x", "a/b", "_x", "é", "a b", &long] {
            assert!(!is_name(text), "{text}");
        }
    }
}
