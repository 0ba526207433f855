//! Parts of the sky in statements: what is found by the table of places is what a look at all rows finds, and joins by position are refused.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type};
use diaflight::astronomy::{CELL_ORDER, cell};
use diaflight::error::{Kind, Result};
use diaflight::ingest::{IngestOptions, ingest};
use diaflight::query::{Engine, EngineOptions};
use diaflight::schema::Table;
use diaflight::sql::{Sql, SqlOptions};
use diaflight::survey::{self, Nights, SurveyOptions};
use diaflight::warehouse::Warehouse;
use diaflight::workers::Workers;
use futures::TryStreamExt;
use tokio_util::sync::CancellationToken;

async fn over(warehouse: &Warehouse) -> Sql {
    let engine = Engine::open(EngineOptions::from_warehouse(warehouse)).await.unwrap();
    Sql::new(engine, Workers::new().unwrap(), &SqlOptions::DEFAULT).unwrap()
}

async fn of_survey(folder: &str) -> Warehouse {
    let warehouse = Warehouse::open(folder).unwrap();
    let options = SurveyOptions { objects: 400, seed: 5, nights: Nights::ALL };
    survey::generate(&warehouse, &options, &|_| {}).await.unwrap();
    warehouse
}

async fn ask(sql: &Sql, text: &str) -> Result<RecordBatch> {
    let statement = sql.prepare(text, None).await?;
    let batches: Vec<_> = statement.run().await?.try_collect().await?;
    Ok(concat_batches(&statement.schema(), &batches)?)
}

/// The ids of the rows that pass a filter, ascending.
async fn ids(sql: &Sql, table: &str, filter: &str) -> Vec<i64> {
    let id = if table.contains("objects") { "diaObjectId" } else { "diaSourceId" };
    let rows = ask(sql, &format!("SELECT {id} FROM {table} WHERE {filter} ORDER BY 1")).await;
    rows.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec()
}

/// Whether the rows that pass a filter are found by a lookup.
async fn is_lookup(sql: &Sql, table: &str, filter: &str) -> bool {
    let plan = ask(sql, &format!("EXPLAIN SELECT ra FROM {table} WHERE {filter}")).await.unwrap();
    let plan = plan.column(1).as_string::<i32>();
    let plan = plan.iter().flatten().collect::<Vec<_>>().join("\n");
    assert_ne!(plan.contains("LookupExec"), plan.contains("DataSourceExec"), "{plan}");
    plan.contains("LookupExec")
}

