//! Sends rows in a format, with headers that say what they are.
//!
//! An answer is held back until [`HELD_BYTES`] or its end: what fails before that is an error
//! answer, and a small answer goes out whole, with its length; up to [`PIECES_BYTES`] of it where pieces are asked for. A lookup of a
//! few pages is answered on the thread that took the request; a large one is made, encoded and compressed on the workers.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use headers::{CacheControl, ETag, HeaderMapExt};

use super::bounded::{Large, Placement};
use super::{App, etag, ranges};
use crate::encode::{Format, encode, with_text_ids};
use crate::error::{Error, Result};
use crate::failure;
use crate::origin::AskedAt;
use crate::query::Versions;
use crate::schema::SERVER;

/// Names the versions of the tables that an answer was made from.
pub(crate) const SNAPSHOT: HeaderName = HeaderName::from_static("x-diaflight-snapshot");
/// Says what was ignored of a request.
pub(crate) const WARNING: HeaderName = HeaderName::from_static("x-diaflight-warning");

/// As many bytes of an answer are held back before the first is sent.
const HELD_BYTES: usize = 64 << 10;

/// The same if the client asks for the length, or for a range.
const PIECES_BYTES: usize = 4 << 20;

/// Rows, and what is said of them.
pub(crate) struct RowsToSend {
    pub rows: SendableRecordBatchStream,
    /// Whether the workers have to make them.
    pub is_large: bool,
    /// The versions that they are from.
    pub versions: Versions,
    /// The tag of the answer.
    pub tag: ETag,
    pub format: Format,
    /// Whether ids are texts in JSON.
    pub ids_as_text: bool,
    pub warning: Option<String>,
    /// What the answer is called where it is saved, without the ending.
    pub file_stem: String,
    /// The address of the server, for answers that tell what else can be asked of their objects.
    pub server: Option<String>,
}

/// The address by which a client reached the server, where an answer in a format says it. The tag of the answer depends on it, then.
pub(crate) fn server_in(format: Format, app: &App, asked: &AskedAt) -> Option<String> {
    (format == Format::Votable).then(|| app.origins.origin(asked).http())
}

/// Sends rows, or only their tag where the client has them.
pub(crate) async fn send(
    answer: RowsToSend,
    placement: &Placement,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response> {
    let RowsToSend { rows, is_large, versions, tag, format, .. } = answer;
    let RowsToSend { ids_as_text, warning, file_stem, server, .. } = answer;
    if let Some(status) = etag::status_instead(method, headers, &tag) {
        return Ok((status, validators(versions, tag)?).into_response());
    }
    let rows = match format {
        Format::Json if ids_as_text => with_text_ids(rows),
        _ => rows,
    };
    let rows = match server {
        Some(address) => with_note(rows, SERVER, address),
        None => rows,
    };
    let first = hold(BytesMut::new(), encode(format, rows), HELD_BYTES);
    let mut begun = placement.work(is_large, first).await?;
    if let HeldAnswer::Part(held, chunks) = begun {
        begun = match ranges::are_asked_for(method, headers) {
            // Then it needs as much memory as a large answer.
            true => placement.work(true, hold(held, chunks, PIECES_BYTES)).await?,
            false => HeldAnswer::Part(held, chunks),
        };
    }
    let mut response = match begun {
        HeldAnswer::Whole(body) => ranges::response(method, headers, &tag, body),
        HeldAnswer::Part(held, chunks) => {
            // Compression polls once more after the end.
            let all = stream::iter([Ok(held.freeze())]).chain(chunks).fuse();
            Body::from_stream(all).into_response()
        }
    };
    response.headers_mut().extend(validators(versions, tag)?);
    if is_large {
        response.extensions_mut().insert(Large);
    }
    response.headers_mut().extend(warned(warning));
    response.headers_mut().extend(content(&file_stem, format)?);
    Ok(response)
}

/// The rows with a note in the metadata of their schema.
pub(crate) fn with_note(
    rows: SendableRecordBatchStream,
    key: &str,
    note: String,
) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let mut about = schema.metadata().clone();
    about.insert(key.to_string(), note);
    let schema: SchemaRef = Arc::new(schema.as_ref().clone().with_metadata(about));
    let of = schema.clone();
    let rows = rows.map(move |rows| Ok(rows?.with_schema(of.clone())?));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// The headers by which a client can ask whether an answer has changed.
pub(crate) fn validators(versions: Versions, tag: ETag) -> Result<HeaderMap> {
    let snapshot = HeaderValue::try_from(versions.to_string());
    let mut headers = HeaderMap::from_iter([
        (SNAPSHOT, snapshot.map_err(|error| Error::internal(error.to_string()))?),
        (VARY, HeaderValue::from_static("accept-encoding")),
    ]);
    headers.typed_insert(tag);
    headers.typed_insert(CacheControl::new().with_no_cache());
    Ok(headers)
}

/// The header of a warning.
pub(crate) fn warned(warning: Option<String>) -> HeaderMap {
    let warning = warning.and_then(|text| HeaderValue::try_from(text).ok());
    warning.map(|warning| (WARNING, warning)).into_iter().collect()
}

/// The headers for the type of the body, with a file name for formats that are saved.
fn content(file_stem: &str, format: Format) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    if format != Format::Json {
        let name = format!("attachment; filename=\"{file_stem}.{}\"", format.extension());
        let name =
            HeaderValue::try_from(name).map_err(|error| Error::internal(error.to_string()))?;
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(headers)
}

/// The beginning of an answer.
enum HeldAnswer {
    Whole(Bytes),
    /// The bytes so far, and the stream of the rest.
    Part(BytesMut, BoxStream<'static, Result<Bytes>>),
}

/// Reads an answer to its end, or up to `most` bytes.
async fn hold(
    mut held: BytesMut,
    mut chunks: BoxStream<'static, Result<Bytes>>,
    most: usize,
) -> Result<HeldAnswer> {
    while held.len() < most {
        match chunks.next().await {
            Some(chunk) => held.extend_from_slice(&chunk.map_err(failure::from_reading)?),
            None => return Ok(HeldAnswer::Whole(held.freeze())),
        }
    }
    Ok(HeldAnswer::Part(held, chunks))
}
