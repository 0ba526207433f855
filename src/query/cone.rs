//! The objects in a circle on the sky, by the place of their newest source: which they are, how many, and the nearest of them.

use std::sync::Arc;

use super::circle::{ActiveTime, Circle};
use super::found::{FoundObject, FoundObjects, SearchedIn};
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

    /// Looks for the objects of a search. Errors: `TooLarge` for more than a million.
    pub async fn find(&self, cone: &ConeQuery) -> Result<FoundObjects> {
        let tables = self.tables_of_search(&cone.search).await?;
        let near = Near::Circle(cone.circle);
        let newest = self.newest_near(&tables, near, cone.search.time).await?;
        Ok(found(cone, tables, newest, None))
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
            Some(time) => match self.newest_if_small(&tables, cone.circle, time, ids).await? {
                Some(newest) => (newest, None),
                None => return Ok(None),
            },
        };
        Ok(Some(found(cone, tables, newest, rows)))
    }

    pub(super) async fn tables_of_search(&self, search: &SkySearch) -> Result<Arc<PreparedTables>> {
        self.beside(Table::Objects, search.as_of.as_ref(), search.objects_version).await
    }
}

/// The objects that are in the circle, the nearest of them.
fn found(
    cone: &ConeQuery,
    tables: Arc<PreparedTables>,
    newest: Vec<NewestSource>,
    rows: Option<Answer>,
) -> FoundObjects {
    let found = newest.iter().filter_map(|source| {
        let rank = cone.circle.separation_deg(source.place)?;
        Some(FoundObject { place: 0, id: source.id, rank })
    });
    let objects = found.collect();
    let columns = cone.search.columns.clone();
    let found = FoundObjects::new(objects, SearchedIn::Circle, tables, columns);
    FoundObjects { rows, ..found.first(cone.most) }
}
