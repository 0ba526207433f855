//! Reads a request from a descriptor, which is the path of an endpoint or the arguments of a REST request as JSON, with the name of the
//! endpoint as `endpoint`. Errors name the argument and say what would be right.
//!
//! The endpoint `stream` is that of REST: its rows go on. Beyond REST's arguments there are `filter`, `limit` and `compression`. What nobody knows is ignored as in REST, and told;
//! without `diaObjectId` it is refused, for a misspelt argument would then read a whole table.

use arrow::ipc::CompressionType;
use arrow_flight::FlightDescriptor;
use arrow_flight::flight_descriptor::DescriptorType;
use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::flight::wire;
use crate::query::{ObjectIds, Order, Query, UnknownColumn};
use crate::request::StreamRequest;
use crate::request::argument::{
    AS_OF, COLUMNS, FILTER, ID, MIDPOINT_MJD_TAI, SINCE, WITH_UPPER_LIMITS,
};
use crate::request::arguments::{self, Body};
use crate::request::ignored::{Ignored, Warning};
use crate::request::json::{Scalar, Value};
use crate::request::query::{Asked, predicate, query, wrong};
use crate::schema::Table;

/// The argument that names the endpoint.
pub(super) const ENDPOINT: &str = "endpoint";
/// The endpoint whose rows go on.
const STREAM: &str = "stream";
/// Bytes of a command: some hundred thousand ids. More ids go through an exchange.
const MOST_BYTES: usize = 4 << 20;
const LIMIT: &str = "limit";
/// The argument that names the compression.
pub(super) const COMPRESSION: &str = "compression";

/// All arguments of requests over Flight.
const NAMES: [&str; 10] = [
    ENDPOINT,
    ID.name,
    COLUMNS.name,
    MIDPOINT_MJD_TAI.name,
    AS_OF.name,
    WITH_UPPER_LIMITS.name,
    FILTER.name,
    SINCE.name,
    LIMIT,
    COMPRESSION,
];

/// How a path or a command looks, for errors.
const EXAMPLES: &str =
    "for_path(\"sources\", \"170028485706776685\") or for_command('{\"endpoint\": \"sources\"}')";

/// A request that was understood.
#[derive(Debug)]
pub(crate) struct EndpointRequest {
    /// The JSON of the request as it came, so that no digit is lost.
    pub text: String,
    /// Rows come object after object.
    pub query: Query,
    /// Whether the rows go on with what is added later: then `as_of` of the query is the version since which they are wanted.
    pub follows: bool,
    /// The compression of the values in each message.
    pub compression: Option<CompressionType>,
    ignored_ids: Ignored,
    ignored_arguments: Ignored,
}

impl EndpointRequest {
    /// Reads a descriptor.
    pub(crate) fn from_descriptor(descriptor: &FlightDescriptor) -> Result<Self> {
        Self::parse(command(descriptor)?)
    }

    /// Reads the JSON of a request. `TooLarge` over [`MOST_BYTES`].
    pub(crate) fn parse(text: String) -> Result<Self> {
        check_size(text.len())?;
        let mut arguments = arguments::read(Body::Json(text.as_bytes()), "", &NAMES)?;
        let endpoint = arguments.remove(ENDPOINT);
        let compression = arguments.remove(COMPRESSION).map(compression).transpose()?.flatten();
        if matches!(&endpoint, Some(Value::One(Scalar::Text(name))) if name == STREAM) {
            let StreamRequest { query, ignored_ids, ignored_arguments } =
                StreamRequest::parse(arguments)?;
            let follows = true;
            return Ok(Self { text, query, follows, compression, ignored_ids, ignored_arguments });
        }
        let table = table(endpoint)?;
        if arguments.contains_key(WITH_UPPER_LIMITS.name) {
            return Err(Error::argument(format!(
                "{} is answered over REST (output-format: arrow or parquet); over Flight, request sources and fp one after the other",
                WITH_UPPER_LIMITS.name
            )));
        }
        let Asked { query, ignored_ids, .. } = query(table, Order::ByObject, &mut arguments)?;
        let filter = arguments.remove(FILTER.name).map(predicate).transpose()?;
        let limit = arguments.remove(LIMIT).map(limit).transpose()?;
        let query = Query { filter, limit, ..query };
        let ignored_arguments = arguments.ignored(table, &query.ids)?;
        let follows = false;
        Ok(Self { text, query, follows, compression, ignored_ids, ignored_arguments })
    }

    /// Whether no objects are named, so that a whole table is read, whatever its filter leaves.
    pub(crate) fn is_whole_table(&self) -> bool {
        matches!(self.query.ids, ObjectIds::Within(_))
    }

    /// The warning beside the rows, if anything was ignored.
    pub(crate) fn warning(&self, unknown_columns: &[UnknownColumn]) -> Option<String> {
        let (ids, arguments) = (self.ignored_ids.clone(), self.ignored_arguments.clone());
        let as_of = self.query.as_of.clone();
        let columns = unknown_columns.into();
        Warning { ids, columns, arguments, as_of, cut: None }.text()
    }
}

