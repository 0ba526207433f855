//! The objects near each of many places, by the place of their newest source.
//!
//! Places are looked at in the order of the sky, many together: a page of the table of places is read once or twice, and one of the
//! sources, which lie in another order, once for each of these parts. Memory does not grow with the number of places.

use std::sync::Arc;

use super::Engine;
use super::circle::Circle;
use super::cone::SkySearch;
use super::found::{FoundObject, FoundObjects, SearchedIn};
use super::near::Near;
use super::place_grid::PlaceGrid;
use super::prepared_tables::PreparedTables;
use crate::astronomy::{CELL_ORDER, cell, cell_width_deg};
use crate::error::Result;

/// Cells of the table of places that are looked at together: in the densest fields they have fewer objects than can be.
const CELLS_AT_ONCE: f64 = (3 << 18) as f64;
/// The most places that are looked at together.
const MOST_PLACES: f64 = (1 << 17) as f64;

/// A search near many places.
#[derive(Clone, Debug)]
pub struct CrossmatchQuery {
    /// Right ascensions and declinations in degrees.
    pub places: Vec<[f64; 2]>,
    /// What the places are called.
    pub names: Arc<[String]>,
    /// How far objects may be from a place.
    pub radius_deg: f64,
    /// At most so many objects for each place, the nearest.
    pub most: usize,
    /// What else is asked for.
    pub search: SkySearch,
}

impl Engine {
    /// Looks for the objects near all places. Errors: `TooLarge` for more than a million near those that are looked at
    /// together.
    pub async fn crossmatch(&self, query: &CrossmatchQuery) -> Result<FoundObjects> {
        let tables = self.tables_of_search(&query.search).await?;
        let mut in_sky_order: Vec<u32> = (0..query.places.len() as u32).collect();
        in_sky_order.sort_by_cached_key(|number| cell(CELL_ORDER, query.places[*number as usize]));
        let mut near = vec![Vec::new(); query.places.len()];
        for numbers in in_sky_order.chunks(places_at_once(query.radius_deg)) {
            self.match_some(&tables, query, numbers, &mut near).await?;
        }
        let objects = near.concat();
        let (columns, names) = (query.search.columns.clone(), query.names.clone());
        Ok(FoundObjects::new(objects, SearchedIn::Places(names), tables, columns))
    }

    /// Adds what is near some of the places, which are given by their numbers.
    async fn match_some(
        &self,
        tables: &PreparedTables,
        query: &CrossmatchQuery,
        numbers: &[u32],
        near: &mut [Vec<FoundObject>],
    ) -> Result<()> {
        let circles = numbers.iter().map(|number| {
            let [ra_deg, dec_deg] = query.places[*number as usize];
            Circle { ra_deg, dec_deg, radius_deg: query.radius_deg }
        });
        let grid = PlaceGrid::new(circles.collect());
        let newest = self.newest_near(tables, Near::Places(&grid), query.search.time).await?;
        for source in &newest {
            for (number, separation_deg) in grid.near(source.place) {
                let place = numbers[number as usize];
                let found = FoundObject { place, id: source.id, rank: separation_deg };
                keep_nearest(&mut near[place as usize], found, query.most);
            }
        }
        Ok(())
    }
}

/// So many places have few enough cells around them.
fn places_at_once(radius_deg: f64) -> usize {
    let cells_across = 2.0 * radius_deg / cell_width_deg(CELL_ORDER) + 2.0;
    (CELLS_AT_ONCE / (cells_across * cells_across)).clamp(1.0, MOST_PLACES) as usize
}

/// Adds an object to the nearest so far, which are in order.
fn keep_nearest(nearest: &mut Vec<FoundObject>, found: FoundObject, most: usize) {
    let at = nearest.partition_point(|one| one.order(&found).is_lt());
    if at < most {
        nearest.truncate(most - 1);
        nearest.insert(at, found);
    }
}
