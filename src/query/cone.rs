//! The objects in a circle on the sky, by the place of their newest source: which they are, how many, and the nearest of them as a query.
//!
//! All sources in the circle tell which objects may be in it: the newest source of an object is one of them, or the object is not. Then
//! the light curves of these objects alone are read, in four columns, to know the newest source of each. The answer is a query of the objects
//! that are left, so it is made as any other, in any format. All of it is read from the same two snapshots.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;

use super::prepared_tables::PreparedTables;
use super::{Answer, Columns, Engine, ObjectIds, Order, Query, Rows, Versions};
use crate::astronomy::separation_deg;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::AsOf;

/// So many objects are looked at in one circle; they take 40 bytes each.
const MOST_OBJECTS: usize = 1 << 20;

/// The time of the first source, as a column of objects.
const FIRST_TIME: &str = "firstDiaSourceMjdTaiFink";

/// A circle on the sky (ICRS). What is on its rim is within it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    /// Right ascension of the centre, any finite number of degrees.
    pub ra_deg: f64,
    /// Declination of the centre, -90 to 90 degrees.
    pub dec_deg: f64,
    /// Radius in degrees.
    pub radius_deg: f64,
}

impl Circle {
    /// A circle that holds nothing.
    pub(super) const NOWHERE: Self = Self { ra_deg: 0.0, dec_deg: 0.0, radius_deg: -1.0 };

    /// How far a place is from the centre, if that is within the circle.
    fn separation_deg(&self, ra_deg: f64, dec_deg: f64) -> Option<f64> {
        let separation = separation_deg([self.ra_deg, self.dec_deg], [ra_deg, dec_deg]);
        separation.filter(|separation| *separation <= self.radius_deg)
    }
}

impl Hash for Circle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        [self.ra_deg, self.dec_deg, self.radius_deg].map(f64::to_bits).hash(state);
    }
}

/// When objects have varied: between the time of their first source and that of their newest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActiveTime {
    /// MJD in TAI.
    pub from_mjd: f64,
    /// MJD in TAI.
    pub to_mjd: f64,
    /// What of an object lies between the two.
    pub kind: TimeKind,
}

impl Hash for ActiveTime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.from_mjd.to_bits(), self.to_mjd.to_bits(), self.kind).hash(state);
    }
}

/// What of an object lies in a range of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeKind {
    /// All of its time.
    Within,
    /// Some of it.
    Across,
}

impl ActiveTime {
    fn holds(&self, first_mjd: f64, last_mjd: f64) -> bool {
        match self.kind {
            TimeKind::Within => first_mjd >= self.from_mjd && last_mjd <= self.to_mjd,
            TimeKind::Across => first_mjd <= self.to_mjd && last_mjd >= self.from_mjd,
        }
    }
}

/// A search in a circle.
#[derive(Clone, Debug)]
pub struct ConeQuery {
    /// Where.
    pub circle: Circle,
    /// When; `None` for any time.
    pub time: Option<ActiveTime>,
    /// At most so many objects, the nearest.
    pub most: usize,
    /// Columns of the newest source of each, of the object, and computed ones.
    pub columns: Columns,
    /// An older version of the sources to answer from; `None` for the newest.
    pub as_of: Option<AsOf>,
    /// The version of the objects, where `as_of` is a version.
    pub objects_version: Option<u64>,
}

/// What was found, and the snapshots that it was found in.
pub struct FoundObjects {
    /// How many objects are in the circle.
    pub total: usize,
    /// The nearest, as a query.
    query: Query,
    tables: Arc<PreparedTables>,
}

impl FoundObjects {
    /// How many of the objects are answered with.
    pub fn answered(&self) -> usize {
        match &self.query.ids {
            ObjectIds::Listed(ids) => ids.len(),
            ObjectIds::Within(_) => 0,
        }
    }

    /// The versions that they were found in.
    pub fn versions(&self) -> Versions {
        self.tables.versions()
    }
}