/// The JSON of a request, from its descriptor. `TooLarge` over [`MOST_BYTES`].
pub(super) fn command(descriptor: &FlightDescriptor) -> Result<String> {
    let text = match (descriptor.r#type(), descriptor.path.as_slice()) {
        (DescriptorType::Cmd, _) => String::from_utf8(descriptor.cmd.to_vec())
            .map_err(|_| Error::argument(format!("the command is not JSON: give {EXAMPLES}")))?,
        (DescriptorType::Path, [endpoint]) => json!({ENDPOINT: endpoint}).to_string(),
        (DescriptorType::Path, [endpoint, ids]) => {
            json!({ENDPOINT: endpoint, ID.name: ids}).to_string()
        }
        _ => {
            return Err(Error::argument(format!(
                "a descriptor must be an endpoint, an endpoint and ids, or a command: give {EXAMPLES}"
            )));
        }
    };
    check_size(text.len())?;
    Ok(text)
}

fn check_size(bytes: usize) -> Result<()> {
    match bytes {
        0..=MOST_BYTES => Ok(()),
        _ => Err(Error::new(
            Kind::TooLarge,
            format!(
                "a command has {bytes} bytes; the limit is {MOST_BYTES}: send more ids in an exchange"
            ),
        )),
    }
}

fn table(value: Option<Value<'_>>) -> Result<Table> {
    let names = [&Table::ALL.map(Table::name)[..], &[STREAM]].concat().join(", ");
    match &value {
        Some(Value::One(Scalar::Text(name))) => Table::from_name(name).ok_or_else(|| {
            let text = format!("endpoint must be one of {names}, not `{name:.40}`");
            Error::new(Kind::NotFound, text)
        }),
        Some(value) => Err(wrong(ENDPOINT, &format!("one of {names}"), value)),
        None => Err(Error::argument(format!("endpoint is missing: give one of {names}"))),
    }
}

fn limit(value: Value<'_>) -> Result<usize> {
    let rows = match &value {
        Value::One(Scalar::Number(text) | Scalar::Text(text)) => text.parse().ok(),
        _ => None,
    };
    rows.ok_or_else(|| wrong("limit", "a number of rows", value))
}

/// The compression that a value names.
pub(super) fn compression(value: Value<'_>) -> Result<Option<CompressionType>> {
    let known = match &value {
        Value::One(Scalar::Null) => return Ok(None),
        Value::One(Scalar::Text(name)) => wire::compression_named(name),
        _ => None,
    };
    known.map(Some).ok_or_else(|| wrong("compression", "lz4 or zstd", value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EndpointRequest> {
        EndpointRequest::parse(text.to_string())
    }

    fn path(names: &[&str]) -> FlightDescriptor {
        FlightDescriptor::new_path(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_path_is_a_short_command() {
        for (names, command) in [
            (&["fp", "7,12"][..], r#"{"endpoint": "fp", "diaObjectId": ["7", 12]}"#),
            (&["objects"], r#"{"endpoint": "objects"}"#),
        ] {
            let (short, long) = (EndpointRequest::from_descriptor(&path(names)), parse(command));
            let (short, long) = (short.unwrap().query, long.unwrap().query);
            assert_eq!((short.rows, short.ids), (long.rows, long.ids));
        }
        for wrong in [&[][..], &["sources", "1", "2"]] {
            assert!(
                EndpointRequest::from_descriptor(&path(wrong))
                    .unwrap_err()
                    .to_string()
                    .contains("for_path")
            );
        }
    }

    #[test]
    fn what_is_beyond_rest_is_understood() {
        let request = parse(
            r#"{"endpoint": "fp", "filter": "psfFlux > 3", "limit": 10, "compression": "zstd"}"#,
        );
        let request = request.unwrap();
        assert!(request.is_whole_table());
        assert_eq!(request.query.filter.as_deref(), Some("psfFlux > 3"));
        assert_eq!(request.query.limit, Some(10));
        assert_eq!(request.compression, Some(CompressionType::ZSTD));
    }

    #[test]
    fn what_nobody_knows_is_told_or_refused() {
        let command =
            r#"{"endpoint": "fp", "diaObjectId": 1, "output-format": "csv", "fo\u00e9": 2}"#;
        let request = parse(command).unwrap();
        let unknown = UnknownColumn { name: "rx".into(), nearest: Some("r:x".into()) };
        let warning = request.warning(&[unknown]).unwrap();
        let told = "unknown columns: rx (perhaps r:x); ignored arguments: output-format, fo%C3%A9";
        assert_eq!(warning, told);
        let error = parse(r#"{"endpoint": "fp", "diaobjectid": 1}"#).unwrap_err();
        assert!(error.to_string().contains("diaobjectid (perhaps diaObjectId)"), "{error}");
    }

    #[test]
    fn a_wrong_argument_is_refused_by_name() {
        for (command, name, right) in [
            (r#"{"diaObjectId": 1}"#, "endpoint", "sources, fp, objects"),
            (r#"{"endpoint": "stars"}"#, "endpoint", "not `stars`"),
            (r#"{"endpoint": 1}"#, "endpoint", "the number 1"),
            (r#"{"endpoint": "fp", "filter": 1}"#, "filter", "predicate"),
            (r#"{"endpoint": "fp", "limit": -1}"#, "limit", "-1"),
            (r#"{"endpoint": "fp", "limit": 1.5}"#, "limit", "1.5"),
            (r#"{"endpoint": "fp", "compression": "gzip"}"#, "compression", "lz4 or zstd"),
            (r#"{"endpoint": "fp", "diaObjectId": null}"#, "diaObjectId", "null"),
            ("sources", "body", "JSON"),
        ] {
            let text = parse(command).unwrap_err().to_string();
            assert!(text.contains(name) && text.contains(right), "{command}: {text}");
        }
    }
}
