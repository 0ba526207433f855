//! The newest snapshots. In: where the tables are. Out: a [`Prepared`] per table that exists, kept
//! up to date by a task that ends with its last user.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::prepared::{Prepared, Shared};
use super::{EngineOptions, SnapshotTable, Source, Versions};
use crate::error::{Error, Kind, Result};
use crate::index::TableIndex;
use crate::schema::Table;
use crate::warehouse::{AsOf, Snapshot};

/// Snapshots kept ready that are not the newest: whoever reads a table in parts asks for the same one many times.
const OLDER_SNAPSHOTS: usize = 8;
/// How long after they were last used: far less than vacuum leaves them their files.
const OLDER_KEPT: Duration = Duration::from_secs(600);

/// The tables as last seen.
pub struct Tables {
    options: EngineOptions,
    pub shared: Shared,
    current: RwLock<HashMap<Table, Arc<Prepared>>>,
    /// With the time of their last use, the latest first.
    older: Mutex<VecDeque<(Instant, Arc<Prepared>)>>,
    /// The sources with their upper limits, as last asked for.
    with_upper_limits: Mutex<Option<Arc<Prepared>>>,
}

impl Tables {
    pub fn new(options: EngineOptions, shared: Shared) -> Self {
        Self {
            options,
            shared,
            current: RwLock::default(),
            older: Mutex::default(),
            with_upper_limits: Mutex::default(),
        }
    }

    /// The newest snapshot seen; `None` where the table does not exist yet.
    pub fn current(&self, table: Table) -> Option<Arc<Prepared>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).get(&table).cloned()
    }

    /// The newest snapshots of the tables that exist, all as one refresh left them.
    pub fn all(&self) -> Vec<Arc<SnapshotTable>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.values().map(|prepared| prepared.table.clone()).collect()
    }

    /// An older snapshot; `None` where the table does not exist.
    pub async fn as_of(&self, table: Table, as_of: &AsOf) -> Result<Option<Arc<Prepared>>> {
        if let AsOf::Version(version) = as_of
            && let Some(held) = self.held(table, *version)
        {
            return Ok(Some(held));
        }
        let Some(snapshot) = self.read(table, Some(as_of)).await? else { return Ok(None) };
        let prepared = Arc::new(self.prepare(snapshot).await?);
        self.keep(prepared.clone());
        Ok(Some(prepared))
    }

    /// The sources with the upper limits of the forced photometry, made when first asked for.
    pub async fn with_upper_limits(
        &self,
        sources: &Prepared,
        fp: &Prepared,
    ) -> Result<Arc<Prepared>> {
        let versions =
            Versions { table: sources.snapshot().version, fp: Some(fp.snapshot().version) };
        let held = || self.with_upper_limits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = held().as_ref().filter(|made| made.versions() == versions) {
            return Ok(made.clone());
        }
        let made = Arc::new(Prepared::with_upper_limits(sources, fp, &self.shared).await?);
        *held() = Some(made.clone());
        Ok(made)
    }

    async fn prepare(&self, snapshot: Snapshot) -> Result<Prepared> {
        let index = TableIndex::open(snapshot, self.shared.index.clone()).await;
        Prepared::new(index, &self.shared).await
    }

    /// The snapshot, if it is the newest or among the older ones kept.
    fn held(&self, table: Table, version: u64) -> Option<Arc<Prepared>> {
        let is_it =
            |held: &Prepared| (held.snapshot().table, held.snapshot().version) == (table, version);
        if let Some(current) = self.current(table).filter(|current| is_it(current)) {
            return Some(current);
        }
        let mut older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        older.retain(|(used, _)| used.elapsed() < OLDER_KEPT);
        let found = older.iter().position(|(_, kept)| is_it(kept))?;
        let (_, found) = older.remove(found)?;
        older.push_front((Instant::now(), found.clone()));
        Some(found)
    }

    fn keep(&self, prepared: Arc<Prepared>) {
        let mut older = self.older.lock().unwrap_or_else(PoisonError::into_inner);
        older.push_front((Instant::now(), prepared));
        older.truncate(OLDER_SNAPSHOTS);
    }

    /// Looks for new commits of every table, and shows what is new at once or, on an error, not at all.
    /// Objects are read first: a snapshot of the sources that is at least as new holds the sources of
    /// every object seen.
    pub async fn refresh(&self) -> Result<()> {
        let mut found = Vec::new();
        for table in Table::ALL.into_iter().rev() {
            if let Some(snapshot) = self.newer(table).await? {
                found.push((table, Arc::new(self.prepare(snapshot).await?)));
            }
        }
        for (table, prepared) in &found {
            let version = prepared.snapshot().version;
            tracing::info!(table = table.name(), version, "new snapshot");
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        for (table, prepared) in found {
            current
                .insert(table, prepared)
                .into_iter()
                .for_each(|superseded| self.keep(superseded));
        }
        Ok(())
    }

    async fn newer(&self, table: Table) -> Result<Option<Snapshot>> {
        match (self.options.source(table), self.current(table)) {
            (Source::Warehouse(warehouse), Some(current)) => {
                warehouse.refresh(current.snapshot()).await
            }
            (Source::Warehouse(_), None) => self.read(table, None).await,
            (Source::Folder(location), Some(current)) => {
                current.snapshot().refresh_folder(location).await
            }
            (Source::Folder(location), None) => match Snapshot::of_folder(table, location).await {
                Err(error) if error.kind() == Kind::NotFound => Ok(None),
                found => found.map(Some),
            },
        }
    }

    async fn read(&self, table: Table, as_of: Option<&AsOf>) -> Result<Option<Snapshot>> {
        match self.options.source(table) {
            Source::Warehouse(warehouse) => warehouse.snapshot(table, as_of).await,
            Source::Folder(_) => Err(Error::argument(format!(
                "as_of: {} is a plain folder of Parquet files, which has no older versions",
                table.name()
            ))),
        }
    }
}

/// Refreshes until the last user of `tables` is gone. A failure is logged and tried again: what
/// was seen before stays served.
pub fn follow(tables: &Arc<Tables>) {
    let weak = Arc::downgrade(tables);
    let every = tables.options.refresh;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            let Some(tables) = weak.upgrade() else { return };
            if let Err(error) = tables.refresh().await {
                tracing::warn!(%error, "looking for new commits failed");
            }
        }
    });
}
