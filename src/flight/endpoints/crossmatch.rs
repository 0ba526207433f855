//! The command of an exchange of places, which has the arguments of `/api/v1/crossmatch` but for the places, and the rows of its answer. They
//! come place by place as these are given, from the same versions of the tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use arrow::ipc::CompressionType;
use arrow_flight::FlightDescriptor;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};

use super::places::StreamedPlaces;
use super::request::{COMPRESSION, ENDPOINT, command, compression};
use crate::error::{Error, Result};
use crate::query::{CrossmatchQuery, Engine};
use crate::request::CrossmatchRequest;
use crate::request::arguments::{self, Body};
use crate::request::json::{Scalar, Value};
use crate::warehouse::AsOf;
use crate::workers::Workers;
use crate::{encode, failure};

/// The endpoint.
const CROSSMATCH: &str = "crossmatch";
/// Places that are matched together, as many as REST takes: enough for their cells to lie close.
const PLACES_AT_ONCE: usize = 100_000;
/// What is made of one part while another goes out.
const PARTS_AHEAD: usize = 2;

/// The command.
pub(super) struct CrossmatchCommand {
    /// The JSON of the request as it came.
    pub text: String,
    /// The compression of the values in each message.
    pub compression: Option<CompressionType>,
    request: CrossmatchRequest,
}

/// A crossmatch whose versions are chosen.
pub(super) struct PreparedCrossmatch {
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// The versions, as REST names them.
    pub snapshot: String,
    /// What was ignored of the command.
    pub warning: Option<String>,
    query: CrossmatchQuery,
}

impl CrossmatchCommand {
    /// Reads a descriptor; `None` if it asks for another endpoint.
    pub(super) fn from_descriptor(descriptor: &FlightDescriptor) -> Result<Option<Self>> {
        let text = command(descriptor)?;
        let mut names = vec![ENDPOINT, COMPRESSION];
        names.extend(CrossmatchRequest::ARGUMENTS.iter().map(|argument| argument.name));
        let mut arguments = arguments::read(Body::Json(text.as_bytes()), "", &names)?;
        match arguments.remove(ENDPOINT) {
            Some(Value::One(Scalar::Text(name))) if name == CROSSMATCH => {}
            _ => return Ok(None),
        }
        let compression = arguments.remove(COMPRESSION).map(compression).transpose()?.flatten();
        if CrossmatchRequest::has_places(&arguments) {
            return Err(Error::argument(
                "places of an exchange are the columns ra and dec of its batches; leave them out of the descriptor",
            ));
        }
        let request = CrossmatchRequest::parse_without_places(arguments)?;
        Ok(Some(Self { text, compression, request }))
    }

    /// Chooses the versions of the tables, and makes sure that the columns are there.
    pub(super) async fn prepare(&self, engine: &Engine) -> Result<PreparedCrossmatch> {
        let mut query = self.request.query.clone();
        let versions = engine.search_versions(&query.search).await?;
        let version = versions.table;
        query.search.as_of = Some(AsOf::Exactly { version, id: versions.ids[0] });
        query.search.objects_version = versions.beside.map(|(_, version)| version);
        let none = engine.crossmatch(&query).await.map_err(failure::from_reading)?;
        let answer = engine.newest_sources(none).await.map_err(failure::from_reading)?;
        let warning = self.request.warning(&answer.unknown_columns);
        let schema = encode::served_schema(&answer.schema)?;
        Ok(PreparedCrossmatch { schema, snapshot: versions.to_string(), warning, query })
    }
}

/// The rows near some places, and how many of these have one, which is complete when they have all come.
pub(super) fn rows(
    engine: Engine,
    workers: Workers,
    prepared: PreparedCrossmatch,
    places: StreamedPlaces,
) -> (SendableRecordBatchStream, Arc<AtomicU64>) {
    let PreparedCrossmatch { schema, query, .. } = prepared;
    let (count, matched) = (places.as_slice().len(), Arc::new(AtomicU64::new(0)));
    let at_once = PLACES_AT_ONCE.min(CrossmatchRequest::MOST_OBJECTS / query.most).max(1);
    let parts = (0..count).step_by(at_once).map(move |start| {
        let end = count.min(start + at_once);
        let names = (start..end).map(|number| number.to_string()).collect();
        CrossmatchQuery { places: places.as_slice()[start..end].to_vec(), names, ..query.clone() }
    });
    let counted = matched.clone();
    let answers = stream::iter(parts).map(move |query| {
        let (engine, workers, counted) = (engine.clone(), workers.clone(), counted.clone());
        let answer = async move {
            let found = engine.crossmatch(&query).await?;
            counted.fetch_add(found.matched() as u64, Ordering::Relaxed);
            encode::served(engine.newest_sources(found).await?.rows)
        };
        async move { workers.run(answer).await.map_err(failure::from_reading) }
    });
    let rows = answers.buffered(PARTS_AHEAD).map_err(DataFusionError::from).try_flatten();
    (Box::pin(RecordBatchStreamAdapter::new(schema, rows)), matched)
}
