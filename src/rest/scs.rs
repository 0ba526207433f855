//! `/scs`: Simple Cone Search (IVOA recommendation 1.03), for TOPCAT, Aladin and pyvo. The rows are those of `/api/v1/conesearch`, always as a
//! VOTable, with one id and one place marked as the main ones. An error is a VOTable, too.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use axum::extract::{Extension, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::App;
use super::answer::{RowsToSend, send, server_in};
use super::bounded::Placement;
use super::cone::{find, marked};
use super::etag;
use crate::encode::{Format, votable_error, with_text_ids};
use crate::error::{Kind, Result};
use crate::failure;
use crate::origin::AskedAt;
use crate::request::ScsRequest;
use crate::schema::{ASCII, UCD};
use crate::telemetry::{RowsSent, planned};

/// Columns that have a role in the standard, and the UCDs by which clients know them: those of the first kind, UCD1 (2.2). No other column
/// may be a main one.
const ROLES: [(&str, &str); 3] =
    [("r:diaObjectId", "ID_MAIN"), ("r:ra", "POS_EQ_RA_MAIN"), ("r:dec", "POS_EQ_DEC_MAIN")];

pub(crate) async fn answer(
    State(app): State<App>,
    Extension(placement): Extension<Placement>,
    sent: RowsSent,
    asked: AskedAt,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response> {
    let answered = async {
        let request = ScsRequest::parse(&query.unwrap_or_default())?;
        let found = find(&app.engine, &request.query, &placement).await;
        let found = found.map_err(failure::from_reading)?;
        let (total, versions) = (found.total, found.versions());
        let answer = planned(app.engine.newest_sources(found)).await;
        let answer = answer.map_err(failure::from_reading)?;
        let rows = with_roles(with_text_ids(answer.rows));
        let server = server_in(Format::Votable, &app, &asked);
        let rows = RowsToSend {
            rows: sent.counted(marked(rows, request.cut(total))),
            is_large: answer.is_large,
            versions,
            tag: etag::tag(versions, (etag::question_of_scs(&request), &server))?,
            format: Format::Votable,
            ids_as_text: false,
            warning: None,
            file_stem: "scs".to_string(),
            server,
        };
        send(rows, &placement, &method, &headers).await
    };
    match answered.await {
        // The standard has the status of a success (2.3). That the server cannot answer now is told by HTTP.
        Err(error) if error.kind() == Kind::Argument => {
            let media_type = [(CONTENT_TYPE, Format::Votable.content_type())];
            Ok((media_type, votable_error(&error.to_string())?).into_response())
        }
        answered => answered,
    }
}

/// The rows with the UCDs of the standard. The id is ASCII.
fn with_roles(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let fields = rows.schema().fields().iter().map(|field| with_role(field)).collect::<Vec<_>>();
    let schema: SchemaRef =
        Arc::new(Schema::new_with_metadata(fields, rows.schema().metadata().clone()));
    let of = schema.clone();
    let rows =
        rows.map(move |rows| Ok(RecordBatch::try_new(of.clone(), rows?.columns().to_vec())?));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

fn with_role(field: &Field) -> Field {
    let mut about: HashMap<_, _> = field.metadata().clone();
    let role = ROLES.iter().find(|(name, _)| name == field.name());
    if let Some((_, ucd)) = role {
        about.insert(UCD.to_string(), ucd.to_string());
    } else if let Some(ucd) = about.get_mut(UCD) {
        *ucd = ucd.trim_end_matches(";meta.main").to_string();
    }
    if field.name() == ROLES[0].0 {
        about.insert(ASCII.to_string(), true.to_string());
    }
    field.clone().with_metadata(about)
}
