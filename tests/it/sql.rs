//! Statements over a small survey: what they answer, what they are refused, and that they stay within their limits.

use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::pretty::pretty_format_batches;
use datafusion::common::ScalarValue;
use diaflight::error::{Error, Kind, Result};
use diaflight::query::{Engine, EngineOptions};
use diaflight::schema::Table;
use diaflight::sql::{RelationKind, Sql, SqlOptions, Statement};
use diaflight::survey::{self, Nights, SurveyOptions};
use diaflight::warehouse::{Change, Operation, Warehouse};
use diaflight::workers::Workers;
use futures::{StreamExt, TryStreamExt};

const OBJECTS: u64 = 300;

async fn engine(name: &str) -> (Warehouse, Engine) {
    let warehouse = Warehouse::open(&format!("memory://sql-{name}")).unwrap();
    let options = SurveyOptions { objects: OBJECTS, seed: 3, nights: Nights::ALL };
    survey::generate(&warehouse, &options, &|_| {}).await.unwrap();
    let engine = Engine::open(EngineOptions::from_warehouse(&warehouse)).await.unwrap();
    (warehouse, engine)
}

async fn sql_with(name: &str, options: SqlOptions) -> Sql {
    Sql::new(engine(name).await.1, Workers::new().unwrap(), &options).unwrap()
}

async fn sql(name: &str) -> Sql {
    sql_with(name, SqlOptions::DEFAULT).await
}

async fn rows_of(statement: &Statement) -> Result<RecordBatch> {
    let rows = statement.run().await?;
    assert_eq!(rows.schema(), statement.schema());
    let batches: Vec<_> = rows.try_collect().await?;
    Ok(concat_batches(&statement.schema(), &batches)?)
}

async fn ask(sql: &Sql, text: &str) -> Result<RecordBatch> {
    rows_of(&sql.prepare(text, None).await?).await
}

