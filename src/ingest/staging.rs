//! Stages flat rows of the three tables between reading packets and writing tables. Rows come in any order and of any schema;
//! [`StagedRows`] read them back as often as needed, in one fixed order, or once in the order of their table.
//!
//! Rows of one table and schema are gathered in memory. When there is no more of it, the most that is gathered becomes a [`Run`] on disk,
//! in a temporary folder that goes away with it; what is left in the end becomes runs in memory.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use tempfile::TempDir;

use super::IngestOptions;
use super::evolution::{KnownColumns, extend};
use super::gathered::GatheredRows;
use super::precedence::ranked_by;
use super::repeats::Repeats;
use super::run::{BatchLimit, Run};
use super::staged::StagedRows;
use crate::error::{Error, Result};
use crate::process::{has_ended, own_name};
use crate::schema::{KEY, Table, provenance};

/// The most memory that is of use for staged rows.
const MOST_BYTES: usize = 1 << 30;
/// The most bytes that are gathered, however much memory there is: with more, the kernel clears pages for longer than it takes to write runs
/// and read them.
const MOST_GATHERED_BYTES: usize = 64 << 20;

/// Collects the rows of one ingest.
pub(crate) struct Staging {
    dir: TempDir,
    /// The memory for staged rows.
    memory_bytes: usize,
    runs: usize,
    tables: BTreeMap<Table, UnfinishedTable>,
}

struct UnfinishedTable {
    schema: Schema,
    rows: u64,
    row_bytes: usize,
    runs: Vec<Run>,
    /// Rows by their schema, of those that were met so far.
    gathered: Vec<GatheredRows>,
    repeats: Repeats,
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
    /// Makes the temporary folder. A quarter of the memory is for rows.
    pub(crate) fn create(options: &IngestOptions) -> Result<Staging> {
        let parent = options.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        remove_leftovers(&parent);
        let prefix = format!("{FOLDER}{}.", own_name().unwrap_or_default());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent);
        let dir = dir.map_err(|e| Error::from(e).context("making a folder for staged rows"))?;
        let memory_bytes = (options.memory_bytes / 4).min(MOST_BYTES);
        Ok(Staging { dir, memory_bytes, runs: 0, tables: BTreeMap::new() })
    }

    /// Adds rows: stored columns, then provenance. A batch without rows only adds its columns. A column whose type is not that of earlier
    /// rows is an `Input` error that names it.
    pub(crate) fn push(&mut self, table: Table, batch: &RecordBatch) -> Result<()> {
        check(table, batch)?;
        let staged =
            self.tables.entry(table).or_insert_with(|| UnfinishedTable::new(self.memory_bytes));
        let known = staged.gathered.iter().position(|rows| rows.schema == batch.schema());
        let at = match known {
            Some(at) => at,
            None => {
                staged.schema = extend(table, &staged.schema, &batch.schema())?;
                staged.gathered.push(GatheredRows::new(batch.schema()));
                staged.gathered.len() - 1
            }
        };
        staged.gathered[at].push(table, batch)?;
        staged.rows += batch.num_rows() as u64;
        while self.gathered_bytes() > self.memory_bytes.min(MOST_GATHERED_BYTES) {
            self.spill()?;
        }
        Ok(())
    }

    fn gathered_bytes(&self) -> usize {
        self.tables.values().flat_map(|open| &open.gathered).map(|rows| rows.bytes).sum()
    }

    /// Writes the most rows of one schema to disk.
    fn spill(&mut self) -> Result<()> {
        let most = |open: &UnfinishedTable| {
            open.gathered.iter().enumerate().map(|(at, rows)| (rows.bytes, at)).max()
        };
        let most =
            self.tables.iter_mut().filter_map(|(table, open)| Some((most(open)?, *table, open)));
        let Some(((_, at), table, open)) = most.max_by_key(|(most, ..)| *most) else {
            return Ok(());
        };
        let path = self.dir.path().join(format!("{}-{}.arrow", table.name(), self.runs));
        self.runs += 1;
        if let Some(run) = open.run(table, at)? {
            let limit = BatchLimit::new(open.row_bytes, self.memory_bytes);
            // To find copies, these columns alone are read.
            let ranked_by = ranked_by(table, &open.schema);
            open.runs.push(run.on_disk(&path, &ranked_by, limit)?);
        }
        Ok(())
    }

    /// The columns of each table so far.
    pub(crate) fn columns(&self) -> KnownColumns {
        self.tables.iter().map(|(table, open)| (*table, open.schema.clone())).collect()
    }

    /// The folder, and the rows of every table whose columns are known.
    pub(crate) fn finish(self) -> Result<(TempDir, BTreeMap<Table, StagedRows>)> {
        let mut tables = BTreeMap::new();
        for (table, mut open) in self.tables {
            for at in 0..open.gathered.len() {
                let run = open.run(table, at)?;
                open.runs.extend(run);
            }
            let UnfinishedTable { schema, rows, row_bytes, runs, repeats, .. } = open;
            let memory_bytes = self.memory_bytes;
            tables
                .insert(table, StagedRows { schema, rows, row_bytes, runs, repeats, memory_bytes });
        }
        Ok((self.dir, tables))
    }
}

impl UnfinishedTable {
    fn new(memory_bytes: usize) -> Self {
        Self {
            schema: Schema::empty(),
            rows: 0,
            row_bytes: 0,
            runs: Vec::new(),
            gathered: Vec::new(),
            repeats: Repeats::new(memory_bytes / 16),
        }
    }

    /// The gathered rows of one schema, which are none then.
    fn run(&mut self, table: Table, at: usize) -> Result<Option<Run>> {
        let rows = self.gathered[at].take();
        if rows.batches.is_empty() {
            return Ok(None);
        }
        self.row_bytes = self.row_bytes.max(rows.row_bytes);
        let run = rows.sorted(table, &mut self.repeats)?;
        Ok(Some(run))
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
    for name in [KEY, table.id_column()] {
        let ids = batch.column_by_name(name);
        let ids = ids.filter(|ids| ids.data_type() == &DataType::Int64 && ids.null_count() == 0);
        ids.ok_or_else(|| missing(name))?;
    }
    Ok(())
}
