//! Objects that a search by place has found, and the rows of their newest sources: some at a time, in the order in which they were found.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};

use super::near::of_objects;
use super::newest_sources::{NewestSource, longs, places};
use super::prepared_tables::PreparedTables;
use super::{Answer, Columns, Engine, Query, Rows, Versions};
use crate::error::{Error, Result};
use crate::scan::row_bytes;
use crate::schema::{
    CREDIBLE_LEVEL, ComputedColumn, EVENT_TIME, Family, KEY, OF_A_CIRCLE, OF_A_CROSSMATCH,
    OF_A_REGION, PLACE, SEPARATION, Table,
};

/// Rows that go out together, and at least so many are read together.
const ROWS_AT_ONCE: usize = 1024;
/// So many bytes of rows are put in order in memory. Objects that are near each other lie all over the tables, so each part of them is read
/// from as many pages as all of them.
const BYTES_AT_ONCE: usize = 8 << 20;
/// At most so many rows are.
const MOST_AT_ONCE: usize = 1 << 17;

/// An object near a place, or in a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundObject {
    /// The number of the place, from 0.
    pub place: u32,
    /// Its `diaObjectId`.
    pub id: i64,
    /// How far its newest source is from the place in degrees; in a region, the credible level there, NaN where it has none.
    pub rank: f64,
}

impl FoundObject {
    /// Of two objects the nearer comes first, and of two that are as near the one with the smaller id.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.total_cmp(&other.rank).then(self.id.cmp(&other.id))
    }
}

/// Where objects are looked for. The columns of the answer say it of each.
#[derive(Clone, Debug)]
pub enum SearchedIn {
    /// A circle.
    Circle,
    /// Near places with these names.
    Places(Arc<[String]>),
    /// A region; with the time of its event, MJD in TAI.
    Region(Option<f64>),
}

impl SearchedIn {
    /// The columns before those of the rows, and those after them.
    pub fn columns(&self) -> [&'static [ComputedColumn]; 2] {
        match self {
            Self::Circle => [&[], &OF_A_CIRCLE],
            Self::Places(_) => [&OF_A_CROSSMATCH, &OF_A_CIRCLE],
            Self::Region(_) => [&[], &OF_A_REGION],
        }
    }

    /// One of these columns, of some objects; `None` for another name.
    fn column(&self, name: &str, objects: &[FoundObject]) -> Option<ArrayRef> {
        let ranks = || objects.iter().map(|object| Some(object.rank));
        let column: Float64Array = match (name, self) {
            (PLACE, Self::Places(names)) => {
                let name = |object: &FoundObject| names.get(object.place as usize);
                let names = objects.iter().map(name);
                return Some(Arc::new(names.collect::<StringArray>()));
            }
            (SEPARATION, _) => ranks().collect(),
            (CREDIBLE_LEVEL, _) => ranks().map(|level| level.filter(|it| !it.is_nan())).collect(),
            (EVENT_TIME, Self::Region(time)) => objects.iter().map(|_| *time).collect(),
            _ => return None,
        };
        Some(Arc::new(column))
    }
}

/// What a search found, and the snapshots that it was found in.
pub struct FoundObjects {
    /// The objects to answer with, in the order of the answer.
    pub objects: Vec<FoundObject>,
    /// How many there are in all.
    pub total: usize,
    pub(super) searched_in: SearchedIn,
    pub(super) columns: Columns,
    pub(super) tables: Arc<PreparedTables>,
    /// Their rows and perhaps some others, where these were read to find them.
    pub(super) rows: Option<Answer>,
}

impl FoundObjects {
    /// What a search found, in any order.
    pub(super) fn new(
        objects: Vec<FoundObject>,
        searched_in: SearchedIn,
        tables: Arc<PreparedTables>,
        columns: Columns,
    ) -> Self {
        let total = objects.len();
        Self { objects, total, searched_in, columns, tables, rows: None }
    }

    /// The same with the first so many of them alone, in order.
    pub(super) fn first(mut self, most: usize) -> Self {
        self.objects.sort_unstable_by(FoundObject::order);
        self.objects.truncate(most);
        self
    }

    /// How many places have objects near them. Those of a place follow each other.
    pub fn matched(&self) -> usize {
        self.objects.chunk_by(|one, other| one.place == other.place).count()
    }

    /// The versions that they were found in.
    pub fn versions(&self) -> Versions {
        self.tables.versions()
    }
}

impl Engine {
    /// The columns of an answer when none is named, and those that the server computes.
    pub async fn found_schemas(&self, searched_in: &SearchedIn) -> Result<(SchemaRef, SchemaRef)> {
        let tables = self.beside(Table::Objects, None, None).await?;
        let columns = tables.planner().columns();
        let with = |columns: SchemaRef| schema(&columns, None, searched_in);
        Ok((with(columns.schema()), with(columns.computed())))
    }

    /// The newest sources of what was found, a row each, with what their objects say besides.
    pub async fn newest_sources(&self, found: FoundObjects) -> Result<Answer> {
        let FoundObjects { objects, searched_in, columns, tables, rows, .. } = found;
        let (asked, left_out) = with_key(columns, &searched_in);
        let (first, others) = objects.split_at(objects.len().min(ROWS_AT_ONCE));
        let answer = match rows {
            Some(rows) => rows,
            None => self.run_on(&tables, &of_newest(first, &asked)).await?,
        };
        let is_large = answer.is_large || !others.is_empty();
        let at_once = BYTES_AT_ONCE / row_bytes(&answer.schema);
        let parts = others.chunks(at_once.clamp(ROWS_AT_ONCE, MOST_AT_ONCE));
        let (first, parts) = (first.to_vec(), parts.map(<[_]>::to_vec).collect::<Vec<_>>());
        let schema = schema(&answer.schema, left_out.as_deref(), &searched_in);
        let engine = self.clone();
        let rows = FoundRows { engine, tables, asked, searched_in, schema: schema.clone() };
        let rest = rows.clone();
        let rest = stream::iter(parts).then(move |part| rest.clone().of(part));
        let rows = stream::once(rows.in_order(first, answer.rows)).chain(rest);
        let rows = rows.map_ok(|part| stream::iter(pieces(part).map(Ok::<_, Error>))).try_flatten();
        let rows =
            RecordBatchStreamAdapter::new(schema.clone(), rows.map_err(DataFusionError::from));
        Ok(Answer { schema, is_large, rows: Box::pin(rows), ..answer })
    }
}

