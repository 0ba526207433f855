//! Clients that hold memory or permits, or that disconnect: others are still answered, and each refusal names its limit.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::{FlightData, FlightDescriptor};
use diaflight::schema::{KEY, Table};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use serde_json::json;
use tonic::{Code, Request, Status};

use super::survey::Survey;
use super::victim::Victim;
use crate::program;
use crate::server::Server;

const TOKEN: &str = "a-t0ken";
/// One address may have all there is: what is left is for who has the token.
const EVERYTHING: [&str; 2] = ["--max-share-percent", "100"];

fn with_token<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    request
}

/// The messages of an exchange of sources; `rest` comes after `ids`.
fn exchange(
    ids: Vec<Vec<i64>>,
    rest: impl Stream<Item = FlightData> + Send + 'static,
) -> impl Stream<Item = FlightData> + Send + 'static {
    let batch = |ids: Vec<i64>| {
        let ids: ArrayRef = std::sync::Arc::new(Int64Array::from(ids));
        Ok(RecordBatch::try_from_iter([(KEY, ids)]).unwrap())
    };
    let batches = stream::iter(ids.into_iter().map(batch));
    let descriptor = FlightDescriptor::new_path(vec!["sources".to_string()]);
    let encoder = FlightDataEncoderBuilder::new()
        .with_flight_descriptor(Some(descriptor))
        .with_max_flight_data_size(usize::MAX);
    encoder.build(batches).map(|message| message.unwrap()).chain(rest)
}

async fn rows(messages: tonic::Streaming<FlightData>) -> Result<usize, Status> {
    messages.try_fold(0, |count, _| async move { Ok(count + 1) }).await
}

