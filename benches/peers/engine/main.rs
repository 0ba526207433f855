//! Lookups of the engine, of the engine over slow storage, and of a bare Parquet reader, measured on request.
//! `just bench-peers` talks to it: it asks all readers in turn, so that noise falls on all alike.
//!
//! In: a warehouse, and a task on each line of standard input:
//! `{"reader": "engine", "columns": ["r:psfFlux"] or null for all, "lookups": [[id, ...], ...], "delay_ms": 0}`.
//! Out: first a line with the served columns, then a line for each task: for each lookup its microseconds and its rows
//! (and of slow storage its requests), and sums over all rows by which readers are compared.

#![allow(clippy::expect_used, reason = "a bench that cannot go on has failed")]

mod answer;
mod bare;
mod delayed;
mod engine;
mod positioned;

use std::io::{BufRead, Write, stdin, stdout};
use std::time::{Duration, Instant};

use answer::Answer;
use bare::BareReader;
use clap::Parser;
use delayed::Delayed;
use diaflight::warehouse::Warehouse;
use engine::EngineReader;
use mimalloc::MiMalloc;
use serde::Deserialize;
use tokio::runtime::Runtime;

/// The program's own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Parser)]
struct Arguments {
    /// Folder of the warehouse
    #[arg(long)]
    warehouse: Option<String>,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    reader: Reader,
    /// Served names; all where there are none.
    columns: Option<Vec<String>>,
    /// The ids of each lookup.
    lookups: Vec<Vec<i64>>,
    /// How long each request to slow storage takes.
    #[serde(default)]
    delay_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reader {
    Engine,
    Bare,
    Storage,
}

fn main() {
    let Some(warehouse) = Arguments::parse().warehouse else {
        eprintln!("peers: without --warehouse there is nothing to measure; see `just bench-peers`");
        return;
    };
    let warehouse = Warehouse::open(&warehouse).expect("a warehouse");
    let runtime = Runtime::new().expect("a runtime");
    let engine = runtime.block_on(EngineReader::open(&warehouse));
    let bare = runtime.block_on(BareReader::open(&warehouse));
    // Opened when first asked for, so that the memory of the others is not that of two engines.
    let mut storage = None;
    say(&serde_json::json!({ "columns": engine.columns() }));
    for line in stdin().lock().lines() {
        let line = line.expect("a line");
        let task: Task = serde_json::from_str(&line).expect("a task");
        let columns = task.columns.as_deref();
        let mut answer = Answer::default();
        match task.reader {
            Reader::Engine => {
                let columns = engine::columns_of(columns);
                for ids in &task.lookups {
                    let begun = Instant::now();
                    let batches = runtime.block_on(engine.lookup(ids, &columns));
                    answer.add(begun.elapsed(), &batches);
                }
            }
            Reader::Bare => {
                let projection = bare.projection(columns.unwrap_or(&engine.columns()));
                for ids in &task.lookups {
                    let begun = Instant::now();
                    let batches = bare.lookup(ids, &projection);
                    answer.add(begun.elapsed(), &batches);
                }
            }
            Reader::Storage => {
                let (store, engine) = storage.get_or_insert_with(|| {
                    let store = Delayed::local();
                    let engine = EngineReader::open_in(&warehouse, store.clone());
                    (store.clone(), runtime.block_on(engine))
                });
                let columns = engine::columns_of(columns);
                store.delay(Duration::from_millis(task.delay_ms));
                for ids in &task.lookups {
                    store.forget();
                    let begun = Instant::now();
                    let batches = runtime.block_on(engine.lookup(ids, &columns));
                    answer.add(begun.elapsed(), &batches);
                    answer.traffic.push(store.traffic());
                }
            }
        }
        say(&answer);
    }
}

fn say(line: &impl serde::Serialize) {
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, line).expect("standard output");
    out.write_all(b"\n").and_then(|()| out.flush()).expect("standard output");
}
