//! The newest snapshots. In: where the tables are. Out: a [`Prepared`] per table that exists, kept
//! up to date by a task that ends with its last user.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::execution::runtime_env::RuntimeEnv;

use super::prepared::Prepared;
use super::{EngineOptions, Source};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::{AsOf, Snapshot};

/// The tables as last seen.
pub struct Tables {
    options: EngineOptions,
    runtime: Arc<RuntimeEnv>,
    current: RwLock<HashMap<Table, Arc<Prepared>>>,
}

impl Tables {
    pub fn new(options: EngineOptions, runtime: Arc<RuntimeEnv>) -> Self {
        Self { options, runtime, current: RwLock::default() }
    }

    /// The newest snapshot seen; `None` where the table does not exist yet.
    pub fn current(&self, table: Table) -> Option<Arc<Prepared>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).get(&table).cloned()
    }

    /// The newest snapshots of the tables that exist, all as one refresh left them.
    pub fn all(&self) -> Vec<Arc<Snapshot>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.values().map(|prepared| prepared.snapshot.clone()).collect()
    }

    /// An older snapshot; `None` where the table does not exist.
    pub async fn as_of(&self, table: Table, as_of: &AsOf) -> Result<Option<Arc<Prepared>>> {
        if let (Some(current), AsOf::Version(version)) = (self.current(table), as_of)
            && current.snapshot.version == *version
        {
            return Ok(Some(current));
        }
        match self.read(table, Some(as_of)).await? {
            Some(snapshot) => {
                Ok(Some(Arc::new(Prepared::new(snapshot, self.runtime.clone()).await?)))
            }
            None => Ok(None),
        }
    }

    /// Looks for new commits of every table, and shows what is new at once or, on an error, not at all.
    /// Objects are read first: a snapshot of the sources that is at least as new holds the sources of
    /// every object seen.
    pub async fn refresh(&self) -> Result<()> {
        let mut found = Vec::new();
        for table in Table::ALL.into_iter().rev() {
            if let Some(snapshot) = self.newer(table).await? {
                let prepared = Prepared::new(snapshot, self.runtime.clone()).await?;
                found.push((table, Arc::new(prepared)));
            }
        }
        for (table, prepared) in &found {
            let version = prepared.snapshot.version;
            tracing::info!(table = table.name(), version, "new snapshot");
        }
        self.current.write().unwrap_or_else(PoisonError::into_inner).extend(found);
        Ok(())
    }

    async fn newer(&self, table: Table) -> Result<Option<Snapshot>> {
        match (self.options.source(table), self.current(table)) {
            (Source::Warehouse(warehouse), Some(current)) => {
                warehouse.refresh(&current.snapshot).await
            }
            (Source::Warehouse(_), None) => self.read(table, None).await,
            (Source::Folder(location), Some(current)) => {
                current.snapshot.refresh_folder(location).await
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
