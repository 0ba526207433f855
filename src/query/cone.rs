//! The objects in a circle on the sky, by the place of their newest source: which they are, how many, and the nearest of them.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::circle::{ActiveTime, Circle};
use super::found::{FoundObject, FoundObjects};
use super::near::Near;
use super::newest_sources::NewestSource;
use super::prepared_tables::PreparedTables;
use super::{Answer, Columns, Engine, Versions};
use crate::error::Result;
use crate::schema::Table;
use crate::warehouse::AsOf;

/// A search in a circle.
#[derive(Clone, Debug)]
pub struct ConeQuery {
    /// Where.
    pub circle: Circle,
    /// At most so many objects, the nearest.
    pub most: usize,
    /// What else is asked for.
    pub search: SkySearch,
}

/// What every search by place asks for.
#[derive(Clone, Debug)]
pub struct SkySearch {
    /// When; `None` for any time.
    pub time: Option<ActiveTime>,
    /// Columns of the newest source of each, of the object, and computed ones.
    pub columns: Columns,
    /// An older version of the sources to answer from; `None` for the newest.
    pub as_of: Option<AsOf>,
    /// The version of the objects, where `as_of` is a version.
    pub objects_version: Option<u64>,
}

impl Engine {
    /// The versions that a search would be answered from.
    pub async fn search_versions(&self, search: &SkySearch) -> Result<Versions> {
        Ok(self.tables_of_search(search).await?.versions())
    }

    /// The columns of an answer when none is named, and those that the server computes.
    pub async fn cone_schemas(&self) -> Result<(SchemaRef, SchemaRef)> {
        let tables = self.beside(Table::Objects, None, None).await?;
        let columns = tables.planner().columns();
        Ok((columns.schema(), columns.computed()))
    }

    /// Looks for the objects of a search. Errors: `TooLarge` for more than a million.
    pub async fn find(&self, cone: &ConeQuery) -> Result<FoundObjects> {
        let tables = self.tables_of_search(&cone.search).await?;
        let newest = self.newest_near(&tables, Near::Circle(cone.circle)).await?;
        self.found(cone, tables, newest, None).await
    }

    /// The same where it takes little; `None` where it may not, and workers are to do it.
    pub async fn find_if_few(&self, cone: &ConeQuery) -> Result<Option<FoundObjects>> {
        let tables = self.tables_of_search(&cone.search).await?;
        let Some(ids) = self.few_candidates(&tables, cone.circle).await? else { return Ok(None) };
        let (newest, rows) = match cone.search.time {
            // It is most of the work to read something of an object at all: so its row is read to know its place.
            None => match self.newest_rows_if_small(&tables, ids, &cone.search.columns).await? {
                Some((newest, rows)) => (newest, Some(rows)),
                None => return Ok(None),
            },
            Some(_) => match self.newest_if_small(&tables, cone.circle, ids).await? {
                Some(newest) => (newest, None),
                None => return Ok(None),
            },
        };
        self.found(cone, tables, newest, rows).await.map(Some)
    }

    async fn found(
        &self,
        cone: &ConeQuery,
        tables: Arc<PreparedTables>,
        mut newest: Vec<NewestSource>,
        rows: Option<Answer>,
    ) -> Result<FoundObjects> {
        if let Some(time) = cone.search.time {
            self.note_first_times(&tables, &mut newest).await?;
            newest.retain(|source| time.holds(source.first_mjd, source.last_mjd));
        }
        let found = newest.iter().filter_map(|source| {
            let separation_deg = cone.circle.separation_deg(source.place)?;
            Some(FoundObject { place: 0, id: source.id, separation_deg })
        });
        let mut objects: Vec<_> = found.collect();
        objects.sort_unstable_by(FoundObject::distance_order);
        let total = objects.len();
        objects.truncate(cone.most);
        Ok(FoundObjects {
            objects,
            total,
            names: None,
            columns: cone.search.columns.clone(),
            tables,
            rows,
        })
    }

    pub(super) async fn tables_of_search(&self, search: &SkySearch) -> Result<Arc<PreparedTables>> {
        self.beside(Table::Objects, search.as_of.as_ref(), search.objects_version).await
    }
}
