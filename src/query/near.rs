//! Which objects may be near a place, or near one of many, and the newest source of each: what the searches by place have in common. All of
//! it is read from the same two snapshots.

use futures::TryStreamExt;

use super::circle::{ActiveTime, Circle};
use super::newest_sources::{NewestSource, NewestSources, doubles, longs, places};
use super::place_grid::PlaceGrid;
use super::prepared_tables::PreparedTables;
use super::{Answer, Columns, Engine, ObjectIds, Order, Query, Rows};
use crate::astronomy::CELL_ORDER;
use crate::error::{Error, Kind, Result};
use crate::region::Region;
use crate::scan::{MOST_CELLS, places_cells};
use crate::schema::Table;
use crate::warehouse::{DataFile, Snapshot};

/// So many objects are looked at together; they take 40 bytes each.
const MOST_OBJECTS: usize = 1 << 20;

/// So many are looked at on a serving thread.
const FEW_OBJECTS: usize = 256;

/// The time of so many is looked up together.
const TIMED_AT_ONCE: usize = 1 << 16;

/// The time of the first source, as a column of objects.
const FIRST_TIME: &str = "firstDiaSourceMjdTaiFink";

/// Where objects are looked for.
#[derive(Clone, Copy)]
pub(super) enum Near<'a> {
    /// In a circle.
    Circle(Circle),
    /// In circles around many places.
    Places(&'a PlaceGrid),
    /// In a region, which may be much of the sky.
    Region(&'a Region),
}

impl Near<'_> {
    /// The cells that it touches, ascending; `None` where their list would take more than it spares.
    fn cells(&self) -> Option<Vec<i64>> {
        match self {
            Near::Circle(circle) => {
                places_cells([circle.ra_deg, circle.dec_deg], circle.radius_deg)
            }
            Near::Places(grid) => Some(grid.cells()),
            Near::Region(region) => region.cells(CELL_ORDER, MOST_CELLS),
        }
    }

    /// Whether a source at a place may be near. It is, in a circle or a region.
    fn may_have(&self, place: [f64; 2]) -> bool {
        match self {
            Near::Circle(circle) => circle.separation_deg(place).is_some(),
            Near::Places(grid) => grid.may_be_near(place),
            Near::Region(region) => region.level(place).is_some(),
        }
    }

    /// The sources that have to be looked at where places are not known.
    fn sources(&self) -> Rows {
        match self {
            Near::Circle(circle) => Rows::SourcesWithin(*circle),
            Near::Places(_) | Near::Region(_) => Rows::all(Table::Sources, Order::ByObject),
        }
    }
}

impl Engine {
    /// The objects whose newest source may be near, and that have varied at a time, in the order of their ids. Errors: `TooLarge` for more
    /// than [`MOST_OBJECTS`].
    pub(super) async fn newest_near(
        &self,
        tables: &PreparedTables,
        near: Near<'_>,
        time: Option<ActiveTime>,
    ) -> Result<Vec<NewestSource>> {
        let ids = self.candidates(tables, near).await?;
        let light_curves = self.light_curves(tables, ids).await?;
        self.newest_of(tables, light_curves, near, time).await
    }

    /// The objects that may be in a circle, ascending, where they are few; `None` where they are not, or not known before much is read.
    pub(super) async fn few_candidates(
        &self,
        tables: &PreparedTables,
        circle: Circle,
    ) -> Result<Option<Vec<i64>>> {
        let (Some(places), true) = (self.tables.shared.places.current(), circle.is_small()) else {
            return Ok(None);
        };
        if !places.have_all(tables.snapshot()) {
            return Ok(None);
        }
        let cells = Near::Circle(circle).cells().unwrap_or_default();
        let ids = places.objects(cells, FEW_OBJECTS).await?;
        Ok((ids.len() <= FEW_OBJECTS).then_some(ids))
    }

    /// The newest sources of some objects, where they are in a circle, and the object has varied at a time; `None` where that is no small
    /// lookup.
    pub(super) async fn newest_if_small(
        &self,
        tables: &PreparedTables,
        circle: Circle,
        time: ActiveTime,
        ids: Vec<i64>,
    ) -> Result<Option<Vec<NewestSource>>> {
        let light_curves = self.light_curves(tables, ObjectIds::Listed(ids)).await?;
        if light_curves.is_large {
            return Ok(None);
        }
        self.newest_of(tables, light_curves, Near::Circle(circle), Some(time)).await.map(Some)
    }

    /// The times and places of the sources of objects, object after object, the newest first.
    async fn light_curves(&self, tables: &PreparedTables, ids: ObjectIds) -> Result<Answer> {
        const COLUMNS: [&str; 4] = ["r:diaObjectId", "r:midpointMjdTai", "r:ra", "r:dec"];
        let query = Query { ids, ..of_objects(Table::Sources, Vec::new(), &COLUMNS) };
        self.rows_of(tables, &query).await
    }

