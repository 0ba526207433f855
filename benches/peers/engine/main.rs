//! Lookups of the engine, of the engine over slow storage, and of a bare Parquet reader, and statements over the engine's tables,
//! measured on request. `just bench-peers` talks to it: it asks all readers in turn, so that noise falls on all alike.
//!
//! Takes a warehouse, and a task on each line of standard input:
//! `{"lookups": {"reader": "engine", "columns": ["r:psfFlux"] or null for all, "lookups": [[id, ...], ...], "delay_ms": 0}}`,
//! `{"cones": {"columns": ["r:psfFlux"], "places": [[ra, dec], ...], "radius_arcsec": 5}}`,
//! `{"statement": "SELECT ... FROM sources"}` or `"index"`.
//! Prints first a line with the served columns, then a line for each task: for each lookup or cone its microseconds and its rows
//! (and of slow storage its requests), and sums over all rows by which readers are compared; the seconds and rows of a
//! statement; the bytes that the index holds. With a layout instead, the warehouse's sources are written anew in it.

#![allow(clippy::expect_used, reason = "a bench that cannot go on has failed")]

mod answer;
mod bare;
mod delayed;
mod engine;
mod layout;
mod positioned;
mod readers;
mod rewrite;

use std::io::{BufRead, Write, stdin, stdout};

use clap::Parser;
use diaflight::warehouse::Warehouse;
use readers::Readers;
use tokio::runtime::Runtime;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    /// Folder of the warehouse
    #[arg(long)]
    warehouse: Option<String>,
    /// Write its sources in this layout, JSON, instead of measuring
    #[arg(long, requires = "to")]
    layout: Option<String>,
    /// Folder of the warehouse to write
    #[arg(long)]
    to: Option<String>,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let Some(warehouse) = arguments.warehouse else {
        eprintln!("peers: without --warehouse there is nothing to measure; see `just bench-peers`");
        return;
    };
    let warehouse = Warehouse::open(&warehouse).expect("a warehouse");
    let runtime = Runtime::new().expect("a runtime");
    if let (Some(layout), Some(to)) = (arguments.layout, arguments.to) {
        let layout = serde_json::from_str(&layout).expect("a layout");
        let to = Warehouse::open(&to).expect("a folder");
        runtime.block_on(rewrite::rewrite(&warehouse, &layout, &to));
        return;
    }
    let mut readers = Readers::open(runtime, warehouse);
    say(&serde_json::json!({ "columns": readers.engine.columns() }));
    for line in stdin().lock().lines() {
        let line = line.expect("a line");
        say(&readers.answer(&serde_json::from_str(&line).expect("a task")));
    }
}

fn say(line: &impl serde::Serialize) {
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, line).expect("standard output");
    out.write_all(b"\n").and_then(|()| out.flush()).expect("standard output");
}
