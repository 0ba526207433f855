//! Stages flat rows of the three tables on disk, between reading packets and writing tables. Rows come in any order and of any schema;
//! [`StagedRows`] read them back as often as needed, in one fixed order.
//!
//! Rows go to one Arrow IPC file (lz4) per table and schema, in [full](Gatherer) batches, in a
//! temporary folder that goes away with them. Memory is one such batch per file being written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use tempfile::TempDir;
use tokio::sync::mpsc::Sender;

use super::IngestOptions;
use super::evolution::{KnownColumns, conform, extend};
use crate::error::{Error, Result};
use crate::process::{has_ended, own_name};
use crate::schema::{Table, provenance};
use crate::warehouse::{Gatherer, bytes_of};

/// Collects the rows of one ingest.
pub(crate) struct Staging {
    dir: TempDir,
    tables: BTreeMap<Table, UnfinishedTable>,
}

struct UnfinishedTable {
    schema: Schema,
    rows: u64,
    files: Vec<UnfinishedFile>,
}

struct UnfinishedFile {
    file: StagedFile,
    pending: Gatherer,
    row_bytes: usize,
    writer: FileWriter<BufWriter<File>>,
}

/// What the name of a folder of staged rows begins with; then comes the process.
const FOLDER: &str = "diaflight-ingest-";

/// Deletes the folders of ingests that were killed.
fn remove_leftovers(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let process = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.split_once('.'));
        if process.is_some_and(|(process, _)| has_ended(process, &path))
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            tracing::warn!(path = %path.display(), %error, "the folder of a killed ingest could not be deleted");
        }
    }
}

impl Staging {
    /// Makes the temporary folder.
    pub(crate) fn create(options: &IngestOptions) -> Result<Staging> {
        let parent = options.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        remove_leftovers(&parent);
        let prefix = format!("{FOLDER}{}.", own_name().unwrap_or_default());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent);
        let dir = dir.map_err(|e| Error::from(e).context("making a folder for staged rows"))?;
        Ok(Staging { dir, tables: BTreeMap::new() })
    }

    /// Adds rows: stored columns, then provenance. A batch without rows only adds its columns. A column whose type is not that of earlier
    /// rows is an `Input` error that names it.
    pub(crate) fn push(&mut self, table: Table, batch: &RecordBatch) -> Result<()> {
        check(table, batch)?;
        let count = self.tables.values().map(|table| table.files.len()).sum::<usize>();
        let staged = self.tables.entry(table).or_insert_with(UnfinishedTable::new);
        let known = staged.files.iter().position(|open| open.file.schema == batch.schema());
        if known.is_none() {
            staged.schema = extend(table, &staged.schema, &batch.schema())?;
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let index = match known {
            Some(index) => index,
            None => {
                let path = self.dir.path().join(format!("{}-{count}.arrow", table.name()));
                staged.files.push(UnfinishedFile::create(path, batch.schema())?);
                staged.files.len() - 1
            }
        };
        let open = &mut staged.files[index];
        open.write(batch).map_err(|error| error.context(open.file.path.display()))?;
        staged.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// The columns of each table so far.
    pub(crate) fn columns(&self) -> KnownColumns {
        self.tables.iter().map(|(table, open)| (*table, open.schema.clone())).collect()
    }

    /// Completes the files: the folder, and the rows of every table whose columns are known.
    pub(crate) fn finish(self) -> Result<(TempDir, BTreeMap<Table, StagedRows>)> {
        let mut tables = BTreeMap::new();
        for (table, open) in self.tables {
            let finished = open.files.into_iter().map(UnfinishedFile::finish);
            let finished = finished.collect::<Result<Vec<_>>>()?;
            let row_bytes = finished.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default();
            let files = finished.into_iter().map(|(file, _)| file).collect();
            let UnfinishedTable { schema, rows, .. } = open;
            tables.insert(table, StagedRows { schema, rows, row_bytes, files });
        }
        Ok((self.dir, tables))
    }
}

impl UnfinishedTable {
    fn new() -> Self {
        Self { schema: Schema::empty(), rows: 0, files: Vec::new() }
    }
}

impl UnfinishedFile {
    fn create(path: PathBuf, schema: SchemaRef) -> Result<Self> {
        let options =
            IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let out = File::create(&path).map_err(|e| Error::from(e).context(path.display()))?;
        let writer = FileWriter::try_new_with_options(BufWriter::new(out), &schema, options)?;
        let pending = Gatherer::new(schema.clone());
        Ok(Self { file: StagedFile { path, schema }, pending, row_bytes: 0, writer })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.pending.push(batch.clone())?;
        self.write_full()
    }

    /// The finished file, and the bytes of a row in the batch with the longest rows.
    fn finish(mut self) -> Result<(StagedFile, usize)> {
        self.pending.finish()?;
        self.write_full()?;
        self.writer.finish()?;
        Ok((self.file, self.row_bytes))
    }

    fn write_full(&mut self) -> Result<()> {
        while let Some(full) = self.pending.next_batch() {
            self.row_bytes = self.row_bytes.max(bytes_of(&full)? / full.num_rows().max(1));
            self.writer.write(&full)?;
        }
        Ok(())
    }
}

/// Rows of one schema that are put aside on disk, to be read later.
pub(crate) struct SetAside {
    file: UnfinishedFile,
    rows: u64,
}

impl SetAside {
    /// Begins a file of this name in a folder.
    pub(crate) fn create(dir: &Path, name: &str, schema: SchemaRef) -> Result<Self> {
        Ok(Self {
            file: UnfinishedFile::create(dir.join(format!("{name}.arrow")), schema)?,
            rows: 0,
        })
    }

    /// Adds rows.
    pub(crate) fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        self.file.write(rows).map_err(|error| error.context(self.file.file.path.display()))
    }

    /// Completes the file.
    pub(crate) fn finish(self) -> Result<StagedRows> {
        let (file, row_bytes) = self.file.finish()?;
        let schema = file.schema.as_ref().clone();
        Ok(StagedRows { schema, rows: self.rows, row_bytes, files: vec![file] })
    }
}