/// An object in the circle.
struct InCircle {
    separation_deg: f64,
    id: i64,
    first_mjd: f64,
    last_mjd: f64,
}

impl Engine {
    /// The versions that a search would be answered from.
    pub async fn cone_versions(&self, cone: &ConeQuery) -> Result<Versions> {
        Ok(self.cone_tables(cone).await?.versions())
    }

    /// The columns of an answer when none is named, and those that the server computes.
    pub async fn cone_schemas(&self) -> Result<(SchemaRef, SchemaRef)> {
        let tables = self.beside(Table::Objects, None, None).await?;
        let columns = tables.planner().columns();
        Ok((columns.schema(), columns.computed()))
    }

    /// Looks for the objects of a search. It reads the places of all sources. Errors: `TooLarge` for more than [`MOST_OBJECTS`].
    pub async fn find(&self, cone: &ConeQuery) -> Result<FoundObjects> {
        let tables = self.cone_tables(cone).await?;
        let candidates = self.candidates(&tables, cone.circle).await?;
        let mut found = self.newest_within(&tables, cone.circle, candidates).await?;
        if let Some(time) = cone.time {
            self.note_first_times(&tables, &mut found).await?;
            found.retain(|object| time.holds(object.first_mjd, object.last_mjd));
        }
        let total = found.len();
        found.sort_unstable_by(|one, other| {
            one.separation_deg.total_cmp(&other.separation_deg).then(one.id.cmp(&other.id))
        });
        let mut ids: Vec<_> = found.iter().take(cone.most).map(|object| object.id).collect();
        ids.sort_unstable();
        let query = Query {
            rows: Rows::NewestSources(cone.circle),
            columns: cone.columns.clone(),
            ..of_objects(Table::Objects, ids, &[])
        };
        Ok(FoundObjects { total, query, tables })
    }

    /// The nearest of what was found, nearest first.
    pub async fn nearest(&self, found: &FoundObjects) -> Result<Answer> {
        self.run_on(&found.tables, &found.query).await
    }

    async fn cone_tables(&self, cone: &ConeQuery) -> Result<Arc<PreparedTables>> {
        self.beside(Table::Objects, cone.as_of.as_ref(), cone.objects_version).await
    }

    /// The objects that have a source in the circle, ascending.
    async fn candidates(&self, tables: &PreparedTables, circle: Circle) -> Result<Vec<i64>> {
        let query = Query {
            rows: Rows::SourcesWithin(circle),
            ids: ObjectIds::EVERY,
            ..of_objects(Table::Sources, Vec::new(), &["r:diaObjectId"])
        };
        let mut ids = Vec::new();
        let mut answer = self.rows_of(tables, &query).await?;
        while let Some(rows) = answer.rows.try_next().await? {
            ids.extend(longs(&rows, 0)?.iter().flatten());
            // Sources of an object follow each other.
            ids.dedup();
            if ids.len() > MOST_OBJECTS {
                let text = format!(
                    "the circle has more than {MOST_OBJECTS} objects: give a smaller radius"
                );
                return Err(Error::new(Kind::TooLarge, text));
            }
        }
        Ok(ids)
    }

    /// Those of the objects whose newest source is in the circle, in the order of their ids.
    async fn newest_within(
        &self,
        tables: &PreparedTables,
        circle: Circle,
        ids: Vec<i64>,
    ) -> Result<Vec<InCircle>> {
        const COLUMNS: [&str; 4] = ["r:diaObjectId", "r:midpointMjdTai", "r:ra", "r:dec"];
        let mut newest = NewestInCircle { circle, found: Vec::new(), last_id: None };
        let query = of_objects(Table::Sources, ids, &COLUMNS);
        let mut answer = self.rows_of(tables, &query).await?;
        while let Some(rows) = answer.rows.try_next().await? {
            newest.take(&rows)?;
        }
        Ok(newest.found)
    }

