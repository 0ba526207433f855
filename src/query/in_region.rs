//! The objects in a region of the sky, by the place of their newest source.

use std::sync::Arc;

use super::Engine;
use super::cone::SkySearch;
use super::found::{FoundObject, FoundObjects, SearchedIn};
use super::near::Near;
use crate::error::Result;
use crate::region::Region;

/// A search in a region.
#[derive(Clone, Debug)]
pub struct RegionQuery {
    /// Where.
    pub region: Arc<Region>,
    /// When its event was, MJD in TAI; `None` where there is none.
    pub event_mjd: Option<f64>,
    /// At most so many objects, those of the smallest credible levels.
    pub most: usize,
    /// What else is asked for.
    pub search: SkySearch,
}

impl Engine {
    /// Looks for the objects in a region. Errors: `TooLarge` for more than a million.
    pub async fn find_in_region(&self, query: &RegionQuery) -> Result<FoundObjects> {
        let tables = self.tables_of_search(&query.search).await?;
        let newest =
            self.newest_near(&tables, Near::Region(&query.region), query.search.time).await?;
        let found = newest.iter().filter_map(|source| {
            let rank = query.region.level(source.place)?;
            Some(FoundObject { place: 0, id: source.id, rank })
        });
        let searched_in = SearchedIn::Region(query.event_mjd);
        let columns = query.search.columns.clone();
        let found = FoundObjects::new(found.collect(), searched_in, tables, columns);
        Ok(found.first(query.most))
    }
}
