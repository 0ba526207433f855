//! A run in Arrow IPC files, each with some of its columns: a file is read whole, whichever of its columns are asked for.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;

use super::{BatchLimit, PlaceOfRun, Run};
use crate::error::{Error, Result};
use crate::ingest::merge::SortedBatches;
use crate::warehouse::Gatherer;

/// The files of a run.
#[derive(Clone, Debug)]
pub(super) struct RunFiles(Vec<RunFile>);

#[derive(Clone, Debug)]
struct RunFile {
    path: PathBuf,
    schema: SchemaRef,
}

impl RunFiles {
    /// All rows; `asked` gives the indices of the columns that are asked for of those of a file.
    pub(super) fn batches(&self, asked: impl Fn(&Schema) -> Vec<usize>) -> Result<SortedBatches> {
        let parts = self.0.iter().map(|part| (part, asked(&part.schema)));
        let parts = parts.filter(|(_, asked)| !asked.is_empty());
        let open = |(part, asked): (&RunFile, _)| -> Result<_> {
            Ok(FileReader::try_new_buffered(File::open(&part.path)?, Some(asked))?)
        };
        let mut parts = parts.map(open).collect::<Result<Vec<_>>>()?;
        Ok(Box::new(std::iter::from_fn(move || beside_each_other(&mut parts).transpose())))
    }

    /// An error in reading them.
    pub(super) fn of(&self, error: Error) -> Error {
        match self.0.first() {
            Some(part) => error.context(part.path.display()),
            None => error,
        }
    }
}

/// The next batch of each part as one; `None` after the last.
fn beside_each_other(parts: &mut [FileReader<BufReader<File>>]) -> Result<Option<RecordBatch>> {
    let batches = parts.iter_mut().filter_map(Iterator::next).collect::<Result<Vec<_>, _>>()?;
    if batches.is_empty() {
        return Ok(None);
    }
    if batches.len() < parts.len() {
        return Err(Error::internal("a part of a run has less rows than another"));
    }
    let schemas = batches.iter().map(|batch| batch.schema_ref().as_ref().clone());
    let schema = Arc::new(Schema::try_merge(schemas)?);
    let columns = batches.iter().flat_map(|batch| batch.columns().iter().cloned());
    Ok(Some(RecordBatch::try_new(schema, columns.collect())?))
}

/// A run on disk that is being written, in full batches.
pub(in crate::ingest) struct RunWriter {
    schema: SchemaRef,
    rows: usize,
    gathered: Gatherer,
    parts: Vec<PartWriter>,
}

struct PartWriter {
    part: RunFile,
    columns: Vec<usize>,
    file: FileWriter<BufWriter<File>>,
}

impl RunWriter {
    pub(in crate::ingest) fn create(
        path: &Path,
        schema: &SchemaRef,
        limit: BatchLimit,
    ) -> Result<Self> {
        Self::in_parts(path, schema, &[(0..schema.fields().len()).collect()], limit)
    }

    /// A run whose columns, given by their indices, are in several files. Those that have none are not made.
    pub(super) fn in_parts(
        path: &Path,
        schema: &SchemaRef,
        parts: &[Vec<usize>],
        limit: BatchLimit,
    ) -> Result<Self> {
        let parts = parts.iter().filter(|columns| !columns.is_empty()).enumerate();
        let begin = |(number, columns): (usize, &Vec<usize>)| -> Result<_> {
            let path = path.with_extension(format!("{number}.arrow"));
            let schema = Arc::new(schema.project(columns)?);
            let out = BufWriter::with_capacity(1 << 20, File::create(&path)?);
            let file = FileWriter::try_new(out, &schema)?;
            Ok(PartWriter { part: RunFile { path, schema }, columns: columns.clone(), file })
        };
        let parts = parts.map(begin).collect::<Result<_>>()?;
        Ok(Self {
            rows: 0,
            gathered: limit.gatherer(schema.clone()),
            schema: schema.clone(),
            parts,
        })
    }

    /// Adds rows.
    pub(in crate::ingest) fn write(&mut self, rows: RecordBatch) -> Result<()> {
        self.rows += rows.num_rows();
        self.gathered.push(rows)?;
        self.write_full()
    }

    /// Completes the files.
    pub(in crate::ingest) fn finish(mut self) -> Result<Run> {
        self.gathered.finish()?;
        self.write_full()?;
        for part in &mut self.parts {
            part.file.finish()?;
        }
        let parts = self.parts.into_iter().map(|part| part.part).collect();
        Ok(Run { schema: self.schema, rows: self.rows, place: PlaceOfRun::Disk(RunFiles(parts)) })
    }

    fn write_full(&mut self) -> Result<()> {
        while let Some(full) = self.gathered.next_batch() {
            for PartWriter { part, columns, file } in &mut self.parts {
                let written = full.project(columns).and_then(|rows| file.write(&rows));
                written.map_err(|error| Error::from(error).context(part.path.display()))?;
            }
        }
        Ok(())
    }
}