    /// The rows of a query of one of the tables, which has its columns.
    async fn rows_of(&self, tables: &PreparedTables, query: &Query) -> Result<Answer> {
        let answer = self.run_on(tables, query).await?;
        match answer.unknown_columns.first() {
            None => Ok(answer),
            Some(missing) => {
                let (table, missing) = (query.table().name(), &missing.name);
                Err(Error::argument(format!(
                    "{table} has no column {missing}, by which places are found"
                )))
            }
        }
    }

    /// Replaces the times of the first sources by what the objects say of them, where they do.
    async fn note_first_times(
        &self,
        tables: &PreparedTables,
        found: &mut [InCircle],
    ) -> Result<()> {
        let [_, objects] = tables.tables() else { return Ok(()) };
        if objects.snapshot().schema.index_of(FIRST_TIME).is_err() {
            return Ok(());
        }
        let ids = found.iter().map(|object| object.id).collect();
        let columns = ["r:diaObjectId", &format!("f:{FIRST_TIME}")];
        let query = of_objects(Table::Objects, ids, &columns);
        let mut answer = self.rows_of(tables, &query).await?;
        while let Some(rows) = answer.rows.try_next().await? {
            let (ids, times) = (longs(&rows, 0)?, doubles(&rows, 1)?);
            for (id, time) in ids.iter().zip(times).filter_map(|(id, time)| id.zip(time)) {
                if let Ok(at) = found.binary_search_by_key(&id, |object| object.id) {
                    found[at].first_mjd = time;
                }
            }
        }
        Ok(())
    }
}

/// A query of the rows of some objects, object after object, the newest first.
fn of_objects(table: Table, ids: Vec<i64>, columns: &[&str]) -> Query {
    let rows = Rows::all(table, Order::ByObject);
    let columns = Columns::Named(columns.iter().map(|name| name.to_string()).collect());
    let ids = ObjectIds::Listed(ids);
    Query { rows, ids, columns, filter: None, limit: None, as_of: None }
}

/// Goes through light curves, object after object, the newest source first.
struct NewestInCircle {
    circle: Circle,
    found: Vec<InCircle>,
    /// The object of the last source.
    last_id: Option<i64>,
}

impl NewestInCircle {
    /// Takes rows of object, time and place.
    fn take(&mut self, rows: &RecordBatch) -> Result<()> {
        let (ids, times) = (longs(rows, 0)?, doubles(rows, 1)?);
        let (ra, dec) = (doubles(rows, 2)?, doubles(rows, 3)?);
        for (row, id) in ids.iter().enumerate() {
            let time = times.is_valid(row).then(|| times.value(row));
            if id == self.last_id {
                if let (Some(object), Some(time)) = (self.found.last_mut(), time)
                    && Some(object.id) == id
                {
                    object.first_mjd = object.first_mjd.min(time);
                }
                continue;
            }
            self.last_id = id;
            // What has no place is not within: NaN is no place.
            let place = ra.is_valid(row) && dec.is_valid(row);
            let separation =
                place.then(|| self.circle.separation_deg(ra.value(row), dec.value(row)));
            if let (Some(id), Some(separation_deg)) = (id, separation.flatten()) {
                let mjd = time.unwrap_or(f64::NAN);
                self.found.push(InCircle { separation_deg, id, first_mjd: mjd, last_mjd: mjd });
            }
        }
        Ok(())
    }
}

fn longs(rows: &RecordBatch, column: usize) -> Result<&Int64Array> {
    rows.column(column).as_primitive_opt().ok_or_else(|| unlike(rows, column, "int64"))
}

fn doubles(rows: &RecordBatch, column: usize) -> Result<&Float64Array> {
    rows.column(column).as_primitive_opt().ok_or_else(|| unlike(rows, column, "float64"))
}

/// The error of a column of a table of others that has another type than ours.
fn unlike(rows: &RecordBatch, column: usize, expected: &str) -> Error {
    let (schema, found) = (rows.schema(), rows.column(column).data_type());
    let name = schema.field(column).name();
    Error::argument(format!(
        "{name} is {found}, and {expected} is expected where places are looked for"
    ))
}
