//! Writes the tables of a survey to a warehouse, one commit each.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::batches::{Survey, SurveyBatch};
use super::examples::Examples;
use super::life::States;
use super::{Generated, GeneratedTable, ROWS_PER_BATCH, SurveyOptions, SurveyProgress, no_alert};
use crate::error::{Error, Result};
use crate::schema::{Table, new_table_schema};
use crate::warehouse::{Change, DataFile, Operation, Snapshot, SortedWriter, Warehouse};

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
    mut files: Vec<Vec<DataFile>>,
    examples: Examples,
) -> Result<Generated> {
    let have_places =
        Table::ALL.into_iter().zip(&mut files).filter(|(table, _)| table.has_places());
    let spill_dir = tempfile::tempdir()?;
    warehouse.add_places(have_places.flat_map(|(_, files)| files), spill_dir.path()).await?;
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
