//! A synthetic survey with the real columns: seeded, in constant memory, written straight to a warehouse, or as alert packets.
//!
//! A number of objects, a seed and nights give the three tables, one commit each, or files of [packets](write_packets). `plan` says where the camera looks and when, `object` takes
//! each object through its visits, `life` says what alerts tell of it, and `batches` puts the objects in the order of their ids and makes columns of them, so that nothing
//! needs sorting.

mod batches;
mod camera;
mod columns;
mod epoch;
mod examples;
mod field;
mod life;
mod light_curve;
mod matches;
mod nights;
mod object;
mod object_columns;
mod packets;
mod plan;
mod rows;
mod source;
mod source_columns;
mod summary;
#[cfg(test)]
mod tests;
mod visit;

use std::fmt;

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::schema::{Table, new_table_schema};
use crate::warehouse::{Change, DataFile, Operation, Snapshot, SortedWriter, Warehouse};
use batches::{Survey, SurveyBatch};
pub use examples::{Example, Examples};
use life::States;
pub use nights::Nights;
pub use packets::{PacketsProgress, WrittenPackets, write_packets};

/// What to generate.
#[derive(Clone, Debug)]
pub struct SurveyOptions {
    /// How many objects; there are about 20 sources to each, and 60 forced measurements.
    pub objects: u64,
    /// The same seed gives the same rows, and a survey of fewer objects is part of a larger one.
    pub seed: u64,
    /// The nights whose alerts are told of. The tables are as they are after the packets of these nights, with their histories: each
    /// source of these nights, and those of the 12 months before the first alert of its object, without what only their own alerts say;
    /// each forced measurement that one of the packets holds; each object as its newest alert states it.
    pub nights: Nights,
}

/// How far a survey has come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SurveyProgress {
    /// Gone through, of [`SurveyOptions::objects`]. Those that are found after the nights are left out.
    pub objects: u64,
    /// Sources written so far.
    pub sources: u64,
    /// Forced measurements written so far.
    pub fp: u64,
}

/// A survey that was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Generated {
    /// The tables that were written.
    pub tables: Vec<GeneratedTable>,
    /// Objects that are good examples to show.
    pub examples: Vec<Example>,
}

/// A table that was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GeneratedTable {
    /// Its name.
    pub table: &'static str,
    /// Its number of rows.
    pub rows: u64,
    /// The version of the table that holds them.
    pub version: u64,
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables.iter().map(|t| format!("{} {}", t.rows, t.table));
        write!(f, "generated {}", tables.collect::<Vec<_>>().join(", "))?;
        self.examples.iter().try_for_each(|example| write!(f, "\n{example}"))
    }
}

/// Sources and forced measurements of one batch: enough for efficient columns, and soon written.
const ROWS_PER_BATCH: usize = 32 * 1024;

/// Writes a survey to a warehouse, telling `progress` after each batch. On failure nothing is visible but tables whose commit
/// succeeded, in the order of [`Table::ALL`]: the same survey, generated again, completes them. A warehouse that has all three
/// tables, or one of another survey, is an `Argument` error.
pub async fn generate(
    warehouse: &Warehouse,
    options: &SurveyOptions,
    progress: &(dyn Fn(SurveyProgress) + Send + Sync),
) -> Result<Generated> {
    // The last to be committed.
    if warehouse.snapshot(Table::Objects, None).await?.is_some() {
        return Err(taken(warehouse, Table::Objects));
    }
    warehouse.check_writable(Table::ALL[0]).await?;
    let survey = Survey::new(options, States::Newest, ROWS_PER_BATCH)?;
    let mut writers =
        Table::ALL.map(|table| SortedWriter::new(warehouse, table, new_table_schema(table)));
    let examples = write(survey, &mut writers, progress).await?;
    let mut files = Vec::new();
    for writer in writers {
        files.push(writer.finish().await?);
    }
    if files.iter().all(Vec::is_empty) {
        return Err(no_alert(options.nights));
    }
    commit(warehouse, files, examples).await
}

fn no_alert(nights: Nights) -> Error {
    Error::argument(format!(
        "--nights {nights}: without alerts, as one night in five is; choose others, or more objects"
    ))
}

fn taken(warehouse: &Warehouse, table: Table) -> Error {
    let (url, table) = (&warehouse.location().url, table.name());
    Error::argument(format!("--warehouse {url} has a table {table} already: name a new one"))
}

async fn write(
    survey: Survey,
    writers: &mut [SortedWriter; 3],
    progress: &(dyn Fn(SurveyProgress) + Send + Sync),
) -> Result<Examples> {
    let (mut batches, producer) = produce(survey);
    let (mut written, mut examples) = (SurveyProgress::default(), Examples::default());
    let [sources, fp, objects] = writers;
    while let Some(batch) = batches.recv().await {
        let batch = batch?;
        futures::try_join!(
            sources.write(&batch.sources),
            fp.write(&batch.fp),
            objects.write(&batch.objects)
        )?;
        written.sources += batch.sources.num_rows() as u64;
        written.fp += batch.fp.num_rows() as u64;
        written.objects += batch.gone_through;
        for state in &batch.rows.states {
            examples.consider(&batch.rows.objects[state.object as usize], state);
        }
        progress(written);
    }
    let stopped = |error| Error::internal(format!("generating a survey: {error}"));
    producer.await.map_err(stopped)?;
    Ok(examples)
}

/// Generates on a thread of its own, a batch or two ahead of the writer.
fn produce(mut survey: Survey) -> (mpsc::Receiver<Result<SurveyBatch>>, JoinHandle<()>) {
    let (send, receive) = mpsc::channel(1);
    let producer = tokio::task::spawn_blocking(move || {
        while let Some(batch) = survey.next_batch().transpose() {
            let failed = batch.is_err();
            if send.blocking_send(batch).is_err() || failed {
                break;
            }
        }
    });
    (receive, producer)
}

async fn commit(
    warehouse: &Warehouse,
    files: Vec<Vec<DataFile>>,
    examples: Examples,
) -> Result<Generated> {
    let mut tables = Vec::new();
    for (table, add) in Table::ALL.into_iter().zip(files) {
        let rows = add.iter().filter_map(|file| file.rows).sum();
        let version = match warehouse.snapshot(table, None).await? {
            Some(there) if is_of(&there, &add) => there.version,
            Some(_) => return Err(taken(warehouse, table)),
            None => {
                let (operation, schema) = (Operation::Generate, new_table_schema(table));
                let change = Change { operation, schema, add, remove: Vec::new() };
                warehouse.commit(table, None, change).await?
            }
        };
        tables.push(GeneratedTable { table: table.name(), rows, version });
    }
    Ok(Generated { tables, examples: examples.chosen() })
}

/// Whether a table is made of files like these: the same survey has the same bytes.
fn is_of(table: &Snapshot, files: &[DataFile]) -> bool {
    let like = |file: &DataFile| (file.size_bytes, file.rows, file.keys.clone(), file.ids.clone());
    table.files.iter().map(like).eq(files.iter().map(like))
}

/// A random number of the normal distribution with mean 0 and standard deviation 1.
fn normal(rng: &mut impl Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// A random number of a log-normal distribution; `sigma` is the standard deviation of its natural logarithm.
fn log_normal(median: f64, sigma: f64, rng: &mut impl Rng) -> f64 {
    median * (sigma * normal(rng)).exp()
}