async fn number(sql: &Sql, text: &str) -> i64 {
    let rows = ask(sql, text).await.unwrap();
    assert_eq!((rows.num_rows(), rows.num_columns()), (1, 1), "{text}");
    rows.column(0).as_primitive::<Int64Type>().value(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_read_by_their_own_names() {
    let sql = sql("names").await;
    assert_eq!(number(&sql, "SELECT count(*) FROM objects").await, OBJECTS as i64);
    let joined = "SELECT count(*) FROM sources s JOIN objects o ON s.diaObjectId = o.diaObjectId \
                  WHERE s.psfFlux > 0 AND o.nDiaSources > 1";
    assert!(number(&sql, joined).await > 0);
    let most = "SELECT max(n) FROM (SELECT count(*) AS n FROM fp GROUP BY diaObjectId)";
    assert!(number(&sql, most).await > 1);
    let tables = ask(
        &sql,
        "SELECT table_name FROM information_schema.tables \
                            WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1",
    );
    let tables = tables.await.unwrap();
    let names: Vec<_> = tables.column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!(names, ["fp", "objects", "sources"]);
    let relations = sql.relations().await.unwrap();
    let tables = relations.iter().filter(|relation| relation.kind == RelationKind::Table);
    assert_eq!(tables.map(|table| &table.name).collect::<Vec<_>>(), names);
    for text in ["SHOW TABLES", "DESCRIBE sources", "EXPLAIN SELECT ra FROM objects"] {
        assert!(ask(&sql, text).await.unwrap().num_rows() > 0, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wrote_a_wrong_statement_is_told_what_is_wrong() {
    let sql = sql("wrong").await;
    for (text, named) in [
        ("", "statement"),
        ("SELEC 1", "SELEC"),
        ("SELECT 1; SELECT 2", "single"),
        ("SELECT psfflux FROM sources", "psfflux"),
        ("SELECT * FROM stars", "stars"),
        ("SELECT * FROM stars@3", "stars@3"),
        ("SELECT * FROM sources@soon", "soon"),
        ("SELECT * FROM \"sources@2999-01-01T00:00:00Z\"", "in the future"),
        ("SELECT * FROM sources@99", "99"),
        ("SELECT nothing(1)", "nothing"),
        ("SELECT $2 + 1", "$1"),
    ] {
        let error = sql.prepare(text, None).await.err().unwrap_or_else(|| panic!("{text}: taken"));
        assert_eq!(error.kind(), Kind::Argument, "{text}: {error}");
        assert!(error.to_string().contains(named), "{text}: {error}");
    }
    for text in ["SELECT 1 / (diaObjectId - diaObjectId) FROM objects", "SELECT CAST('x' AS INT)"] {
        let error = ask(&sql, text).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Argument, "{text}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_reading_is_planned() {
    let sql = sql("reading").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    std::fs::write(&file, "a\n1\n").unwrap();
    let file = file.to_str().unwrap();
    for text in [
        "CREATE TABLE x AS SELECT 1",
        "CREATE VIEW x AS SELECT 1",
        "CREATE SCHEMA x",
        "DROP TABLE sources",
        "DROP VIEW IF EXISTS sources",
        "INSERT INTO sources SELECT * FROM sources",
        "DELETE FROM sources",
        "UPDATE sources SET ra = 0",
        "TRUNCATE TABLE sources",
        "SET datafusion.execution.batch_size = 1",
        "RESET datafusion.execution.batch_size",
        "PREPARE x AS SELECT 1",
        "BEGIN",
        "EXPLAIN INSERT INTO sources SELECT * FROM sources",
        "EXPLAIN ANALYZE INSERT INTO sources SELECT * FROM sources",
        &format!("COPY sources TO '{file}'"),
        &format!("COPY (SELECT 1) TO '{file}' STORED AS CSV"),
        &format!("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{file}'"),
        &format!("SELECT * FROM '{file}'"),
        &format!("SELECT * FROM \"file://{file}\""),
        "SELECT * FROM 'http://127.0.0.1:1/x.parquet'",
        &format!("SELECT * FROM read_csv('{file}')"),
        &format!("WITH x AS (SELECT * FROM '{file}') SELECT * FROM x"),
    ] {
        match sql.prepare(text, None).await {
            Err(error) => assert_eq!(error.kind(), Kind::Argument, "{text}: {error}"),
            Ok(_) => panic!("{text}: taken"),
        }
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "a\n1\n");
    assert_eq!(number(&sql, "SELECT count(*) FROM objects").await, OBJECTS as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_bound_and_cast() {
    let sql = sql("parameters").await;
    let text = "SELECT count(*) FROM sources WHERE band = $2 AND psfFlux > $1";
    let statement = sql.prepare(text, None).await.unwrap();
    let names: Vec<_> = statement.parameters().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["$1", "$2"]);
    assert_eq!(statement.parameters()[0].data_type, Some(DataType::Float32));
    let error = statement.run().await.err().unwrap();
    assert!(error.to_string().contains("$1"), "{error}");
    let values = || vec![ScalarValue::from(1000_i64), ScalarValue::from("r")];
    let bound = statement.clone().bind(values()).await.unwrap();
    let literal = "SELECT count(*) FROM sources WHERE band = 'r' AND psfFlux > 1000";
    let counted = rows_of(&bound).await.unwrap().column(0).as_primitive::<Int64Type>().value(0);
    assert_eq!(counted, number(&sql, literal).await);
    let error = statement.clone().bind(values()[..1].to_vec()).await.err().unwrap();
    assert!(error.to_string().contains("2 parameters; 1 values"), "{error}");
    let wrong = vec![ScalarValue::from("many"), ScalarValue::from("r")];
    let error = statement.bind(wrong).await.err().unwrap();
    assert!(error.to_string().contains("parameter $1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_is_a_table_of_its_own() {
    let (warehouse, engine) = engine("versions").await;
    let before = engine.table(Table::Objects, None).await.unwrap().snapshot().version;
    let sql = Sql::new(engine.clone(), Workers::new().unwrap(), &SqlOptions::DEFAULT).unwrap();
    let statement = sql.prepare("SELECT count(*) FROM objects", None).await.unwrap();
    assert_eq!(statement.versions().objects, Some(before));
    let error = ask(&sql, "SELECT * FROM \"objects@1990-01-01T00:00:00Z\"").await.unwrap_err();
    assert!(error.to_string().contains("1990"), "{error}");

    let base = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let (operation, schema) = (Operation::Ingest, base.schema.clone());
    let emptied = Change { operation, schema, add: vec![], remove: base.files.clone() };
    let version = warehouse.commit(Table::Objects, Some(&base), emptied).await.unwrap();
    while engine.table(Table::Objects, None).await.unwrap().snapshot().version < version {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(number(&sql, "SELECT count(*) FROM objects").await, 0);
    let all = "SELECT count(*), count(o.ra) FROM objects@0 AS o, (SELECT count(*) FROM objects)";
    let all = ask(&sql, all).await.unwrap();
    assert_eq!(all.column(0).as_primitive::<Int64Type>().value(0), OBJECTS as i64);
    // A statement stays with the versions it was planned with, here and where only these are known.
    let again = sql.prepare(statement.text(), Some(statement.versions())).await.unwrap();
    for statement in [statement, again] {
        let counted = rows_of(&statement).await.unwrap();
        assert_eq!(counted.column(0).as_primitive::<Int64Type>().value(0), OBJECTS as i64);
    }
}

/// Each would go on for hours: a product of all rows, and a loop that finds nothing in one.
const RUNAWAYS: [&str; 2] = [
    "SELECT count(*) FROM fp a CROSS JOIN fp b CROSS JOIN fp c WHERE a.psfFlux + c.psfFlux > 1e30",
    "SELECT count(*) FROM (SELECT a.psfFlux FROM fp a, generate_series(1, 100)) a \
     JOIN (SELECT b.psfFlux FROM fp b, generate_series(1, 1000)) b ON a.psfFlux + b.psfFlux > 1e30",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_runaway_ends_at_its_time_limit() {
    let time_limit = Duration::from_millis(200);
    let sql = sql_with("runaway", SqlOptions { time_limit, ..SqlOptions::DEFAULT }).await;
    for runaway in RUNAWAYS {
        let error = ask(&sql, runaway).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout, "{error}");
        assert!(error.to_string().contains("0.2 s"), "{error}");
    }
    assert_eq!(number(&sql, "SELECT count(*) FROM objects").await, OBJECTS as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_statement_stops_and_frees_its_place() {
    let options = SqlOptions { max_concurrent_statements: 1, ..SqlOptions::DEFAULT };
    let sql = sql_with("abandoned", options).await;
    for runaway in RUNAWAYS {
        let mut rows = sql.prepare(runaway, None).await.unwrap().run().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(300), rows.next()).await.is_err());
        let busy = ask(&sql, "SELECT 1").await.unwrap_err();
        assert_eq!(busy.kind(), Kind::Busy, "{busy}");
        assert!(busy.to_string().contains("1 statements"), "{busy}");
        drop(rows);
        // Its place is free only once its task has ended.
        while ask(&sql, "SELECT 1").await.is_err() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_memory_a_sort_spills_and_over_the_files_it_fails() {
    let sorted = "SELECT count(*) FROM (SELECT *, row_number() OVER (ORDER BY psfFlux, ra) AS n \
                  FROM sources CROSS JOIN generate_series(1, 60)) WHERE n > 0";
    let all = number(&sql("whole").await, sorted).await;
    let small = SqlOptions { memory_bytes: 12 << 20, ..SqlOptions::DEFAULT };
    assert_eq!(number(&sql_with("spilling", small.clone()).await, sorted).await, all);
    let sql = sql_with("full", SqlOptions { temp_bytes: 1 << 10, ..small }).await;
    let error: Error = ask(&sql, sorted).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge, "{error}");
    assert!(error.to_string().contains("--sql-temp-mib"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sorting_by_object_follows_the_order_of_the_files() {
    let sql = sql("ordered").await;
    let text = "SELECT diaObjectId, midpointMjdTai - lag(midpointMjdTai) OVER \
                (PARTITION BY diaObjectId ORDER BY midpointMjdTai) AS gap_d FROM sources";
    let newest_first = "SELECT * FROM sources \
                        ORDER BY diaObjectId, midpointMjdTai DESC, diaSourceId DESC";
    for (text, with, without) in [
        (text, "WindowAggExec", "SortExec"),
        (newest_first, "ReverseWithin", "SortExec"),
        ("SELECT * FROM sources ORDER BY diaObjectId, psfFlux", "PartialSortExec", " SortExec"),
        ("SELECT count(*) FROM sources", "count(*)", "DataSourceExec"),
    ] {
        let plan = ask(&sql, &format!("EXPLAIN {text}")).await.unwrap();
        let plan = pretty_format_batches(&[plan]).unwrap().to_string();
        let plan = plan.split("physical_plan").nth(1).unwrap();
        assert!(plan.contains(with) && !plan.contains(without), "{plan}");
    }
    let negative = format!("SELECT count(*) FROM ({text}) WHERE gap_d < 0");
    assert_eq!(number(&sql, &negative).await, 0);
    let rows = ask(&sql, newest_first).await.unwrap();
    let ids = rows.column_by_name("diaObjectId").unwrap().as_primitive::<Int64Type>().values();
    let times = rows.column_by_name("midpointMjdTai").unwrap();
    let times = times.as_primitive::<Float64Type>().values();
    assert!(rows.num_rows() > 1000);
    assert!(
        (1..rows.num_rows())
            .all(|i| { ids[i - 1] < ids[i] || ids[i - 1] == ids[i] && times[i - 1] >= times[i] })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_in_a_statement_reaches_the_scan() {
    let sql = sql("lookup").await;
    let id = number(&sql, "SELECT max(diaObjectId) FROM objects").await;
    let text = format!("SELECT psfFlux FROM sources WHERE diaObjectId = {id}");
    let plan = ask(&sql, &format!("EXPLAIN {text}")).await.unwrap();
    let plan = pretty_format_batches(&[plan]).unwrap().to_string();
    assert!(plan.contains("LookupExec: table=sources, objects=1"), "{plan}");
    assert!(!plan.contains("FilterExec"), "{plan}");
    let found = ask(&sql, &text).await.unwrap().num_rows();
    assert!(found > 0);
    // The index answers a range of times, too, as DataFusion answers it of all rows.
    let half = format!(
        "midpointMjdTai >= (SELECT avg(midpointMjdTai) FROM sources WHERE diaObjectId = {id})"
    );
    let expected = number(
        &sql,
        &format!("SELECT count(*) FROM ({text}) WHERE {half}")
            .replace("SELECT psfFlux", "SELECT midpointMjdTai"),
    )
    .await;
    let mean = format!(
        "SELECT CAST(avg(midpointMjdTai) * 1e6 AS BIGINT) FROM sources WHERE diaObjectId = {id}"
    );
    let mean = number(&sql, &mean).await as f64 / 1e6;
    let text = format!("{text} AND midpointMjdTai BETWEEN {mean} AND 99999.5");
    let plan = ask(&sql, &format!("EXPLAIN {text}")).await.unwrap();
    let plan = pretty_format_batches(&[plan]).unwrap().to_string();
    assert!(plan.contains("LookupExec") && !plan.contains("FilterExec"), "{plan}");
    let later = ask(&sql, &text).await.unwrap().num_rows();
    assert!(later as i64 == expected && later < found, "{later} of {found}, expected {expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_tables_are_described() {
    let sql = sql("described").await;
    let described = |schema: &arrow::datatypes::Schema, name: &str| {
        schema.field_with_name(name).unwrap().metadata().get("unit").cloned()
    };
    for text in [
        "SELECT psfFlux, ra FROM sources",
        "SELECT * FROM sources@0 WHERE ra > 0 ORDER BY psfFlux LIMIT 3",
        "SELECT psfFlux, count(*) AS ra FROM sources GROUP BY psfFlux",
    ] {
        let statement = sql.prepare(text, None).await.unwrap();
        assert_eq!(described(&statement.schema(), "psfFlux").as_deref(), Some("nJy"), "{text}");
        rows_of(&statement).await.unwrap();
    }
    let computed = sql.prepare("SELECT psfFlux * 2 AS psfFlux FROM sources", None).await.unwrap();
    assert_eq!(described(&computed.schema(), "psfFlux"), None);
    let relations = sql.relations().await.unwrap();
    let sources = relations.iter().find(|relation| relation.name == "sources").unwrap();
    assert_eq!(described(&sources.schema, "ra").as_deref(), Some("deg"));
}
