//! Objects that a search by place has found, and the rows of their newest sources: some at a time, in the order in which they were found.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
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
use crate::schema::{DESCRIPTION, Family, KEY, PLACE, SEPARATION, Table, UCD};

/// Rows that go out together, and at least so many are read together.
const ROWS_AT_ONCE: usize = 1024;
/// So many bytes of rows are put in order in memory. Objects that are near each other lie all over the tables, so each part of them is read
/// from as many pages as all of them.
const BYTES_AT_ONCE: usize = 8 << 20;
/// At most so many rows are.
const MOST_AT_ONCE: usize = 1 << 16;

/// An object near a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundObject {
    /// The number of the place, from 0.
    pub place: u32,
    /// Its `diaObjectId`.
    pub id: i64,
    /// How far its newest source is from the place.
    pub separation_deg: f64,
}

impl FoundObject {
    /// Of two objects near a place the nearer comes first, and of two that are as near the one with the smaller id.
    pub(super) fn distance_order(&self, other: &Self) -> std::cmp::Ordering {
        self.separation_deg.total_cmp(&other.separation_deg).then(self.id.cmp(&other.id))
    }
}

/// What a search found, and the snapshots that it was found in.
pub struct FoundObjects {
    /// The objects to answer with, in the order of the answer.
    pub objects: Vec<FoundObject>,
    /// How many there are in all.
    pub total: usize,
    /// What the places are called, where rows say it.
    pub(super) names: Option<Arc<[String]>>,
    pub(super) columns: Columns,
    pub(super) tables: Arc<PreparedTables>,
    /// Their rows and perhaps some others, where these were read to find them.
    pub(super) rows: Option<Answer>,
}

impl FoundObjects {
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
    /// The newest sources of what was found, a row each, with what their objects say besides.
    pub async fn newest_sources(&self, found: FoundObjects) -> Result<Answer> {
        let FoundObjects { objects, names, columns, tables, rows, .. } = found;
        let (asked, left_out) = with_key(columns);
        let (first, others) = objects.split_at(objects.len().min(ROWS_AT_ONCE));
        let answer = match rows {
            Some(rows) => rows,
            None => self.run_on(&tables, &of_newest(first, &asked)).await?,
        };
        let is_large = answer.is_large || !others.is_empty();
        let at_once = BYTES_AT_ONCE / row_bytes(&answer.schema);
        let parts = others.chunks(at_once.clamp(ROWS_AT_ONCE, MOST_AT_ONCE));
        let (first, parts) = (first.to_vec(), parts.map(<[_]>::to_vec).collect::<Vec<_>>());
        let schema = schema(&answer.schema, left_out.as_deref(), names.is_some());
        let rows = FoundRows { engine: self.clone(), tables, asked, names, schema: schema.clone() };
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
        let (columns, _) = with_key(columns.clone());
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

/// The columns with the key, by which the rows are put in order, and its name where it was not asked for.
fn with_key(mut asked: Columns) -> (Columns, Option<String>) {
    let key = served(KEY);
    match &mut asked {
        Columns::Named(named) if !named.contains(&key) => {
            named.push(key.clone());
            (asked, Some(key))
        }
        _ => (asked, None),
    }
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
    names: Option<Arc<[String]>>,
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
            Ok(match field.name().as_str() {
                PLACE => Arc::new(StringArray::from_iter(self.names_of(&objects))),
                SEPARATION => {
                    let separations = objects.iter().map(|object| object.separation_deg);
                    Arc::new(Float64Array::from_iter_values(separations))
                }
                name => rows.column(schema.index_of(name)?).clone(),
            })
        };
        let columns = self.schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn names_of(&self, objects: &[FoundObject]) -> impl Iterator<Item = Option<&str>> {
        let names = self.names.as_deref().unwrap_or_default();
        objects.iter().map(|object| names.get(object.place as usize).map(String::as_str))
    }
}

/// The columns of the answer: first the name of the place, where rows say it.
fn schema(rows: &Schema, left_out: Option<&str>, with_place: bool) -> SchemaRef {
    let place = with_place.then(|| {
        let about = [(UCD, "meta.id"), (DESCRIPTION, "Name of the place, or its number from 0.")];
        let about = about.map(|(key, value)| (key.to_string(), value.to_string()));
        Arc::new(Field::new(PLACE, DataType::Utf8, true).with_metadata(about.into()))
    });
    let own = rows.fields().iter().filter(|field| Some(field.name().as_str()) != left_out);
    let fields: Vec<_> = place.into_iter().chain(own.cloned()).collect();
    Arc::new(Schema::new_with_metadata(fields, rows.metadata().clone()))
}

fn of_newest(objects: &[FoundObject], columns: &Columns) -> Query {
    let mut ids: Vec<_> = objects.iter().map(|object| object.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let (rows, columns) = (Rows::NewestSources, columns.clone());
    Query { rows, columns, ..of_objects(Table::Sources, ids, &[]) }
}
