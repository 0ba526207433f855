//! Statements from text to rows: their schemas, parameters, tickets and ends.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow_flight::sql::{ActionCancelQueryRequest, ActionCancelQueryResult, Any, ProstMessageExt};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
};
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use tonic::Code;

use super::{Client, assert_refused, client, read, rows, served};
use crate::nights;
use crate::program::run;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_flight_info_has_the_schema_of_its_rows() {
    let (_folder, server) = served().await;
    let mut client = client(&server).await;
    for (statement, count) in [
        ("SELECT * FROM objects", super::OBJECTS as usize),
        ("SELECT * FROM sources WHERE FALSE", 0),
        ("SELECT * FROM light_curves LIMIT 20", 20),
        ("SELECT band, count(*) AS n, avg(psfFlux), min(band) FROM sources GROUP BY band", 6),
        ("SELECT s.*, o.* FROM objects o LEFT JOIN sources s USING (diaObjectId) LIMIT 9", 9),
        ("SELECT 1 AS a, 'x' AS b, NULL AS c, TRUE AS d, 1.5 AS e, X'00' AS f", 1),
        (
            "SELECT DATE '2026-11-23' AS a, TIMESTAMP '2026-11-23T01:02:03' AS b, INTERVAL '1' DAY AS c",
            1,
        ),
        (
            "SELECT arrow_cast('x', 'Dictionary(Int32, Utf8)') AS a, arrow_cast('x', 'Utf8View') AS b",
            1,
        ),
        (
            "SELECT array_agg(band) AS a, named_struct('b', 1, 'c', 'x') AS d FROM sources GROUP BY 2",
            1,
        ),
        ("SELECT diaObjectId, row_number() OVER (ORDER BY ra) AS n FROM objects LIMIT 5", 5),
        ("EXPLAIN SELECT * FROM sources", 2),
    ] {
        assert_eq!(rows(&mut client, statement).await.num_rows(), count, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_is_its_handle() {
    let (folder, server) = served().await;
    let other = Server::serve(folder.path().to_str().unwrap(), &[]).await;
    let (mut client, mut other) = (client(&server).await, client(&other).await);
    let text = "SELECT ? AS mark, count(*) AS n FROM objects WHERE diaObjectId >= ? -- ?";
    let mut statement = client.prepare(text.to_string(), None).await.unwrap();
    let asked = statement.parameter_schema().unwrap();
    let asked: Vec<_> =
        asked.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
    assert_eq!(asked, [("$1", &DataType::Null), ("$2", &DataType::Int64)]);
    assert_refused(statement.execute().await, Code::InvalidArgument, "2 parameters");

    let marks = Arc::new(StringArray::from(vec![Some("it's"), None, Some("?")]));
    let least = Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(i64::MIN)]));
    let batch = RecordBatch::try_from_iter([("a", marks.clone() as _), ("b", least as _)]);
    statement.set_parameters(batch.unwrap()).unwrap();
    // There is nothing to close: what follows goes on with the handle alone, also elsewhere.
    statement.clone().close().await.unwrap();
    let info = statement.execute().await.unwrap();
    for client in [&mut client, &mut other] {
        let rows = read(client, info.clone()).await.unwrap();
        assert_eq!(rows["mark"].as_string::<i32>(), marks.as_ref());
        let counts = rows["n"].as_primitive::<Int64Type>();
        assert_eq!(counts.values(), &[0, 0, super::OBJECTS as i64]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_keeps_its_snapshot_whoever_answers() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = nights::write(folder.path());
    let warehouse = folder.path().join("warehouse");
    let warehouse = warehouse.to_str().unwrap();
    let text = "SELECT diaSourceId, count(*) OVER () AS n FROM sources ORDER BY diaSourceId";
    run(["ingest", "--warehouse", warehouse, &first]).succeeded();
    let server = Server::serve(warehouse, &[]).await;
    let mut client_then = client(&server).await;
    let planned = client_then.execute(text.to_string(), None).await.unwrap();
    let then = read(&mut client_then, planned.clone()).await.unwrap();

    run(["ingest", "--warehouse", warehouse, &second]).succeeded();
    let other = Server::serve(warehouse, &[]).await;
    let mut other = client(&other).await;
    assert_eq!(read(&mut other, planned).await.unwrap(), then);
    assert_eq!(rows(&mut other, text).await.num_rows(), nights::SOURCES);
    assert!(then.num_rows() < nights::SOURCES);
}

const ENDLESS: &str =
    "SELECT a.value AS a, b.value AS b FROM range(0, 1000) a, range(0, 1000000000000) b";

/// The body of an action's one result.
async fn act(client: &mut Client, action: Action) -> Result<bytes::Bytes, tonic::Status> {
    let results =
        client.do_action(action).await.map_err(|error| super::status::<()>(Err(error)))?;
    let results: Vec<_> = results.try_collect().await?;
    let [result] = results.as_slice() else { panic!("{} results", results.len()) };
    Ok(result.body.clone())
}

fn cancel_flight_info(info: FlightInfo) -> Action {
    Action::new("CancelFlightInfo", CancelFlightInfoRequest::new(info).encode_to_vec())
}

fn cancel_query(info: FlightInfo) -> Action {
    let request = ActionCancelQueryRequest { info: info.encode_to_vec().into() };
    Action::new("CancelQuery", request.as_any().encode_to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_statement_ends_with_an_error() {
    let (_folder, server) = served().await;
    let mut client = client(&server).await;
    for (action, status_of) in [
        (cancel_flight_info as fn(_) -> _, status_of_info as fn(_) -> _),
        (cancel_query, status_of_query),
    ] {
        let info = client.execute(ENDLESS.to_string(), None).await.unwrap();
        let early = act(&mut client, action(info.clone())).await.unwrap_err();
        assert_eq!(early.code(), Code::NotFound, "{early}");

        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let mut stream = client.do_get(ticket).await.unwrap();
        stream.next().await.unwrap().unwrap();
        let result = act(&mut client, action(info.clone())).await.unwrap();
        assert_eq!(status_of(result), CancelStatus::Cancelled as i32);
        let end = stream.try_for_each(|_| async { Ok(()) }).await;
        assert_refused(end, Code::Cancelled, "cancelled");
        let late = act(&mut client, action(info)).await.unwrap_err();
        assert_eq!(late.code(), Code::NotFound, "{late}");
    }
}

fn status_of_info(body: bytes::Bytes) -> i32 {
    CancelFlightInfoResult::decode(body).unwrap().status
}

fn status_of_query(body: bytes::Bytes) -> i32 {
    let result: Option<ActionCancelQueryResult> = Any::decode(body).unwrap().unpack().unwrap();
    result.unwrap().result
}
