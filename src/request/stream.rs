//! Reads the arguments of a request that follows the sources into a [`Query`], whose `as_of` is the version since which they are followed.

use super::argument::{Argument, COLUMNS, FILTER, ID, SINCE, Takes};
use super::arguments::Arguments;
use super::ignored::{Ignored, Warning};
use super::json::Value;
use super::query::{Asked, predicate, query, version_or_time};
use crate::error::{Error, Result};
use crate::query::{ObjectIds, Order, Query, UnknownColumn};
use crate::schema::Table;
use crate::warehouse::AsOf;

static FOLLOWED: Argument = Argument {
    name: ID.name,
    about: "Only the sources of this object or these: an id, several separated by commas, or an array. Without it, those of all objects, \
            for which a token is needed where the server has one.",
    takes: Takes::Ids,
    is_required: false,
    example: "",
};

/// The arguments of `/api/v1/stream`.
#[derive(Debug)]
pub struct StreamRequest {
    /// The sources that are followed, object after object in each version.
    pub query: Query,
    /// Texts among the ids that are no ids.
    pub ignored_ids: Ignored,
    /// Arguments that the request does not have.
    pub ignored_arguments: Ignored,
}

impl StreamRequest {
    /// The arguments.
    pub const ARGUMENTS: &[&Argument] = &[&FOLLOWED, &COLUMNS, &FILTER, &SINCE];

    /// Reads the merged arguments of a request.
    pub fn parse(mut arguments: Arguments<'_>) -> Result<Self> {
        let asked = query(Table::Sources, Order::ByObject, &mut arguments)?;
        let Asked { mut query, ignored_ids, .. } = asked;
        query.filter = arguments.remove(FILTER.name).map(predicate).transpose()?;
        query.as_of = arguments.remove(SINCE.name).map(since).transpose()?;
        let ignored_arguments = arguments.ignored(Table::Sources, &query.ids)?;
        Ok(Self { query, ignored_ids, ignored_arguments })
    }

    /// The same, after the version of the event that a client has seen last.
    pub fn after_event(mut self, id: &str) -> Result<Self> {
        let point = parsed_point(id).ok_or_else(|| {
            let text =
                format!("Last-Event-ID must be the id of an event of this server, not `{id:.40}`");
            Error::argument(text)
        })?;
        self.query.as_of = Some(point);
        Ok(self)
    }

    /// Whether the sources of all objects are followed.
    pub fn is_whole_table(&self) -> bool {
        matches!(self.query.ids, ObjectIds::Within(_))
    }

    /// The warning to send before the rows.
    pub fn warning(&self, unknown_columns: &[UnknownColumn]) -> Option<String> {
        let (ids, arguments) = (self.ignored_ids.clone(), self.ignored_arguments.clone());
        Warning { ids, columns: unknown_columns.into(), arguments, as_of: None, cut: None }.text()
    }
}

/// A version, a time, a name, or the [`resume_point`] of a version.
fn since(value: Value<'_>) -> Result<AsOf> {
    let text = version_or_time(&SINCE, value)?;
    let named = |error: Error| error.context(SINCE.name);
    parsed_point(&text).map_or_else(|| AsOf::parse(&text).map_err(named), Ok)
}

fn parsed_point(text: &str) -> Option<AsOf> {
    let (version, id) = text.split_once('-')?;
    let (version, id) = (version.parse().ok()?, u64::from_str_radix(id, 16).ok()?);
    (text == resume_point(version, id)).then_some(AsOf::Exactly { version, id })
}

/// What `since` takes to go on after a version: its number and its id.
pub fn resume_point(version: u64, id: u64) -> String {
    format!("{version}-{id:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::request::arguments::{self, Body};

    fn parsed(body: &str) -> Result<StreamRequest> {
        let names: Vec<_> = StreamRequest::ARGUMENTS.iter().map(|one| one.name).collect();
        StreamRequest::parse(arguments::read(Body::Json(body.as_bytes()), "", &names)?)
    }

    #[test]
    fn since_is_a_version_a_time_a_name_or_the_id_of_an_event() {
        let since =
            |text: &str| parsed(&format!(r#"{{"since": {text}}}"#)).map(|one| one.query.as_of);
        assert_eq!(since("12").unwrap(), Some(AsOf::Version(12)));
        assert_eq!(since(r#""dr1""#).unwrap(), Some(AsOf::Name("dr1".into())));
        let time = AsOf::Time("2026-11-23T01:00:00Z".parse().unwrap());
        assert_eq!(since(r#""2026-11-23T01:00:00Z""#).unwrap(), Some(time));
        let id = 0xab;
        let point = format!("\"{}\"", resume_point(12, id));
        assert_eq!(since(&point).unwrap(), Some(AsOf::Exactly { version: 12, id }));
        let after = parsed("{}").unwrap().after_event(&resume_point(7, id)).unwrap();
        assert_eq!(after.query.as_of, Some(AsOf::Exactly { version: 7, id }));
        assert!(parsed("{}").unwrap().after_event("7").is_err());
        for wrong in ["\"12-ab\"", "\"12-00000000000000AB\"", "-1", "[1]", "null", "\"\""] {
            let error = since(wrong).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument, "{wrong}");
            assert!(error.to_string().starts_with("since"), "{wrong}: {error}");
        }
    }

    #[test]
    fn without_objects_all_are_followed() {
        let request = parsed(r#"{"columns": "r:ra", "filter": "band = 'r'"}"#).unwrap();
        assert!(request.is_whole_table());
        assert_eq!(request.query.filter.as_deref(), Some("band = 'r'"));
        // It would follow all objects, not the one that is meant.
        assert!(parsed(r#"{"diaobjectid": 7}"#).unwrap_err().to_string().contains("diaobjectid"));
        let request = parsed(r#"{"diaObjectId": 7, "as_of": 1}"#).unwrap();
        assert!(!request.is_whole_table());
        assert_eq!(request.warning(&[]).unwrap(), "ignored arguments: as_of");
        assert!(parsed(r#"{"filter": 7}"#).unwrap_err().to_string().contains("predicate"));
    }
}
