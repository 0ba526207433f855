//! The [`FlightInfo`] of a request: the schema of its rows, a ticket for each part, and as `app_metadata` a JSON object with `snapshot`
//! and, if anything was ignored, the `warning` that REST gives.

use std::ops::RangeInclusive;

use arrow::datatypes::Schema;
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo};
use serde_json::{Value, json};

use super::ticket::Ticket;
use crate::error::Result;
use crate::query::Versions;

/// The answer to a request, before its rows.
pub(crate) struct Heading<'a> {
    /// The columns of the rows.
    pub schema: &'a Schema,
    /// The version that the answer is from.
    pub snapshot: u64,
    /// The number of rows, if it is known without reading them.
    pub rows: Option<u64>,
    /// What was ignored of the request.
    pub warning: Option<String>,
}

impl Heading<'_> {
    /// The info without a way to get the rows.
    pub(crate) fn info(self, descriptor: FlightDescriptor) -> Result<FlightInfo> {
        let rows = self.rows.and_then(|rows| i64::try_from(rows).ok()).unwrap_or(-1);
        let info = FlightInfo::new()
            .try_with_schema(self.schema)?
            .with_descriptor(descriptor)
            .with_total_records(rows)
            .with_total_bytes(-1)
            .with_ordered(true)
            .with_app_metadata(metadata(json!({}), self.snapshot.into(), self.warning));
        Ok(info)
    }
}

/// The members that every answer's `app_metadata` has, after some others.
pub(crate) fn metadata(mut members: Value, snapshot: Value, warning: Option<String>) -> String {
    members["snapshot"] = snapshot;
    if let Some(warning) = warning {
        members["warning"] = warning.into();
    }
    members.to_string()
}

/// A ticket for each part of an answer, in order: for each range of keys of a whole table, else for the only part. No location is named, so
/// that clients get the parts where they got the info.
pub(crate) fn endpoints(
    request: &str,
    versions: Versions,
    parts: Option<Vec<RangeInclusive<i64>>>,
) -> Result<Vec<FlightEndpoint>> {
    let endpoint = |keys| {
        let ticket = Ticket::new(request.to_string(), versions, keys).encode()?;
        Ok(FlightEndpoint::new().with_ticket(arrow_flight::Ticket::new(ticket)))
    };
    match parts {
        Some(parts) => parts.into_iter().map(|keys| endpoint(Some(keys))).collect(),
        None => Ok(vec![endpoint(None)?]),
    }
}
