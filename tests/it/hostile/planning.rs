//! Short statements that take long to plan or to run, and messages whose stated lengths are wrong.

mod texts;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any,
    CommandPreparedStatementQuery, ProstMessageExt,
};
use arrow_flight::{Action, FlightData, FlightDescriptor};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use serde_json::json;
use tonic::transport::Channel;
use tonic::{Code, Status};

use self::texts::{predicates, statements};
use super::bystander::Bystander;
use super::survey::Survey;
use super::victim::Victim;

fn names_a_limit(status: &Status) -> bool {
    let text = status.message();
    text.contains("limit is ")
        || text.contains("current limit: ")
        || text.contains("recursion limit")
}

/// Shapes that something else is wrong with, too.
fn is_told_more(name: &str) -> bool {
    matches!(
        name,
        "( in vain"
            | "( FROM in vain"
            | "name"
            | "columns"
            | "EXPLAIN"
            | "[1]"
            | "["
            | "IN"
            | "BETWEEN"
            | "LIKE"
            | "digits"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_as_deep_as_they_may_be_are_answered_and_deeper_ones_are_told_the_limit() {
    let victim = Victim::with(&[]).await;
    let bystander = Bystander::of(&victim).await;
    let (mut answered, mut wrong) = (BTreeMap::<_, usize>::new(), Vec::new());
    for n in [2, 8, 20, 32, 60, 190, 280, 590, 2_000, 40_000] {
        for (name, statement) in statements(n) {
            match victim.run(&statement).await {
                Ok(()) => drop(answered.insert(name, n)),
                Err(status) => {
                    let told =
                        matches!(status.code(), Code::InvalidArgument | Code::ResourceExhausted);
                    if !told || !is_told_more(name) && !names_a_limit(&status) {
                        wrong.push(format!("{n} of {name}: {status}"));
                    }
                }
            }
        }
    }
    println!("the largest that were answered: {answered:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (name, least) in [
        ("OR", 190),
        ("AND", 190),
        ("1 + 1", 280),
        ("(", 32),
        ("UNION ALL", 190),
        ("VALUES", 40_000),
        ("JOIN", 60),
    ] {
        assert!(answered[name] >= least, "{name}: {}", answered[name]);
    }
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_as_deep_as_they_may_be_are_answered_and_deeper_ones_are_told_the_limit() {
    let victim = Victim::with(&[]).await;
    let bystander = Bystander::of(&victim).await;
    let (mut answered, mut wrong) = (BTreeMap::<_, usize>::new(), Vec::new());
    for n in [2, 8, 16, 32, 60, 190, 280, 590, 2_000, 40_000] {
        for (name, filter) in predicates(n) {
            match victim.filter(&filter).await {
                Ok(()) => drop(answered.insert(name, n)),
                Err(status) => {
                    let told =
                        matches!(status.code(), Code::InvalidArgument | Code::ResourceExhausted);
                    if !told || !is_told_more(name) && !names_a_limit(&status) {
                        wrong.push(format!("{n} of {name}: {status}"));
                    }
                }
            }
        }
    }
    println!("the largest that were answered: {answered:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (name, least) in [("OR", 190), ("AND", 190), ("1 + 1", 280), ("(", 32), ("abs", 16)] {
        assert!(answered[name] >= least, "{name}: {}", answered[name]);
    }
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_statements_that_grow_while_they_are_planned_are_told_the_limit() {
    let victim = Victim::with(&[]).await;
    let bystander = Bystander::of(&victim).await;
    let chain = |first: &str, next: &str, n: usize| {
        let steps =
            (1..=n).map(|i| format!(", t{i} AS ({})", next.replace('#', &(i - 1).to_string())));
        format!("WITH t0 AS ({first}){} SELECT * FROM t{n}", steps.collect::<String>())
    };
    for statement in [
        chain("SELECT 1 AS n", "SELECT a.n FROM t# a, t# b", 14),
        chain("SELECT * FROM objects", "SELECT * FROM t# a, t# b", 17),
        chain("SELECT ra AS n FROM objects", "SELECT n + n AS n FROM t#", 25) + " WHERE n > 1",
        chain("SELECT 'a' AS n FROM objects", "SELECT n || n AS n FROM t#", 25) + " WHERE n > 'a'",
        format!("SELECT count(*) FROM objects GROUP BY CUBE ({})", ["ra"; 30].join(", ")),
        format!("SELECT '{}' FROM sources", "a".repeat(100_000)),
        format!("SELECT concat(band, {}) FROM sources", vec!["'a'"; 5_000].join(", ")),
    ] {
        let status = victim.run(&statement).await.expect_err(&statement[..100]);
        assert!(names_a_limit(&status), "{status}: {}", &statement[..100]);
    }
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_ids_are_no_attack() {
    let victim = Victim::with(&[]).await;
    let ids = (0..20_000_u64).map(|i| (170_028_485_706_776_685 + i).to_string());
    let ids = ids.collect::<Vec<_>>().join(", ");
    victim.run(&format!("SELECT * FROM light_curves WHERE diaObjectId IN ({ids})")).await.unwrap();
    victim.run(&format!("SELECT * FROM sources WHERE diaSourceId IN ({ids})")).await.unwrap();
    victim.filter(&format!("diaSourceId IN ({ids})")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_plain_predicates() {
    let victim = Victim::with(&[]).await;
    let listed = format!("band IN ('g', '{}')", "z".repeat(1_000));
    for filter in [
        listed.as_str(),
        "psfFlux / psfFluxErr > 5 AND band IN ('g', 'r') AND NOT isDipole",
        "abs(psfFlux) > 1 OR sqrt(ra * ra + dec * dec) BETWEEN 1 AND 2 OR isnan(psfFlux)",
        "ab_mag(psfFlux) < 20 AND band LIKE 'g%' AND psfFlux IS NOT NULL",
        "CASE WHEN band = 'g' THEN psfFlux ELSE -psfFlux END > 100::float",
        "psfFlux % 2 = 1 OR (visit & 1) = 1 OR power(psfFlux, 2) >= 1e3 OR midpointMjdTai > -1.5",
    ] {
        victim.filter(filter).await.unwrap();
    }
    let bystander = Bystander::of(&victim).await;
    let long = "z".repeat(1_000);
    let greatest = format!("greatest(band, '{long}') = 'a'");
    let within = format!("CASE WHEN band = 'g' THEN '{long}' ELSE band END IN ('a', '{long}')");
    for (filter, says) in [
        (greatest.as_str(), "limit is 256"),
        (within.as_str(), "limit is 256"),
        ("array_length(generate_series(1, 300000000)) > 0", "generate_series"),
        ("levenshtein(repeat('a', 60000), repeat('b', 60000)) > 0", "levenshtein"),
        ("length(repeat(band, 1000000000)) > 0", "repeat"),
        ("lpad(band, 1000000000) = 'a'", "lpad"),
        ("band || band = 'aa'", "||"),
        ("band ~ '(a+)+$'", "~"),
        ("band SIMILAR TO '(a+)+'", "regular expressions"),
        ("regexp_like(band, '(a+)+$')", "regexp_like"),
        ("band LIKE band", "LIKE"),
        ("random() > 0.5", "random"),
        ("arrow_cast(band, 'FixedSizeBinary(2000000000)') IS NULL", "arrow_cast"),
        ("[psfFlux] IS NULL", "make_array"),
        ("psfFlux IN (visit, ra)", "IN"),
        ("psfFlux > (SELECT 1)", "subqueries"),
        ("psfFlux > $1", "parameter"),
    ] {
        let status = victim.filter(filter).await.expect_err(filter);
        assert_eq!(status.code(), Code::InvalidArgument, "{filter}: {status}");
        assert!(status.message().contains(says), "{filter}: {status}");
    }
    bystander.end().await;
}

/// The messages of a batch of ids, compressed, and where the length of its values is declared.
async fn compressed() -> (Vec<FlightData>, usize) {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1; 1_000]));
    let batch = RecordBatch::try_from_iter([("diaObjectId", ids)]).unwrap();
    let lz4 = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME));
    let encoder = FlightDataEncoderBuilder::new().with_options(lz4.unwrap());
    let messages: Vec<FlightData> =
        encoder.build(stream::iter([Ok(batch)])).try_collect().await.unwrap();
    let frame =
        messages[1].data_body.windows(4).position(|bytes| bytes == [0x04, 0x22, 0x4d, 0x18]);
    (messages, frame.unwrap() - 8)
}

/// The same messages, whose values have another length.
fn declaring(messages: &[FlightData], at: usize, bytes: u64) -> Vec<FlightData> {
    let mut messages = messages.to_vec();
    let mut body = messages[1].data_body.to_vec();
    body[at..at + 8].copy_from_slice(&bytes.to_le_bytes());
    messages[1].data_body = Bytes::from(body);
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_believed_what_it_declares() {
    let victim = Victim::with(&[]).await;
    let bystander = Bystander::of(&victim).await;
    let (messages, at) = compressed().await;
    let mut client = victim.flight().await;
    let exchange = async |mut client: FlightServiceClient<Channel>,
                          mut messages: Vec<FlightData>| {
        messages[0].flight_descriptor = Some(FlightDescriptor::new_path(vec!["sources".into()]));
        let answers = client.do_exchange(stream::iter(messages)).await?;
        answers.into_inner().try_collect::<Vec<_>>().await
    };
    let request = ActionCreatePreparedStatementRequest {
        query: "SELECT $1 + 1".into(),
        transaction_id: None,
    };
    let action = Action::new("CreatePreparedStatement", request.as_any().encode_to_vec());
    let created = client.do_action(action).await.unwrap().into_inner().next().await.unwrap();
    let created = Any::decode(created.unwrap().body).unwrap();
    let created: ActionCreatePreparedStatementResult = created.unpack().unwrap().unwrap();
    let handle = created.prepared_statement_handle;
    let command = CommandPreparedStatementQuery { prepared_statement_handle: handle };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let bind = async |mut client: FlightServiceClient<Channel>, mut messages: Vec<FlightData>| {
        messages[0].flight_descriptor = Some(descriptor.clone());
        let answers = client.do_put(stream::iter(messages)).await?;
        answers.into_inner().try_collect::<Vec<_>>().await
    };
    exchange(client.clone(), messages.clone()).await.unwrap();
    bind(client.clone(), messages.clone()).await.unwrap();
    for bytes in [1 << 62, u64::MAX >> 1, 1 << 30] {
        let hostile = declaring(&messages, at, bytes);
        let refused = exchange(client.clone(), hostile.clone()).await.unwrap_err();
        assert!(names_a_limit(&refused) && refused.code() == Code::ResourceExhausted, "{refused}");
        let refused = bind(client.clone(), hostile).await.unwrap_err();
        assert!(names_a_limit(&refused) && refused.code() == Code::ResourceExhausted, "{refused}");
    }
    for bytes in [1, 7_999, 8_001] {
        let refused = exchange(client.clone(), declaring(&messages, at, bytes)).await.unwrap_err();
        assert!(refused.message().contains("a message is damaged"), "{refused}");
    }
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_values_are_refused_before_they_are_read() {
    let victim = Victim::with(&[]).await;
    let bystander = Bystander::of(&victim).await;
    let digits = "7".repeat(400_000);
    for (name, value) in [("midpointMjdTai", &digits), ("as_of", &digits)] {
        let body = json!({"diaObjectId": 1, name: value});
        let response = victim.server.post("/api/v1/sources", &body).await;
        assert_eq!(response.status(), 400, "{name}");
        let text = response.text().await.unwrap();
        assert!(text.contains(name) && text.len() < 1_000, "{text}");
        let mut command = body;
        command["endpoint"] = "sources".into();
        let status = victim.command(command).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(name) && status.message().len() < 500, "{status}");
    }
    let body = json!({"diaObjectId": digits, "columns": format!("r:ra,{digits}")});
    let response = victim.server.post("/api/v1/sources", &body).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["x-diaflight-warning"].len() < 500);
    let long = "a".repeat(5 << 20);
    let status = victim.command(json!({"endpoint": "fp", "diaObjectId": 1, "x": long})).await;
    assert!(names_a_limit(&status.unwrap_err()));
    let status = victim.run(&format!("SELECT '{long}'")).await.unwrap_err();
    assert!(names_a_limit(&status), "{status}");
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_nobody_knows_leave_nothing_behind() {
    let victim = Victim::with(&[]).await;
    for i in 0..20 {
        let unknown = (0..1_500).map(|j| format!("{i}x{j}")).collect::<Vec<_>>().join(",");
        let body = json!({"diaObjectId": 1, "columns": format!("r:ra,{unknown},r:dec")});
        assert_eq!(victim.server.post("/api/v1/objects", &body).await.status(), 200);
    }
    let metrics = victim.server.get("/metrics").await.text().await.unwrap();
    let count =
        |name: &str| metrics.lines().find(|line| line.starts_with(name)).unwrap().to_string();
    assert_eq!(count("diaflight_plans_made_total "), "diaflight_plans_made_total 1");
    assert_eq!(count("diaflight_plan_hits_total "), "diaflight_plan_hits_total 19");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_make_much_out_of_little_are_told_the_limit() {
    // Few enough that 64 rows of a scan come in one batch, which is what has the limit.
    let victim = Victim::over(Survey::of(300).await, &["--sql-time-limit-ms", "30000"]).await;
    let bystander = Bystander::of(&victim).await;
    let ones = vec!["1"; 99_000].join(",");
    let names = (0..2_400).map(|i| format!("n AS a{i}")).collect::<Vec<_>>().join(",");
    let repeats = (0..1_000).map(|i| format!("repeat(band, 250000) c{i}")).collect::<Vec<_>>();
    for bomb in [
        &format!("SELECT [{ones}] FROM sources"),
        &format!(
            "WITH t AS (SELECT '{}' AS n FROM sources) SELECT {names} FROM t",
            "a".repeat(16_000)
        ),
        &format!("SELECT {} FROM sources", repeats.join(", ")),
        &format!(
            "SELECT (SELECT length(concat({})) FROM sources LIMIT 1)",
            vec!["repeat(band, 9)"; 40].join(", ")
        ),
        &format!("SELECT s.* FROM sources, (VALUES ('{}')) AS s", "a".repeat(100_000)),
        "SELECT generate_series(1, 200000) FROM sources",
        "SELECT repeat('a', 200000) FROM sources",
        "SELECT string_agg(band, repeat('x', 60000)), string_agg(band, repeat('y', 60000)) FROM sources",
        "SELECT concat_ws(repeat('x', 60000), band, band, band, band, band, band) FROM sources",
        "SELECT array_has_any(range(visit, visit + 6000), range(visit, visit + 6000)) FROM sources",
        "SELECT count(*) FROM sources GROUP BY CUBE(ra, dec, band, visit, detector), CUBE(psfFlux, psfFluxErr, isDipole, snr)",
        "SELECT arrow_cast(NULL, 'FixedSizeList(2147483647, FixedSizeBinary(2147483647))')",
        "SELECT count(*) FROM sources WHERE arrow_cast(NULL, 'FixedSizeBinary(2147483647)') IS NULL",
        "SELECT arrow_cast(NULL, 'FixedSizeBinary(100000)') FROM sources",
        &format!("SELECT arrow_cast(NULL, '{}Int64{}')", "List(".repeat(300), ")".repeat(300)),
        &format!(
            "SELECT arrow_try_cast(NULL, '{}Int64{}')",
            "List(".repeat(3_000),
            ")".repeat(3_000)
        ),
        &format!("SELECT CAST(NULL AS INT{})", "[]".repeat(300)),
        &format!("SELECT CAST(NULL AS INT{})", "[]".repeat(36)),
        &format!("SELECT CAST(NULL AS INT{})", "[200]".repeat(5)),
        &format!("SELECT CAST(NULL AS {}INT{})", "STRUCT<a ".repeat(300), ">".repeat(300)),
        "SELECT sum(length(repeat(band, 100000000))) FROM sources",
        "SELECT length(repeat('a', 2000000000))",
        "SELECT length(lpad('a', 2000000000))",
        "SELECT rpad(band, 1000000000) FROM sources",
        "SELECT array_length(generate_series(1, 3000000000))",
        "SELECT unnest(range(visit, visit + 100000000)) FROM sources",
        "SELECT array_repeat(band, 100000000) FROM sources",
        "SELECT array_resize([1], 1000000000)",
        "SELECT replace(repeat('a', 1000000), 'a', repeat('b', 1000000))",
        "SELECT levenshtein(repeat(band, 1000000), repeat('b', 1000000)) FROM sources",
        "WITH a AS (SELECT repeat(band, 100000) AS t FROM sources LIMIT 64) SELECT t || t || t || t || t || t || t || t FROM a",
    ] {
        let status = victim.run(bomb).await.expect_err(&format!("{bomb:.200}"));
        assert!(
            status.code() == Code::ResourceExhausted && names_a_limit(&status),
            "{bomb:.200}: {status}"
        );
    }
    for (refused, says) in [
        ("SELECT * FROM range(1, array_length(generate_series(1, 3000000000)))", "must be values"),
        ("SELECT array_agg(psfFlux) OVER (ORDER BY psfFlux) FROM sources", "array_agg"),
        ("SELECT string_agg(band, ',') OVER (ORDER BY psfFlux) FROM sources", "string_agg"),
    ] {
        let status = victim.run(refused).await.expect_err(refused);
        assert_eq!(status.code(), Code::InvalidArgument, "{refused}: {status}");
        assert!(status.message().contains(says), "{refused}: {status}");
    }
    let ids = (0..20_000_u64).map(|i| (170_028_485_706_776_685 + i).to_string());
    let ids = ids.collect::<Vec<_>>().join(", ");
    for fine in [
        &format!("SELECT * FROM sources WHERE diaObjectId = ANY([{ids}])"),
        &format!(
            "SELECT * FROM sources JOIN (VALUES ({})) AS v ON column1 = visit",
            ids.replace(", ", "), (")
        ),
        "SELECT arrow_cast(psfFlux, 'Float32'), arrow_cast([ra], 'List(Float32)'), arrow_typeof(visit) FROM sources",
        "SELECT band, count(*), array_agg(psfFlux), string_agg(band, ',') FROM sources GROUP BY ROLLUP(band, visit)",
        "SELECT sum(psfFlux) OVER (PARTITION BY diaObjectId ORDER BY midpointMjdTai) FROM sources",
        "SELECT value FROM range(-10, +10, 2) UNION ALL SELECT value FROM range(3)",
        "SELECT array_repeat(psfFlux, 10), array_has_any([band], ['g', 'r']) FROM sources",
        "SELECT sum(length(repeat(band, 1000))) FROM sources",
        "SELECT count(*) FROM (SELECT unnest(generate_series(1, 200)) FROM sources)",
        "SELECT count(*) FROM generate_series(1, 1000000)",
        "SELECT band || '-' || visit, lpad(band, 10), replace(band, 'g', 'green') FROM sources",
        "SELECT generate_series(DATE '2026-01-01', DATE '2026-12-31', INTERVAL '1 day')",
    ] {
        victim.run(fine).await.map_err(|status| format!("{fine:.200}: {status}")).unwrap();
    }
    bystander.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_that_give_nothing_end_with_their_time_and_let_others_work() {
    let victim = Victim::with(&["--sql-time-limit-ms", "3000"]).await;
    let bystander = Bystander::of(&victim).await;
    let many = "(SELECT band, psfFlux FROM sources CROSS JOIN range(1, 400))";
    for join in [
        format!(
            "SELECT count(*) FROM {many} a JOIN {many} b ON a.band = b.band AND a.psfFlux + b.psfFlux = -1e30"
        ),
        format!(
            "SELECT count(*) FROM {many} a LEFT JOIN {many} b ON a.band = b.band AND a.psfFlux > b.psfFlux + 1e30"
        ),
        format!(
            "SELECT count(*) FROM {many} a WHERE EXISTS (SELECT 1 FROM {many} b WHERE b.band = a.band AND b.psfFlux < a.psfFlux - 1e30)"
        ),
        format!("SELECT count(*) FROM {many} a JOIN {many} b ON a.psfFlux + b.psfFlux < -1e30"),
    ] {
        let (joined, others) = tokio::join!(victim.run(&join), async {
            for _ in 0..10 {
                victim.run("SELECT 1").await?;
            }
            Ok::<_, Status>(())
        });
        others.unwrap();
        let status = joined.expect_err(&join);
        assert_eq!(status.code(), Code::DeadlineExceeded, "{join}: {status}");
        assert!(status.message().contains("3 s"), "{status}");
    }
    victim.command(json!({"endpoint": "objects"})).await.unwrap();
    bystander.end().await;
}
