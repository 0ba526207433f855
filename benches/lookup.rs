//! The lookup: a query in, the last batch of its rows out, over a synthetic survey of fixed seed on local disk.

#![allow(clippy::expect_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use diaflight::query::{Columns, Engine, EngineOptions, Query};
use diaflight::schema::{KEY, Table};
use diaflight::survey::{self, Nights, SurveyOptions};
use diaflight::warehouse::{self, Warehouse};
use futures::{StreamExt, TryStreamExt};
use tokio::runtime::Runtime;

const OBJECTS: u64 = 20_000;
const SEED: u64 = 1;
const FOUR_COLUMNS: [&str; 4] = ["r:midpointMjdTai", "r:band", "r:psfFlux", "r:psfFluxErr"];

fn lookup(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (engine, ids) = runtime.block_on(survey_of(&folder.path().to_string_lossy()));
    let mut group = criterion.benchmark_group("lookup");
    for count in [1, 100, 1_000] {
        for (name, columns) in [
            ("4 columns", Columns::Named(FOUR_COLUMNS.map(String::from).to_vec())),
            ("all columns", Columns::All),
        ] {
            // A stride spreads the ids over the survey; each iteration takes other objects.
            let mut turn = 0;
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| {
                    turn += 1;
                    let asked = (0..count)
                        .map(|i| ids[(turn * 7919 + i * (ids.len() / count)) % ids.len()]);
                    let query =
                        Query::newest_first(Table::Sources, asked.collect(), columns.clone());
                    black_box(runtime.block_on(rows(&engine, &query)))
                })
            });
        }
    }
    group.finish();
}

/// Makes the survey; answers with an engine over it and the ids of its objects.
async fn survey_of(folder: &str) -> (Engine, Vec<i64>) {
    let warehouse = Warehouse::open(folder).expect("a warehouse");
    let options = SurveyOptions { objects: OBJECTS, seed: SEED, nights: Nights::ALL };
    survey::generate(&warehouse, &options, &|_| {}).await.expect("a survey");
    let objects =
        warehouse.snapshot(Table::Objects, None).await.expect("a snapshot").expect("objects");
    let mut ids = Vec::new();
    for file in &objects.files {
        let batches = warehouse::read(objects.store.clone(), file, Some(&[KEY]), 8192);
        let keys: Vec<_> = batches.try_collect().await.expect("keys");
        for batch in keys {
            let column =
                batch.column(0).as_any().downcast_ref::<arrow::array::Int64Array>().expect("int64");
            ids.extend(column.values());
        }
    }
    (Engine::open(EngineOptions::from_warehouse(&warehouse)).await.expect("an engine"), ids)
}

async fn rows(engine: &Engine, query: &Query) -> usize {
    let answer = engine.run(query).await.expect("an answer");
    answer
        .rows
        .fold(0, |rows, batch| async move { rows + batch.expect("a batch").num_rows() })
        .await
}

criterion_group!(benches, lookup);
criterion_main!(benches);
