//! A snapshot made ready for queries, with the [`Planner`] of its schema; or two snapshots together, where rows of both are asked for.

use std::sync::{Arc, Weak};

use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnv;
use parking_lot::Mutex;

use super::Versions;
use super::planner::Planner;
use super::plans::PlanCounts;
use crate::error::{Error, Result};
use crate::index::{IndexCache, TableIndex};
use crate::plan::{OpenTable, SnapshotTable};
use crate::scan::Places;
use crate::warehouse::Snapshot;

/// What all snapshots share.
pub(crate) struct Shared {
    /// DataFusion's stores, caches and temporary files.
    pub runtime: Arc<RuntimeEnv>,
    /// The indexes of files and row groups.
    pub index: Arc<IndexCache>,
    /// The newest table of places.
    pub places: Arc<Places>,
    /// The planners, by the schemas of their tables.
    pub planners: Planners,
    /// Memory that large answers may use beside their own.
    pub spare: Arc<GreedyMemoryPool>,
}

/// A snapshot, or two, and their planner.
pub(crate) struct PreparedTables {
    /// The table that is asked, and the one that is read beside it.
    tables: Vec<Arc<SnapshotTable>>,
    planner: Arc<Planner>,
    /// Reads the index ahead as long as the tables are in use.
    _filling: Option<SpawnedTask<()>>,
}

impl PreparedTables {
    /// One table.
    pub(crate) async fn new(index: TableIndex, shared: &Shared) -> Result<Self> {
        let filling = index.fill();
        let table = Arc::new(SnapshotTable::new(Arc::new(index), shared.places.clone()));
        let snapshot = table.snapshot();
        let url = SnapshotTable::store_url(snapshot)?;
        shared.runtime.register_object_store(url.as_ref(), snapshot.store.clone());
        let prepared = Self::planned(vec![table], shared).await?;
        Ok(Self { _filling: Some(filling), ..prepared })
    }

    /// The sources with another table beside them. Errors: `Argument` where the tables are foreign ones without the columns that this takes.
    pub(crate) async fn beside(sources: &Self, other: &Self, shared: &Shared) -> Result<Self> {
        let tables = vec![sources.table().clone(), other.table().clone()];
        let prepared = Self::planned(tables, shared).await;
        prepared.map_err(|error| Error::argument(error.to_string()))
    }

    async fn planned(tables: Vec<Arc<SnapshotTable>>, shared: &Shared) -> Result<Self> {
        let open = tables.iter().map(|table| OpenTable::from_index(table.index())).collect();
        let planner = shared.planners.for_tables(open, &shared.runtime).await?;
        Ok(Self { tables, planner, _filling: None })
    }

    /// The table, or the first of two.
    pub(crate) fn table(&self) -> &Arc<SnapshotTable> {
        &self.tables[0]
    }

    /// All tables.
    pub(crate) fn tables(&self) -> &[Arc<SnapshotTable>] {
        &self.tables
    }

    /// The snapshot of the table, or of the first of two.
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        self.table().snapshot()
    }

    /// The versions that an answer is from.
    pub(crate) fn versions(&self) -> Versions {
        self.versions_beside(self.tables.get(1).map(|other| other.snapshot()))
    }

    /// Those of its table, and of the one that may stand beside it.
    pub(crate) fn versions_beside(&self, other: Option<&Arc<Snapshot>>) -> Versions {
        let table = self.snapshot();
        let ids = [table.id(), other.map_or(0, |other| other.id())];
        let beside = other.map(|other| (other.table, other.version));
        Versions { table: table.version, beside, ids }
    }

    /// What makes the plans of queries on these tables.
    pub(crate) fn planner(&self) -> &Planner {
        &self.planner
    }
}

/// The planners of all snapshots that are in use.
#[derive(Default)]
pub(crate) struct Planners {
    used: Mutex<Vec<Weak<Planner>>>,
    /// How often their plans had been kept.
    pub counts: Arc<PlanCounts>,
}

impl Planners {
    /// The planner for some tables: that of other snapshots with the same schemas, if there is one.
    async fn for_tables(
        &self,
        tables: Vec<OpenTable>,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<Arc<Planner>> {
        let same = |planner: &Arc<Planner>| planner.is_for(&tables);
        let known = self.used.lock().iter().filter_map(Weak::upgrade).find(same);
        if let Some(planner) = known {
            return Ok(planner);
        }
        let planner = Planner::new(tables, runtime.clone(), self.counts.clone()).await?;
        let planner = Arc::new(planner);
        let mut used = self.used.lock();
        used.retain(|planner| planner.strong_count() > 0);
        used.push(Arc::downgrade(&planner));
        Ok(planner)
    }
}
