//! Tickets of requests: the request, the snapshot that answers it and, of a whole table, the part to read. Any instance of the server
//! answers a ticket alike.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::request::EndpointRequest;
use crate::error::{Error, Result};
use crate::query::{ObjectIds, Versions};
use crate::warehouse::AsOf;

/// Bytes of a ticket: a command, each byte of which may become two, and the rest.
const MOST_BYTES: usize = 9 << 20;
/// The version of this format.
const FORMAT: u32 = 2;

/// Versioned JSON that carries all that an answer needs.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ticket {
    diaflight: u32,
    /// The version of the table.
    snapshot: u64,
    /// The id of that version, as text: JSON's numbers are not all exact.
    table: String,
    /// The part of the table, by its first and last key.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<(i64, i64)>,
    /// The JSON of the request as it came, so that no digit is lost.
    request: String,
}

/// What tickets of all versions of the format have.
#[derive(Deserialize)]
struct Header {
    diaflight: u32,
}

impl Ticket {
    /// Of one table, whose version and id are the first of `versions`.
    pub(crate) fn new(
        request: String,
        versions: Versions,
        keys: Option<RangeInclusive<i64>>,
    ) -> Self {
        let keys = keys.map(RangeInclusive::into_inner);
        let table = format!("{:016x}", versions.ids[0]);
        Self { diaflight: FORMAT, snapshot: versions.table, table, keys, request }
    }

    /// The ticket as bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::internal(format!("a ticket: {error}")))
    }

    /// Reads the bytes of a ticket. Errors: `Argument` for bytes that no server has made, or one of another release.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MOST_BYTES {
            return Err(damaged(format!("it is over {MOST_BYTES} bytes")));
        }
        let header: Header = serde_json::from_slice(bytes).map_err(damaged)?;
        if header.diaflight != FORMAT {
            return Err(Error::argument(format!(
                "the ticket has format {}, and this server uses format {FORMAT}; {AGAIN}",
                header.diaflight
            )));
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// The request that it answers, bound to its snapshot and its part of the table.
    pub(crate) fn request(&self) -> Result<EndpointRequest> {
        let mut request = EndpointRequest::parse(self.request.clone()).map_err(damaged)?;
        match (self.keys, request.is_whole_table() && !request.follows) {
            (Some((first, last)), true) => request.query.ids = ObjectIds::Within(first..=last),
            (None, false) => {}
            _ => return Err(damaged("its key range does not fit its request")),
        }
        let id = u64::from_str_radix(&self.table, 16).map_err(damaged)?;
        request.query.as_of = Some(AsOf::Exactly { version: self.snapshot, id });
        Ok(request)
    }
}

const AGAIN: &str = "ask get_flight_info for a new one";

fn damaged(reason: impl std::fmt::Display) -> Error {
    Error::argument(format!("the ticket is damaged: {reason}; {AGAIN}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_keeps_its_request_digit_for_digit() {
        let versions = Versions { table: 3, beside: None, ids: [u64::MAX - 1, 0] };
        let text = r#"{"endpoint": "sources", "midpointMjdTai": 61105.095800700, "as_of": 9}"#;
        let ticket = Ticket::new(text.to_string(), versions, Some(i64::MIN..=-2));
        let bytes = ticket.encode().unwrap();
        assert!(bytes.starts_with(br#"{"diaflight":2,"snapshot":3,"#));
        let back = Ticket::decode(&bytes).unwrap();
        assert_eq!(back, ticket);
        let query = back.request().unwrap().query;
        assert_eq!(query.ids, ObjectIds::Within(i64::MIN..=-2));
        assert_eq!(query.as_of, Some(AsOf::Exactly { version: 3, id: u64::MAX - 1 }));
        assert_eq!(query.rows, EndpointRequest::parse(text.to_string()).unwrap().query.rows);
    }

    #[test]
    fn what_no_server_of_this_release_gave_out_is_refused() {
        let ids = r#"{\"endpoint\": \"fp\", \"diaObjectId\": 1}"#;
        let of = r#""snapshot": 3, "table": "a""#;
        let ticket = |members: &str| format!(r#"{{"diaflight": 2, {members}}}"#);
        for (ticket, why) in [
            (r#"{"endpoint": "fp"}"#.to_string(), "damaged"),
            ("nonsense".to_string(), "damaged"),
            (r#"{"diaflight": 1, "query": "?"}"#.to_string(), "format 1"),
            (r#"{"diaflight": 2, "snapshot": 3}"#.to_string(), "damaged"),
            (ticket(&format!(r#""snapshot": -3, "table": "a", "request": "{ids}""#)), "damaged"),
            (ticket(&format!(r#"{of}, "request": "{ids}", "x": 1"#)), "`x`"),
            (ticket(&format!(r#""snapshot": 3, "table": "no", "request": "{ids}""#)), "damaged"),
            (ticket(&format!(r#"{of}, "request": "{{}}""#)), "endpoint"),
            (ticket(&format!(r#"{of}, "keys": [0, 1], "request": "{ids}""#)), "key range"),
        ] {
            let ticket = Ticket::decode(ticket.as_bytes());
            let error = ticket.and_then(|ticket| ticket.request()).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("get_flight_info"), "{error}");
        }
    }
}