impl Engine {
    /// The newest sources of some objects, with their rows; `None` where that is no small lookup, or the columns do not tell the places.
    pub(super) async fn newest_rows_if_small(
        &self,
        tables: &PreparedTables,
        ids: Vec<i64>,
        columns: &Columns,
    ) -> Result<Option<(Vec<NewestSource>, Answer)>> {
        let (columns, _) = with_key(columns.clone(), &SearchedIn::Circle);
        let query =
            Query { rows: Rows::NewestSources, columns, ..of_objects(Table::Sources, ids, &[]) };
        let answer = self.run_on(tables, &query).await?;
        let column = |name: &str| answer.schema.index_of(&served(name)).ok();
        let columns = column(KEY).zip(column("ra")).zip(column("dec"));
        let Some(((id, ra), dec)) = columns.filter(|_| !answer.is_large) else { return Ok(None) };
        let (mut newest, schema) = (Vec::new(), answer.schema.clone());
        let batches: Vec<_> = answer.rows.try_collect().await?;
        for rows in &batches {
            for (id, place) in longs(rows, id)?.iter().zip(places(rows, [ra, dec])?) {
                let (Some(id), Some(place)) = (id, place) else { continue };
                let (first_mjd, last_mjd) = (f64::NAN, f64::NAN);
                newest.push(NewestSource { id, place, first_mjd, last_mjd });
            }
        }
        let rows = RecordBatchStreamAdapter::new(schema, stream::iter(batches.into_iter().map(Ok)));
        Ok(Some((newest, Answer { rows: Box::pin(rows), ..answer })))
    }
}

/// The name that a column of Rubin's is asked by.
fn served(name: &str) -> String {
    format!("{}:{name}", Family::Rubin.prefix())
}

/// The columns that are read: without those that the search says itself, and with the key, by which the rows are put in order; and the name
/// of the key where it was not asked for.
fn with_key(mut asked: Columns, searched_in: &SearchedIn) -> (Columns, Option<String>) {
    let key = served(KEY);
    let Columns::Named(named) = &mut asked else { return (asked, None) };
    let own = searched_in.columns().concat();
    named.retain(|name| !own.iter().any(|column| column.is_served_as(name)));
    if named.contains(&key) {
        return (asked, None);
    }
    named.push(key.clone());
    (asked, Some(key))
}

/// The rows of a part, some at a time.
fn pieces(part: RecordBatch) -> impl Iterator<Item = RecordBatch> {
    let starts = (0..part.num_rows()).step_by(ROWS_AT_ONCE);
    starts.map(move |start| part.slice(start, ROWS_AT_ONCE.min(part.num_rows() - start)))
}

/// What the rows are made of.
#[derive(Clone)]
struct FoundRows {
    engine: Engine,
    tables: Arc<PreparedTables>,
    asked: Columns,
    searched_in: SearchedIn,
    schema: SchemaRef,
}

impl FoundRows {
    /// The rows of some objects, in their order.
    async fn of(self, objects: Vec<FoundObject>) -> Result<RecordBatch> {
        let answer = self.engine.run_on(&self.tables, &of_newest(&objects, &self.asked)).await?;
        self.in_order(objects, answer.rows).await
    }

    /// The rows in the order of their objects.
    async fn in_order(
        self,
        objects: Vec<FoundObject>,
        rows: SendableRecordBatchStream,
    ) -> Result<RecordBatch> {
        let schema = rows.schema();
        let rows = concat_batches(&schema, &rows.try_collect::<Vec<_>>().await?)?;
        let ids = longs(&rows, schema.index_of(&served(KEY))?)?;
        let at: HashMap<_, _> = ids.iter().flatten().zip(0u64..).collect();
        let order = objects.iter().map(|object| {
            let row = at.get(&object.id).copied();
            row.ok_or_else(|| {
                Error::internal(format!("object {} was found and has no row", object.id))
            })
        });
        let order = UInt64Array::from(order.collect::<Result<Vec<_>>>()?);
        let rows = take_record_batch(&rows, &order)?;
        let column = |field: &Arc<Field>| -> Result<ArrayRef> {
            match self.searched_in.column(field.name(), &objects) {
                Some(column) => Ok(column),
                None => Ok(rows.column(schema.index_of(field.name())?).clone()),
            }
        };
        let columns = self.schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// The columns of the answer.
fn schema(rows: &Schema, left_out: Option<&str>, searched_in: &SearchedIn) -> SchemaRef {
    let [first, last] = searched_in.columns();
    let own = rows.fields().iter().filter(|field| Some(field.name().as_str()) != left_out);
    let said = |column: &ComputedColumn| Arc::new(column.documented());
    let fields = first.iter().map(said).chain(own.cloned()).chain(last.iter().map(said));
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), rows.metadata().clone()))
}

fn of_newest(objects: &[FoundObject], columns: &Columns) -> Query {
    let mut ids: Vec<_> = objects.iter().map(|object| object.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let (rows, columns) = (Rows::NewestSources, columns.clone());
    Query { rows, columns, ..of_objects(Table::Sources, ids, &[]) }
}
