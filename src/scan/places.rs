//! Finds the objects in cells of the sky by the table of places: those that have, or had, a source in one of them, or
//! lie there themselves. It takes the newest version of the table, whatever version of other tables is asked for, since the table only grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::runtime::SpawnedTask;
use futures::TryStreamExt;
use parking_lot::RwLock;

use super::{Lookup, Projection, ScanMetrics, read};
use crate::astronomy::{CELL_ORDER, cells_of_circle, cells_within};
use crate::error::{Error, Result};
use crate::index::{IndexCache, TableIndex, Wanted};
use crate::schema::{KEY, Table};
use crate::warehouse::{Newer, Snapshot, Source};

/// What has more cells than these is looked for among all rows: the list of its cells would take more than it spares.
pub const MOST_CELLS: usize = 1 << 18;

/// The cells of the table of places that touch a circle, ascending; `None` where they are more than [`MOST_CELLS`].
pub fn places_cells(centre: [f64; 2], radius_deg: f64) -> Option<Vec<i64>> {
    let are_few = cells_within(CELL_ORDER, radius_deg) <= MOST_CELLS as f64;
    are_few.then(|| cells_of_circle(CELL_ORDER, centre, radius_deg))
}

/// The table of places as last seen.
#[derive(Debug, Default)]
pub struct Places {
    current: RwLock<Option<Arc<PlacesIndex>>>,
    /// Whether the last look failed, so that it is logged once.
    failing: AtomicBool,
}

impl Places {
    /// The newest that was seen; `None` if there is no such table.
    pub fn current(&self) -> Option<Arc<PlacesIndex>> {
        self.current.read().clone()
    }

    /// Looks for a new version. A failure does no harm: files that are not in the version from before are read themselves.
    pub async fn refresh(&self, source: &Source, cache: &Arc<IndexCache>) {
        match self.newer(source).await {
            Ok(found) => {
                self.failing.store(false, Ordering::Relaxed);
                if let Some(snapshot) = found {
                    let index = TableIndex::open(snapshot, cache.clone()).await;
                    *self.current.write() = Some(Arc::new(PlacesIndex::new(index)));
                }
            }
            Err(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(table = Table::Places.name(), %error, "looking for new places failed: searches read all rows instead");
            }
            Err(_) => {}
        }
    }

    async fn newer(&self, source: &Source) -> Result<Option<Snapshot>> {
        let Source::Warehouse(warehouse) = source else { return Ok(None) };
        match self.current() {
            None => warehouse.snapshot(Table::Places, None).await,
            Some(current) => {
                let newer = source.newer(current.snapshot()).await?;
                Ok(newer.map(|Newer { snapshot, .. }| snapshot))
            }
        }
    }
}

/// One version of the table, with the index of its cells.
#[derive(Debug)]
pub struct PlacesIndex {
    index: Arc<TableIndex>,
    projection: Arc<Projection>,
    /// Reads the index ahead as long as the version is in use.
    _filling: SpawnedTask<()>,
}

impl PlacesIndex {
    fn new(index: TableIndex) -> Self {
        let filling = index.fill();
        let schema = Arc::new(Schema::new(vec![Field::new(KEY, DataType::Int64, true)]));
        let projection = Arc::new(Projection::new(schema));
        Self { index: Arc::new(index), projection, _filling: filling }
    }

    /// The version.
    pub fn snapshot(&self) -> &Snapshot {
        &self.index.snapshot
    }

    /// Whether all files of another table have their cells in this version.
    pub fn have_all(&self, other: &Snapshot) -> bool {
        other.files.iter().all(|file| file.is_in(self.snapshot()))
    }

    /// The objects in some cells (ascending), ascending, each once. If they are more than `most`, these may not be all, but are more, too.
    pub async fn objects(&self, keys: Vec<i64>, most: usize) -> Result<Vec<i64>> {
        let mut rows = Box::pin(read(Lookup {
            table: self.index.clone(),
            projection: self.projection.clone(),
            wanted: Arc::new(Wanted { keys, times: None }),
            reversed: false,
            metrics: ScanMetrics::default(),
        }));
        let mut objects = Vec::new();
        while let Some(rows) = rows.try_next().await? {
            let keys = rows.column(0).as_primitive_opt::<Int64Type>();
            let keys = keys.ok_or_else(|| Error::internal(format!("no int64 column {KEY}")))?;
            objects.extend(keys.iter().flatten());
            // Until files are merged, an object may be there many times.
            if objects.len() > 2 * most {
                objects.sort_unstable();
                objects.dedup();
                if objects.len() > most {
                    return Ok(objects);
                }
            }
        }
        objects.sort_unstable();
        objects.dedup();
        Ok(objects)
    }
}
