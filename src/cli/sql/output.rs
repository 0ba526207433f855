//! Writes rows to standard output in the asked format, and counts them. Every format but the table streams in constant memory; the columns
//! of a table are as wide as their widest cell.

use std::collections::HashSet;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::Schema;
use arrow::util::pretty::pretty_format_batches_with_schema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};

use crate::config::SqlFormat;
use crate::encode::{self, Format};
use crate::error::{Error, Result};

/// How many rows were written.
pub(crate) struct Written {
    pub rows: usize,
    /// Whether there are more rows than the table shows.
    pub more: bool,
}

/// Refuses to write binary formats to a terminal.
pub(crate) fn check(format: SqlFormat) -> Result<()> {
    match format {
        SqlFormat::Parquet | SqlFormat::Arrow if io::stdout().is_terminal() => {
            let message = "parquet and arrow are binary: redirect standard output to a file, \
                           or choose table, csv or json";
            Err(Error::argument(message))
        }
        _ => Ok(()),
    }
}

/// Writes all rows; of a table, at most `most` rows.
pub(crate) async fn write(
    format: SqlFormat,
    rows: SendableRecordBatchStream,
    most: Option<usize>,
) -> Result<Written> {
    let format = match format {
        SqlFormat::Table => return table(rows, most.unwrap_or(usize::MAX)).await,
        SqlFormat::Csv => Format::Csv,
        SqlFormat::Json => Format::Json,
        SqlFormat::Parquet => Format::Parquet,
        SqlFormat::Arrow => Format::Arrow,
    };
    if matches!(format, Format::Json | Format::Parquet) {
        refuse_equal_names(&rows.schema(), format)?;
    }
    let count = Arc::new(AtomicUsize::new(0));
    let mut chunks = encode::encode_any(format, counted(rows, count.clone()));
    while let Some(chunk) = chunks.next().await {
        if !print(&chunk?)? {
            break;
        }
    }
    if format == Format::Json {
        print(b"\n")?;
    }
    Ok(Written { rows: count.load(Ordering::Relaxed), more: false })
}

async fn table(mut rows: SendableRecordBatchStream, most: usize) -> Result<Written> {
    let schema = rows.schema();
    let (mut batches, mut shown, mut more) = (Vec::new(), 0, false);
    while !more && let Some(batch) = rows.try_next().await? {
        let fitting = batch.num_rows().min(most - shown);
        more = fitting < batch.num_rows();
        shown += fitting;
        batches.push(batch.slice(0, fitting));
    }
    drop(rows);
    let text = pretty_format_batches_with_schema(schema, &batches)?;
    print(format!("{text}\n").as_bytes())?;
    Ok(Written { rows: shown, more })
}

/// Refuses equal names of columns, as a join may have: readers of these formats find only one of them.
fn refuse_equal_names(schema: &Schema, format: Format) -> Result<()> {
    let mut names = HashSet::new();
    match schema.fields().iter().find(|field| !names.insert(field.name())) {
        None => Ok(()),
        Some(field) => Err(Error::argument(format!(
            "several columns are named {}, and {} allows a name once: rename them with AS",
            field.name(),
            format.name(),
        ))),
    }
}

fn counted(rows: SendableRecordBatchStream, count: Arc<AtomicUsize>) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let rows = rows.inspect_ok(move |batch| {
        count.fetch_add(batch.num_rows(), Ordering::Relaxed);
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// Whether the reader of standard output is still there. If it has closed the pipe, that is no failure.
fn print(bytes: &[u8]) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::from(error).context("writing to standard output")),
    }
}