    /// The newest source of each of the light curves, where it may be near, and the object has varied at a time.
    async fn newest_of(
        &self,
        tables: &PreparedTables,
        mut light_curves: Answer,
        near: Near<'_>,
        time: Option<ActiveTime>,
    ) -> Result<Vec<NewestSource>> {
        let mut sources = NewestSources::new(|place| near.may_have(place));
        let mut newest = Vec::new();
        while let Some(rows) = light_curves.rows.try_next().await? {
            sources.take(&rows)?;
            if sources.found() >= TIMED_AT_ONCE {
                newest.extend(self.at_time(tables, sources.take_found(), time).await?);
                not_too_many(newest.len())?;
            }
        }
        newest.extend(self.at_time(tables, sources.finish(), time).await?);
        not_too_many(newest.len())?;
        Ok(newest)
    }

    /// The objects that have a source near, ascending, and perhaps some others: those in the table of places, and those of files that it
    /// does not cover. The newest source of an object is one of its sources that are near, or the object is not.
    async fn candidates(&self, tables: &PreparedTables, near: Near<'_>) -> Result<ObjectIds> {
        let sources = tables.snapshot();
        let places = self.tables.shared.places.current();
        let (Some(places), Some(cells)) = (places, near.cells()) else {
            return self.unknown(tables, near).await;
        };
        let not_covered = |file: &&DataFile| !file.is_in(places.snapshot());
        let files: Vec<_> = sources.files.iter().filter(not_covered).cloned().collect();
        if files.len() == sources.files.len() {
            return self.unknown(tables, near).await;
        }
        let mut ids = places.objects(cells, MOST_OBJECTS).await?;
        if !files.is_empty() {
            let rest = self.tables.prepare(Snapshot { files, ..(**sources).clone() }).await?;
            ids.extend(self.scanned(&rest, near).await?);
            ids.sort_unstable();
            ids.dedup();
        }
        not_too_many(ids.len())?;
        Ok(ObjectIds::Listed(ids))
    }

    /// The same where no places are known. A region may be large, so the light curves of all objects are read once instead.
    async fn unknown(&self, tables: &PreparedTables, near: Near<'_>) -> Result<ObjectIds> {
        match near {
            Near::Region(_) => Ok(ObjectIds::EVERY),
            _ => self.scanned(tables, near).await.map(ObjectIds::Listed),
        }
    }

    /// The objects that have a source near, ascending, by a look at all sources.
    async fn scanned(&self, tables: &PreparedTables, near: Near<'_>) -> Result<Vec<i64>> {
        let query = Query {
            rows: near.sources(),
            ids: ObjectIds::EVERY,
            ..of_objects(Table::Sources, Vec::new(), &["r:diaObjectId", "r:ra", "r:dec"])
        };
        let mut ids = Vec::new();
        let mut answer = self.rows_of(tables, &query).await?;
        while let Some(rows) = answer.rows.try_next().await? {
            for (id, place) in longs(&rows, 0)?.iter().zip(places(&rows, [1, 2])?) {
                let (Some(id), Some(place)) = (id, place) else { continue };
                // Sources of an object follow each other.
                if ids.last() != Some(&id) && near.may_have(place) {
                    ids.push(id);
                }
            }
            not_too_many(ids.len())?;
        }
        Ok(ids)
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

    /// Those of some objects, in the order of their ids, that have varied at a time.
    async fn at_time(
        &self,
        tables: &PreparedTables,
        mut found: Vec<NewestSource>,
        time: Option<ActiveTime>,
    ) -> Result<Vec<NewestSource>> {
        if let Some(time) = time {
            self.note_first_times(tables, &mut found).await?;
            found.retain(|source| time.holds(source.first_mjd, source.last_mjd));
        }
        Ok(found)
    }

    /// Replaces the times of the first sources by what the objects say of them, where they do.
    async fn note_first_times(
        &self,
        tables: &PreparedTables,
        found: &mut [NewestSource],
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

fn not_too_many(objects: usize) -> Result<()> {
    if objects > MOST_OBJECTS {
        let text = format!(
            "there are more than {MOST_OBJECTS} objects there: ask for a smaller part of the sky"
        );
        return Err(Error::new(Kind::TooLarge, text));
    }
    Ok(())
}

/// A query of the rows of some objects, object after object, the newest first.
pub(super) fn of_objects(table: Table, ids: Vec<i64>, columns: &[&str]) -> Query {
    let rows = Rows::all(table, Order::ByObject);
    let columns = Columns::Named(columns.iter().map(|name| name.to_string()).collect());
    let ids = ObjectIds::Listed(ids);
    Query { rows, ids, columns, filter: None, limit: None, as_of: None }
}