/// Some places, with their right ascensions and declinations.
async fn places(sql: &Sql, table: &str) -> Vec<[f64; 2]> {
    let text = format!("SELECT ra, dec FROM {table} ORDER BY diaObjectId % 97, ra LIMIT 12");
    let rows = ask(sql, &text).await.unwrap();
    let [ra, dec] = [0, 1].map(|column| rows.column(column).as_primitive::<Float64Type>());
    ra.values().iter().zip(dec.values()).map(|(ra, dec)| [*ra, *dec]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_has_the_rows_that_a_look_at_all_finds() {
    let folder = tempfile::tempdir().unwrap();
    let sql = over(&of_survey(folder.path().to_str().unwrap()).await).await;
    for table in ["sources", "objects", "sources@0"] {
        let quoted = format!("\"{table}\"");
        for [ra, dec] in places(&sql, &quoted).await {
            for (radius, looked_up) in [(1e-7, true), (0.001, true), (0.9, true), (2.5, false)] {
                // Not in a form that asks for a part of the sky.
                let all = format!("abs(angular_separation_deg({ra}, {dec}, ra, dec)) <= {radius}");
                let expected = ids(&sql, &quoted, &all).await;
                assert!(!expected.is_empty());
                for filter in [
                    format!("in_cone(ra, dec, {ra} - 360, {dec}, {radius})"),
                    format!("angular_separation_deg({ra}, {dec}, ra, dec) <= {radius}"),
                    format!(
                        "{radius} >= angular_separation_deg({ra}, {dec}, ra, dec) AND dec > -91"
                    ),
                ] {
                    let found = ids(&sql, &quoted, &filter).await;
                    assert_eq!(found, expected, "{table}: {filter}");
                    let how = is_lookup(&sql, &quoted, &filter).await;
                    assert_eq!(how, looked_up, "{table}: {filter}");
                }
                assert!(!is_lookup(&sql, &quoted, &all).await);
            }
        }
    }
    // Of forced photometry no places are known.
    let forced = "SELECT count(*) FROM fp WHERE in_cone(ra, dec, 10, 10, 90)";
    assert_eq!(ask(&sql, forced).await.unwrap().num_rows(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_cells_of_any_order_and_several_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let sql = over(&of_survey(folder.path().to_str().unwrap()).await).await;
    let places = places(&sql, "sources").await;
    for order in [0, 8, 14, 20, 29] {
        let [one, other] = [0, 1].map(|number| cell(order, places[number]).unwrap());
        let all = format!("healpix_index({order}, ra, dec) IN ({one}, {other})");
        let filter = format!("in_cells(ra, dec, {order}, [{other}, {one}, {one}])");
        let expected = ids(&sql, "sources", &all).await;
        assert!(expected.len() > 1);
        assert_eq!(ids(&sql, "sources", &filter).await, expected, "{filter}");
        assert_eq!(is_lookup(&sql, "sources", &filter).await, order >= 8, "{filter}");
    }
    let [[ra, dec], [other_ra, other_dec], ..] = places[..] else { panic!("{places:?}") };
    let both = format!(
        "in_cone(ra, dec, {ra}, {dec}, 1e-3) OR angular_separation_deg(ra, dec, {other_ra}, {other_dec}) < 1e-3"
    );
    assert!(is_lookup(&sql, "sources", &both).await);
    let all = format!("({both}) IS TRUE");
    assert_eq!(ids(&sql, "sources", &both).await, ids(&sql, "sources", &all).await);
    // One side of an OR says nothing of the sky, one of an AND is enough.
    let cone = format!("in_cone(ra, dec, {ra}, {dec}, 1e-3)");
    assert!(!is_lookup(&sql, "sources", &format!("{cone} OR psfFlux > 0")).await);
    assert!(is_lookup(&sql, "sources", &format!("{cone} AND psfFlux > 0")).await);
    assert!(!is_lookup(&sql, "sources", &format!("NOT {cone}")).await);
    let in_cell = format!("in_cells(ra, dec, {CELL_ORDER}, [0]) AND {cone}");
    assert_eq!(ids(&sql, "sources", &in_cell).await, Vec::<i64>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_found_where_updates_put_them() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().join("w").to_str().unwrap()).unwrap();
    let options = IngestOptions { rewrite_bytes: 0, ..IngestOptions::default() };
    let survey =
        |nights: &str| SurveyOptions { objects: 300, seed: 5, nights: nights.parse().unwrap() };
    survey::generate(&warehouse, &survey("0..299"), &|_| ()).await.unwrap();
    let packets = folder.path().join("packets");
    let stop = CancellationToken::new();
    survey::write_packets(&packets, &survey("300..301"), false, &stop, &|_| ()).unwrap();
    let inputs = [packets.to_str().unwrap().to_string()];
    ingest(&warehouse, &inputs, &options, &|_| ()).await.unwrap();
    let objects = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    assert!(objects.update_files().next().is_some());
    let sql = over(&warehouse).await;
    let newest = "lastDiaSourceMjdTai = (SELECT max(lastDiaSourceMjdTai) FROM objects)";
    let text = format!("SELECT ra, dec FROM objects WHERE {newest}");
    let replaced = ask(&sql, &text).await.unwrap();
    assert!(replaced.num_rows() > 0);
    for row in 0..replaced.num_rows() {
        let [ra, dec] =
            [0, 1].map(|column| replaced.column(column).as_primitive::<Float64Type>().value(row));
        let filter = format!("in_cone(ra, dec, {ra}, {dec}, 1e-6)");
        assert!(is_lookup(&sql, "objects", &filter).await);
        let all = format!("({filter}) IS TRUE");
        let found = ids(&sql, "objects", &filter).await;
        assert_eq!((found.len(), &found), (1, &ids(&sql, "objects", &all).await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_places_all_rows_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = of_survey(folder.path().to_str().unwrap()).await;
    let sql = over(&warehouse).await;
    let [ra, dec] = places(&sql, "sources").await[0];
    let filter = format!("in_cone(ra, dec, {ra}, {dec}, 0.01)");
    let found = ids(&sql, "sources", &filter).await;
    std::fs::remove_dir_all(folder.path().join("places")).unwrap();
    let sql = over(&warehouse).await;
    assert!(!is_lookup(&sql, "sources", &filter).await);
    assert_eq!(ids(&sql, "sources", &filter).await, found);
    // Another table of places, which has those of the objects alone.
    warehouse.note_places(Table::Objects).await.unwrap();
    let sql = over(&warehouse).await;
    assert!(is_lookup(&sql, "objects", &filter).await);
    assert!(!is_lookup(&sql, "sources", &filter).await);
    assert_eq!(ids(&sql, "sources", &filter).await, found);
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_by_position_are_refused_but_for_few_rows() {
    let folder = tempfile::tempdir().unwrap();
    let sql = over(&of_survey(folder.path().to_str().unwrap()).await).await;
    let near = "in_cone(s.ra, s.dec, o.ra, o.dec, 1e-3)";
    for text in [
        format!("SELECT count(*) FROM sources s JOIN objects o ON {near}"),
        format!("SELECT count(*) FROM sources s, objects o WHERE {near} AND o.nDiaSources > 1"),
        format!(
            "SELECT count(*) FROM sources s WHERE EXISTS (SELECT 1 FROM objects o WHERE {near})"
        ),
        "SELECT count(*) FROM sources s JOIN (VALUES (1.5, 2.5)) o(ra, dec) ON \
            angular_separation_deg(s.ra, s.dec, o.ra, o.dec) < 1e-3"
            .to_string(),
    ] {
        let error = ask(&sql, &text).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Argument, "{text}: {error}");
        assert!(error.to_string().contains("/api/v1/crossmatch"), "{text}: {error}");
    }
    let [ra, dec] = places(&sql, "objects").await[0];
    let around = format!("in_cone(o.ra, o.dec, {ra}, {dec}, 1)");
    for text in [
        format!(
            "SELECT count(*) FROM sources s JOIN objects o ON s.diaObjectId = o.diaObjectId AND {near}"
        ),
        format!(
            "SELECT count(*) FROM sources s, objects o WHERE {near} AND {around} AND in_cone(s.ra, s.dec, {ra}, {dec}, 1)"
        ),
    ] {
        let rows = ask(&sql, &text).await.unwrap();
        assert!(rows.column(0).as_primitive::<Int64Type>().value(0) > 0, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_part_of_the_sky_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let sql = over(&of_survey(folder.path().to_str().unwrap()).await).await;
    for (filter, named) in [
        ("in_cone(ra, dec, 10, 20, -1)", "in_cone: radius_deg is -1; give 0 to 180 degrees"),
        ("in_cone(ra, dec, 10, 20, 'NaN'::DOUBLE)", "in_cone: radius_deg is NaN"),
        ("in_cells(ra, dec, 30, [1])", "in_cells: order is 30; give a whole number from 0 to 29"),
        (
            "in_cells(ra, dec, 0, [12])",
            "in_cells: there is no cell 12 of order 0; they end before 12",
        ),
        ("in_cells(ra, dec, 0, [-1])", "in_cells: there is no cell -1"),
        ("in_cells(ra, dec, 3, [nDiaSources])", "in_cells: order and cells are constants"),
    ] {
        let asked = ask(&sql, &format!("SELECT ra FROM objects WHERE {filter}")).await;
        let error = asked.expect_err(filter);
        assert_eq!(error.kind(), Kind::Argument, "{filter}: {error}");
        assert!(error.to_string().contains(named), "{filter}: {error}");
    }
    for nothing in [
        "in_cone(ra, dec, 10, 91, 1)",
        "in_cone(ra, dec, NULL, 1, 1)",
        "in_cells(ra, dec, 3, NULL)",
    ] {
        assert_eq!(ids(&sql, "objects", nothing).await, Vec::<i64>::new(), "{nothing}");
    }
}