/// The staged rows of one table.
#[derive(Debug)]
pub(crate) struct StagedRows {
    /// Columns that hold the rows of every file.
    pub schema: Schema,
    pub rows: u64,
    /// The bytes of a row in the batch with the longest rows.
    pub row_bytes: usize,
    files: Vec<StagedFile>,
}

#[derive(Clone, Debug)]
struct StagedFile {
    path: PathBuf,
    schema: SchemaRef,
}

impl StagedRows {
    /// Reads the rows with the columns of `schema`, in the same order each time, on a thread of its own. Other columns are not decoded.
    pub(crate) fn read(&self, schema: &SchemaRef) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStream::builder(schema.clone(), 1);
        let (files, schema, rows) = (self.files.clone(), schema.clone(), stream.tx());
        stream.spawn_blocking(move || {
            for file in &files {
                file.send(&schema, &rows).map_err(|e| e.context(file.path.display()))?;
            }
            Ok(())
        });
        stream.build()
    }
}

impl StagedFile {
    /// Sends the rows. Ends without an error if the reader stops.
    fn send(
        &self,
        schema: &SchemaRef,
        rows: &Sender<Result<RecordBatch, DataFusionError>>,
    ) -> Result<()> {
        let own = self.schema.fields().iter().enumerate();
        let asked = own.filter(|(_, field)| schema.column_with_name(field.name()).is_some());
        let asked = asked.map(|(index, _)| index).collect();
        for batch in FileReader::try_new_buffered(File::open(&self.path)?, Some(asked))? {
            if rows.blocking_send(Ok(conform(&batch?, schema)?)).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Checks that a batch has the columns that every merge needs.
fn check(table: Table, batch: &RecordBatch) -> Result<()> {
    let missing = |name: &str| {
        Error::internal(format!("rows of table {} staged without their {name}", table.name()))
    };
    for field in provenance::fields(table) {
        let column = batch.column_by_name(field.name());
        if column.is_none_or(|column| column.data_type() != field.data_type()) {
            return Err(missing(field.name()));
        }
    }
    let ids = batch.column_by_name(table.id_column());
    let ids = ids.filter(|ids| ids.data_type() == &DataType::Int64 && ids.null_count() == 0);
    ids.map(drop).ok_or_else(|| missing(table.id_column()))
}
