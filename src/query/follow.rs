//! The newest snapshots. In: where the tables are. Out: a [`Prepared`] per table that exists, kept
//! up to date by a task that ends with its last user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::EngineOptions;
use super::older::Older;
use super::prepared::{Prepared, Shared};
use crate::error::{Error, Kind, Result};
use crate::index::TableIndex;
use crate::plan::SnapshotTable;
use crate::schema::Table;
use crate::warehouse::{AsOf, History, LeftOut, Snapshot};

/// A server whose store has failed for as long as so many refreshes take is not ready: another server may reach it.
const REFRESHES_MISSED: u32 = 5;

/// The tables as last seen.
pub struct Tables {
    options: EngineOptions,
    pub shared: Shared,
    current: RwLock<HashMap<Table, Arc<Prepared>>>,
    older: Older,
    /// The sources with their upper limits, as last asked for.
    with_upper_limits: Mutex<Option<Arc<Prepared>>>,
    /// Of the tables' versions, what was asked for.
    histories: [History; Table::ALL.len()],
    /// Since when the stores have failed every refresh.
    failing: Mutex<Option<Instant>>,
}

impl Tables {
    pub fn new(options: EngineOptions, shared: Shared) -> Self {
        Self {
            options,
            shared,
            current: RwLock::default(),
            older: Older::default(),
            with_upper_limits: Mutex::default(),
            histories: Default::default(),
            failing: Mutex::default(),
        }
    }

    /// Whether every table can be read, and the stores answer.
    pub fn are_ready(&self) -> Result<()> {
        if !Table::ALL.into_iter().all(|table| self.current(table).is_some()) {
            return Err(Error::new(
                Kind::NotReady,
                "not every table exists yet: ingest alerts first",
            ));
        }
        let failing = *self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = failing.map_or(Duration::ZERO, |since| since.elapsed());
        if failing > self.options.refresh * REFRESHES_MISSED {
            let text = format!("the storage has failed for {} s: see the log", failing.as_secs());
            return Err(Error::new(Kind::NotReady, text));
        }
        Ok(())
    }

    /// Notes how a refresh ended that began at a time.
    fn refreshed(&self, began: Instant, result: &Result<()>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Err(error) if error.kind() == Kind::Storage => *failing = failing.or(Some(began)),
            _ => *failing = None,
        }
    }

    /// The newest snapshot seen; `None` where the table does not exist yet.
    pub fn current(&self, table: Table) -> Option<Arc<Prepared>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).get(&table).cloned()
    }

    /// The newest snapshots of the tables that exist, all as one refresh left them.
    pub fn all(&self) -> Vec<Arc<SnapshotTable>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.values().map(|prepared| prepared.table().clone()).collect()
    }

    /// An older snapshot; `None` where the table does not exist.
    pub async fn as_of(&self, table: Table, as_of: &AsOf) -> Result<Option<Arc<Prepared>>> {
        let Some(current) = self.current(table) else { return Ok(None) };
        let (current, history) = (current.snapshot(), &self.histories[table as usize]);
        let source = self.options.source(table);
        let version = match as_of {
            AsOf::Time(time) => source.version_at(current, time, history).await?,
            AsOf::Exactly { table_id, .. } if *table_id != current.table_id => {
                return Err(made_anew(table));
            }
            AsOf::Version(version) | AsOf::Exactly { version, .. } => Some(*version),
        };
        if let Some(held) = version.and_then(|version| self.held(table, version)) {
            return Ok(Some(held));
        }
        let as_of = match (as_of, version) {
            (AsOf::Time(_), Some(version)) => AsOf::Version(version),
            (as_of, _) => as_of.clone(),
        };
        let older = source.older(current, &as_of, history).await?;
        let Some(snapshot) = older else { return Ok(None) };
        if snapshot.table_id != current.table_id {
            return Err(made_anew(table));
        }
        let prepared = Arc::new(self.prepare(snapshot).await?);
        self.older.keep(prepared.clone());
        Ok(Some(prepared))
    }

    /// The sources with the upper limits of the forced photometry, made when first asked for.
    pub async fn with_upper_limits(
        &self,
        sources: &Prepared,
        fp: &Prepared,
    ) -> Result<Arc<Prepared>> {
        let versions = sources.versions_with(Some(fp.snapshot()));
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
        let current = self.current(table).filter(|held| held.snapshot().version == version);
        current.or_else(|| self.older.get(table, version))
    }

    /// Looks for new commits of every table, and shows what is new at once or, on an error, not at all.
    /// Objects are read first: a snapshot of the sources that is at least as new holds the sources of
    /// every object seen.
    pub async fn refresh(&self) -> Result<()> {
        let mut found = Vec::new();
        for table in Table::ALL.into_iter().rev() {
            let source = self.options.source(table);
            let newer = match self.current(table) {
                Some(current) => source.newer(current.snapshot()).await?,
                None => source.newest(table).await?,
            };
            if let Some(snapshot) = newer {
                found.push((table, Arc::new(self.prepare(snapshot).await?)));
            }
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        for (table, prepared) in found {
            let superseded = current.insert(table, prepared.clone());
            tell(prepared.snapshot(), superseded.as_ref().map(|before| before.snapshot()));
            let Some(before) = superseded else { continue };
            self.older.keep(before.clone());
            if before.snapshot().table_id != prepared.snapshot().table_id {
                self.histories[table as usize].forget();
            }
            self.older.drop_lost(prepared.snapshot());
        }
        Ok(())
    }
}

fn made_anew(table: Table) -> Error {
    let text = format!("the table {} has been made anew: ask for the newest", table.name());
    Error::new(Kind::Gone, text)
}

/// Says what is new, and which columns of other people's files are not served, once.
fn tell(snapshot: &Snapshot, before: Option<&Arc<Snapshot>>) {
    let (table, version) = (snapshot.table.name(), snapshot.version);
    tracing::info!(table, version, "new snapshot");
    for left_out in &snapshot.left_out {
        if !before.is_some_and(|before| before.left_out.contains(left_out)) {
            let LeftOut { column, why } = left_out;
            tracing::warn!(table, column, why, "a column is left out");
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
            let began = Instant::now();
            let refreshed = tables.refresh().await;
            tables.refreshed(began, &refreshed);
            if let Err(error) = refreshed {
                tracing::warn!(%error, "looking for new commits failed");
            }
        }
    });
}
