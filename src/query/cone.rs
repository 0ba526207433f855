//! The objects in a circle on the sky, by the place of their newest source: which they are, how many, and the nearest of them as a query.
//!
//! The sources in the circle tell which objects may be in it: the newest source of an object is one of them, or the object is not. The table
//! of places knows these objects; where it does not cover all files, or the circle is large, sources are looked at themselves. Then
//! the light curves of these objects alone are read, in four columns, to know the newest source of each. The answer is a query of the objects
//! that are left, so it is made as any other, in any format. All of it is read from the same two snapshots.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;

use super::circle::{ActiveTime, Circle};
use super::newest_in_circle::{InCircle, NewestInCircle, doubles, longs};
use super::places::PlacesIndex;
use super::prepared_tables::PreparedTables;
use super::{Answer, Columns, Engine, ObjectIds, Order, Query, Rows, Versions};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::{AsOf, DataFile, Snapshot};

/// So many objects are looked at in one circle; they take 40 bytes each.
const MOST_OBJECTS: usize = 1 << 20;

/// The time of the first source, as a column of objects.
const FIRST_TIME: &str = "firstDiaSourceMjdTaiFink";

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

    /// Looks for the objects of a search. Errors: `TooLarge` for more than [`MOST_OBJECTS`].
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

    /// The objects that have a source in the circle, ascending, and perhaps some others: those in the table of places, and those of files
    /// that it does not cover.
    async fn candidates(&self, tables: &PreparedTables, circle: Circle) -> Result<Vec<i64>> {
        let places = self.tables.places.current().filter(|_| PlacesIndex::can_find(circle));
        let Some(places) = places else { return self.scanned(tables, circle).await };
        let sources = tables.snapshot();
        let not_covered = |file: &&DataFile| !file.is_in(places.snapshot());
        let files: Vec<_> = sources.files.iter().filter(not_covered).cloned().collect();
        if files.len() == sources.files.len() {
            return self.scanned(tables, circle).await;
        }
        let mut ids = places.objects(circle, MOST_OBJECTS).await?;
        if !files.is_empty() {
            let rest = self.tables.prepare(Snapshot { files, ..(**sources).clone() }).await?;
            ids.extend(self.scanned(&rest, circle).await?);
        }
        ids.sort_unstable();
        ids.dedup();
        not_too_many(&ids)?;
        Ok(ids)
    }

    /// The objects that have a source in the circle, ascending, by a look at all sources.
    async fn scanned(&self, tables: &PreparedTables, circle: Circle) -> Result<Vec<i64>> {
        let query = Query {
            rows: Rows::SourcesWithin(circle),
            ids: ObjectIds::EVERY,
            ..of_objects(Table::Sources, Vec::new(), &["r:diaObjectId"])
        };
        let mut ids = Vec::new();
        let mut answer = self.rows_of(tables, &query).await?;
        while let Some(rows) = answer.rows.try_next().await? {
            for id in longs(&rows, 0)?.iter().flatten() {
                // Sources of an object follow each other.
                if ids.last() != Some(&id) {
                    ids.push(id);
                }
            }
            not_too_many(&ids)?;
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
        let mut newest = NewestInCircle::new(circle);
        let query = of_objects(Table::Sources, ids, &COLUMNS);
        let mut answer = self.rows_of(tables, &query).await?;
        while let Some(rows) = answer.rows.try_next().await? {
            newest.take(&rows)?;
        }
        Ok(newest.finish())
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

fn not_too_many(ids: &[i64]) -> Result<()> {
    if ids.len() > MOST_OBJECTS {
        let text =
            format!("the circle has more than {MOST_OBJECTS} objects: give a smaller radius");
        return Err(Error::new(Kind::TooLarge, text));
    }
    Ok(())
}

/// A query of the rows of some objects, object after object, the newest first.
fn of_objects(table: Table, ids: Vec<i64>, columns: &[&str]) -> Query {
    let rows = Rows::all(table, Order::ByObject);
    let columns = Columns::Named(columns.iter().map(|name| name.to_string()).collect());
    let ids = ObjectIds::Listed(ids);
    Query { rows, ids, columns, filter: None, limit: None, as_of: None }
}