/// Removes the data files of a table, not its log.
fn remove_files(warehouse: &Path, table: Table) {
    let mut folders = vec![warehouse.join(table.name())];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_is_the_stores_fault_through_every_door() {
    let victim = Victim::over(Survey::of(500).await, &[]).await;
    let (survey, server) = (&victim.survey, &victim.server);
    for table in [Table::Sources, Table::Fp] {
        remove_files(survey.folder.path(), table);
    }
    let id = survey.ids[7];
    for path in [
        format!("/api/v1/sources?diaObjectId={id}"),
        format!("/api/v1/sources?diaObjectId={id}&output-format=parquet"),
        format!("/api/v1/sources?diaObjectId={id}&withupperlim=true"),
        format!(
            "/api/v1/sources?diaObjectId={}",
            survey.ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
        ),
        format!("/api/v1/fp?diaObjectId={id}"),
        format!("/api/v1/plot?diaObjectId={id}"),
        format!("/{id}"),
    ] {
        let answer = server.get(&path).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 503, "{path:.60}: {text}");
        assert!(text.contains("the storage failed"), "{path:.60}: {text}");
    }

    let mut client = victim.flight().await;
    let whole = json!({"endpoint": "sources", "filter": "psfFlux > 0"});
    for ticket in [
        survey.ticket(&json!({"endpoint": "sources", "diaObjectId": id}), None),
        survey.ticket(
            &json!({"endpoint": "sources", "diaObjectId": id, "filter": "psfFlux > 0"}),
            None,
        ),
        survey.ticket(&survey.everything(), None),
        survey.ticket(&whole, Some(i64::MIN..=i64::MAX)),
    ] {
        let answer = client.do_get(ticket).await;
        let status = match answer {
            Ok(answer) => rows(answer.into_inner()).await.unwrap_err(),
            Err(status) => status,
        };
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
    let ids = exchange(vec![survey.ids.clone()], stream::empty());
    let answer = client.do_exchange(ids).await.unwrap().into_inner();
    assert_eq!(rows(answer).await.unwrap_err().code(), Code::Unavailable);

    for statement in [
        "SELECT sum(psfFlux) FROM sources",
        "SELECT * FROM sources ORDER BY psfFlux",
        "SELECT sum(s.psfFlux) FROM sources s JOIN objects o ON s.diaObjectId = o.diaObjectId",
        "SELECT sum(o.ra) FROM objects o JOIN sources s ON s.diaObjectId = o.diaObjectId",
        "SELECT a.psfFlux FROM sources a JOIN fp b ON a.psfFlux < b.psfFlux",
        "SELECT band, sum(psfFlux) FROM sources GROUP BY band UNION ALL SELECT band, 1 FROM fp",
    ] {
        let finished = program::run(["sql", "--server", &server.url, statement]);
        assert!(finished.stderr.contains("the storage failed"), "{statement}: {finished:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_that_send_nothing_keep_nobody_waiting() {
    let victim = Victim::over(
        Survey::of(50).await,
        &["--token", TOKEN, "--max-concurrent-bulk-reads", "2", EVERYTHING[0], EVERYTHING[1]],
    )
    .await;
    let survey = &victim.survey;
    let mut client = victim.flight().await;
    let mut silent = FuturesUnordered::new();
    for _ in 0..12 {
        let mut answer =
            client.do_exchange(stream::pending::<FlightData>()).await.unwrap().into_inner();
        silent.push(async move { answer.message().await });
    }
    // Of 8 places two are for who has the token; six are refused.
    for _ in 0..6 {
        let status = silent.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains("8 exchanges"), "{status}");
    }
    // Who has the token reads tables, and sends ids, while they are silent.
    let objects = survey.ticket(&json!({"endpoint": "objects"}), Some(i64::MIN..=i64::MAX));
    let objects = client.do_get(with_token(objects)).await.unwrap().into_inner();
    assert!(rows(objects).await.unwrap() > 1);
    let ids = exchange(vec![survey.ids.clone()], stream::empty());
    let found = client.do_exchange(with_token(ids)).await.unwrap().into_inner();
    assert!(rows(found).await.unwrap() > 1);
    victim.answers_lookups().await;
    // Nobody ended them but the clock.
    if let Some(ended) = silent.next().now_or_never().flatten() {
        let status = ended.unwrap_err();
        assert!(status.message().contains("without pauses"), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_never_end_are_refused_by_name_and_lookups_go_on() {
    let victim = Victim::over(
        Survey::of(500).await,
        &["--token", TOKEN, "--memory-mib", "64", EVERYTHING[0], EVERYTHING[1]],
    )
    .await;
    let mut client = victim.flight().await;
    // Each wants 8 MiB of 16, of which 12 are for everybody.
    let ids = || exchange(vec![(0..1 << 20).collect()], stream::pending());
    let mut unfinished = FuturesUnordered::new();
    for _ in 0..2 {
        let mut answer = client.do_exchange(ids()).await.unwrap().into_inner();
        unfinished.push(async move { answer.message().await });
    }
    let status = unfinished.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(
        status
            .message()
            .contains("16384 KiB of ids of exchanges (a quarter of --memory-mib) is the limit"),
        "{status}"
    );
    victim.answers_lookups().await;
    assert!(unfinished.next().now_or_never().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_of_an_exchange_is_counted_before_its_ids_are() {
    let victim =
        Victim::over(Survey::of(50).await, &["--memory-mib", "16", EVERYTHING[0], EVERYTHING[1]])
            .await;
    let survey = &victim.survey;
    let messages = exchange(vec![survey.ids.clone()], stream::empty());
    let mut messages: Vec<_> = messages.collect().await;
    // The schema comes first, and needs no body.
    messages[0].data_body = vec![0; 8 << 20].into();
    let answer = victim.flight().await.do_exchange(stream::iter(messages)).await.unwrap();
    let status = rows(answer.into_inner()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(
        status
            .message()
            .contains("4096 KiB of ids of exchanges (a quarter of --memory-mib) is the limit"),
        "{status}"
    );
}

/// The ids in the answers to requests for the sources of some objects with upper limits, those of each request in order.
async fn with_upper_limits(server: &Server, ids: &[i64], columns: &[&str]) -> Vec<[i64; 3]> {
    let mut asked = json!({"diaObjectId": ids, "withupperlim": true, "output-format": "arrow"});
    if !columns.is_empty() {
        asked["columns"] = columns.join(",").into();
    }
    let answer = server.post("/api/v1/sources", &asked).await;
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    assert_eq!(status, 200, "{} objects: {}", ids.len(), String::from_utf8_lossy(&body));
    let batches = StreamReader::try_new(std::io::Cursor::new(body), None).unwrap();
    let mut rows = Vec::new();
    for batch in batches.map(Result::unwrap) {
        let of = |name| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>();
        let names = ["r:diaObjectId", "r:diaSourceId", "r:diaForcedSourceId"];
        let columns = names.map(of);
        rows.extend((0..batch.num_rows()).map(|row| columns.map(|column| column.value(row))));
    }
    rows
}

/// All columns of all objects at once are all that is in requests for 40 objects each.
async fn upper_limits_of_all(objects: u64) {
    let victim = Victim::over(Survey::of(objects).await, &[]).await;
    let (survey, server) = (&victim.survey, &victim.server);
    let mut large = with_upper_limits(server, &survey.ids, &[]).await;
    let columns = ["r:diaObjectId", "r:diaSourceId", "r:diaForcedSourceId", "v:tag"];
    let mut small = Vec::new();
    for ids in survey.ids.chunks(40) {
        small.extend(with_upper_limits(server, ids, &columns).await);
    }
    large.sort_unstable();
    small.sort_unstable();
    assert!(small.len() > 20 * survey.ids.len());
    assert!(large == small, "{} rows of {}", large.len(), small.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn upper_limits_of_2000_objects_are_complete() {
    upper_limits_of_all(2000).await;
}

#[ignore = "some 20 seconds: `just hostile`"]
#[tokio::test(flavor = "multi_thread")]
async fn upper_limits_of_10_000_objects_are_complete() {
    upper_limits_of_all(10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_sorts_at_once_need_no_memory_of_others() {
    let victim = Victim::over(Survey::of(2000).await, &["--memory-mib", "16"]).await;
    let (survey, server) = (&victim.survey, &victim.server);
    let lookups = (0..64).map(|turn| {
        let path = survey.lookup(40, turn);
        async move {
            let answer = server.get(&path).await;
            (answer.status().as_u16(), answer.text().await.unwrap())
        }
    });
    for (status, text) in futures::future::join_all(lookups).await {
        assert_eq!(status, 200, "{text}");
    }
}

/// Asks for everything over REST and reads no more than the head of the answer.
fn stopped(server: &Server, survey: &Survey, format: &str) -> TcpStream {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut body = survey.everything();
    body["output-format"] = format.into();
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /api/v1/sources HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream
}

/// The beginning of its answer.
fn begun(mut stream: &TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
    let mut bytes = vec![0; 1 << 10];
    let count = stream.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

/// So many readers ask for everything and stop, over REST and over Flight, beside bystanders. Over capacity they are told so;
/// the server's memory never passes `most_mib`.
async fn stopped_readers(victim: &Victim, readers: usize, most_mib: u64) {
    let (survey, server) = (&victim.survey, &victim.server);
    let client = victim.flight().await;
    let formats = ["json", "arrow", "votable"];
    let streams: Vec<_> =
        (0..readers).map(|i| stopped(server, survey, formats[i % formats.len()])).collect();
    let mut flights = Vec::new();
    for _ in 0..readers {
        let (mut client, ticket) = (client.clone(), survey.ticket(&survey.everything(), None));
        flights.push(tokio::spawn(async move {
            let mut answer = client.do_get(ticket).await?.into_inner();
            answer.message().await?;
            Ok::<_, Status>(answer)
        }));
    }
    victim.answers_lookups().await;
    let (mut answered, mut refused) = (0, 0);
    for stream in &streams {
        let begun = begun(stream);
        match begun.split(' ').nth(1) {
            Some("200") => answered += 1,
            Some("429") if begun.contains("large answers at once") => refused += 1,
            _ => panic!("{begun}"),
        }
    }
    let mut held = Vec::new();
    for flight in flights {
        match flight.await.unwrap() {
            Ok(answer) => held.push(answer),
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert!(status.message().contains("large answers at once"), "{status}");
                refused += 1;
            }
        }
    }
    assert!(answered + held.len() > 0 && refused > 0, "{answered} {} {refused}", held.len());
    victim.answers_lookups().await;
    let peak_mib = server.peak_mib();
    assert!(peak_mib < most_mib, "{peak_mib} MiB");
    // Nobody waits for ever for those who stopped: they lose their places.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let few: Vec<_> = survey.ids.iter().take(200).collect();
    loop {
        let asked = json!({"diaObjectId": few, "output-format": "csv"});
        let answer = server.post("/api/v1/sources", &asked).await;
        let status = answer.status();
        let text = answer.text().await.unwrap();
        if status == 200 {
            assert!(text.lines().count() > few.len());
            break;
        }
        assert_eq!(status, 429, "{text}");
        assert!(tokio::time::Instant::now() < deadline, "{text}");
    }
    drop((streams, held));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_stop_hold_little_and_stop_nobody() {
    let victim =
        Victim::over(Survey::of(2000).await, &["--memory-mib", "128", "--time-limit-ms", "20000"])
            .await;
    stopped_readers(&victim, 4, 600).await;
}

#[ignore = "a minute or more: `just hostile`"]
#[tokio::test(flavor = "multi_thread")]
async fn readers_of_20_000_objects_who_stop_hold_little_and_stop_nobody() {
    let victim = Victim::over(
        Survey::of(20_000).await,
        &["--memory-mib", "512", "--time-limit-ms", "30000"],
    )
    .await;
    stopped_readers(&victim, 12, 1500).await;
}
