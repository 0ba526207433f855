//! The newest snapshots: for each table that exists its [`PreparedTables`], kept up to date by a task that ends with the last user of the
//! engine.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::EngineOptions;
use super::added_rows::LastAdded;
use super::looks::{Looks, TableLooks};
use super::older::Older;
use super::prepared_tables::{PreparedTables, Shared};
use crate::error::{Error, Kind, Result};
use crate::index::TableIndex;
use crate::plan::SnapshotTable;
use crate::schema::Table;
use crate::warehouse::{History, LeftOut, Newer, Snapshot, Source};

/// A server that could not look at a table for as long as so many refreshes take reports that it is not ready, so that clients are sent to
/// another server.
const REFRESHES_MISSED: u32 = 5;

/// The tables as last seen.
pub(crate) struct Tables {
    options: EngineOptions,
    /// What all snapshots share.
    pub shared: Shared,
    current: RwLock<HashMap<Table, Seen>>,
    pub(super) older: Older,
    /// The sources with another table beside them, as last asked for.
    beside: Mutex<HashMap<Table, Arc<PreparedTables>>>,
    pub(super) looks: Looks,
    /// Counts the times that new snapshots were shown.
    shows: watch::Sender<u64>,
}

/// A table as last seen.
#[derive(Clone)]
pub(super) struct Seen {
    pub prepared: Arc<PreparedTables>,
    /// What was asked about its versions. A table that is made anew, or restored from a backup, gets a history of its own, so that an
    /// answer about the table before it is never taken for one about this table.
    pub history: Arc<History>,
    /// What its last versions added, with its columns.
    pub added: Arc<LastAdded>,
    /// When its rows were last changed: compactions do not. What was committed before the server has started is taken for a change.
    changed: Option<DateTime<Utc>>,
}

/// What a look has found.
struct Looked {
    prepared: Arc<PreparedTables>,
    /// Whether it follows the snapshot that is shown.
    follows: bool,
    changed: Option<DateTime<Utc>>,
}

impl Tables {
    /// No tables yet: the first refresh finds them.
    pub(crate) fn new(options: EngineOptions, shared: Shared) -> Self {
        Self {
            options,
            shared,
            current: RwLock::default(),
            older: Older::default(),
            beside: Mutex::default(),
            looks: Looks::default(),
            shows: watch::Sender::default(),
        }
    }

    /// Tells when new snapshots are shown.
    pub(super) fn shown(&self) -> watch::Receiver<u64> {
        self.shows.subscribe()
    }

    /// What the engine was opened with.
    pub(crate) fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Whether every table can be read and has its files, and the stores answer.
    pub(crate) fn are_ready(&self) -> Result<()> {
        if let Some(absent) = Table::ALL.into_iter().find(|table| self.current(*table).is_none()) {
            return Err(self.absent(absent));
        }
        self.looks.are_good(self.options.refresh * REFRESHES_MISSED)
    }

    /// The error for a request to a table that does not exist.
    pub(crate) fn absent(&self, table: Table) -> Error {
        Error::new(Kind::NotReady, self.options.source(table).absent(table))
    }

    /// Warehouses may begin empty; a folder without files is named by mistake, or not filled yet.
    pub(crate) fn warn_of_empty_folders(&self) {
        for table in Table::ALL.into_iter().filter(|table| self.current(*table).is_none()) {
            if let Source::Folder(location) = self.options.source(table) {
                tracing::warn!(folder = %location.url, "{}", self.absent(table));
            }
        }
    }

    /// The newest snapshot seen; `None` where the table does not exist yet.
    pub(crate) fn current(&self, table: Table) -> Option<Arc<PreparedTables>> {
        self.seen(table).map(|seen| seen.prepared)
    }

    pub(super) fn seen(&self, table: Table) -> Option<Seen> {
        self.current.read().get(&table).cloned()
    }

    /// The newest snapshots of the tables that exist, all as one refresh left them.
    pub(crate) fn all(&self) -> Vec<Arc<SnapshotTable>> {
        let current = self.current.read();
        current.values().map(|seen| seen.prepared.table().clone()).collect()
    }

    /// The sources with another table beside them, made when first asked for.
    pub(crate) async fn beside(
        &self,
        sources: &PreparedTables,
        other: &PreparedTables,
    ) -> Result<Arc<PreparedTables>> {
        let (table, versions) =
            (other.snapshot().table, sources.versions_beside(Some(other.snapshot())));
        let held = self.beside.lock().get(&table).cloned();
        if let Some(made) = held.filter(|made| made.versions() == versions) {
            return Ok(made);
        }
        let made = Arc::new(PreparedTables::beside(sources, other, &self.shared).await?);
        self.beside.lock().insert(table, made.clone());
        Ok(made)
    }

    pub(super) async fn prepare(&self, snapshot: Snapshot) -> Result<PreparedTables> {
        let index = TableIndex::open(snapshot, self.shared.index.clone()).await;
        PreparedTables::new(index, &self.shared).await
    }

    /// Looks for new commits of every table, and shows the new snapshots all at once. Returns the tables whose look failed. Objects are
    /// read first and sources last, so that the sources are at least as new as the objects and the forced photometry, and no object is
    /// shown without its sources. If the look at a table fails, the snapshots that were read before it are not shown until a later refresh;
    /// those read after it are.
    pub(crate) async fn refresh(&self) -> Vec<(Table, Error)> {
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        for table in Table::ALL.into_iter().rev() {
            let began = self.looks.begin(table);
            let newer = self.newer(table).await;
            self.looks.end(table, began, &newer);
            match newer {
                Ok(newer) => found.extend(newer),
                Err(error) => {
                    found.clear();
                    failed.push((table, error));
                }
            }
        }
        // Places are committed before what lies there. If a look has failed, this one would, too.
        if failed.is_empty() {
            let source = self.options.source(Table::Places);
            self.shared.places.refresh(source, &self.shared.index).await;
        }
        self.show(found);
        failed
    }

    /// What is there now, if that is another snapshot than the one that is shown.
    async fn newer(&self, table: Table) -> Result<Option<Looked>> {
        let source = self.options.source(table);
        let newer = match self.current(table) {
            Some(current) => source.newer(current.snapshot()).await,
            None => source
                .newest(table)
                .await
                .map(|newest| newest.map(|snapshot| Newer { snapshot, follows: false })),
        };
        self.looks.answered(table);
        let Some(Newer { snapshot, follows }) = newer? else { return Ok(None) };
        let seen = self.seen(table).filter(|_| follows);
        let mut changed = snapshot.entry.as_ref().map(|entry| entry.last_modified);
        if let Some(seen) = seen
            && source.same_rows(seen.prepared.snapshot(), &snapshot).await?
        {
            changed = seen.changed;
        }
        Ok(Some(Looked { prepared: Arc::new(self.prepare(snapshot).await?), follows, changed }))
    }

    /// When the rows of a table were last changed.
    pub(crate) fn changed(&self, table: Table) -> Option<DateTime<Utc>> {
        self.seen(table)?.changed
    }

    /// How the looks at a table went.
    pub(crate) fn looks(&self, table: Table) -> TableLooks {
        self.looks.of(table)
    }

    fn show(&self, found: Vec<Looked>) {
        let mut current = self.current.write();
        for Looked { prepared, follows, changed } in found {
            let snapshot = prepared.snapshot();
            let before = current.remove(&snapshot.table);
            tell(snapshot, before.as_ref().map(|before| before.prepared.snapshot()));
            let (mut history, mut added) = (Arc::default(), Arc::default());
            if let Some(before) = before {
                if follows {
                    history = before.history.clone();
                    if before.prepared.snapshot().schema == snapshot.schema {
                        added = before.added.clone();
                    }
                }
                self.older.keep(before.prepared, before.history);
                self.older.drop_lost(snapshot, &history);
            }
            self.looks.miss(snapshot.table, 0);
            let table = snapshot.table;
            current.insert(table, Seen { prepared, history, added, changed });
        }
        drop(current);
        self.shows.send_modify(|shows| *shows += 1);
    }
}

/// Logs a new snapshot, and warns once of each column of others' files that is not served.
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

/// Refreshes until the last user of `tables` is gone. A failure is logged, and the next refresh tries again; meanwhile the snapshots from
/// before are served.
pub(crate) fn follow(tables: &Arc<Tables>) {
    let weak = Arc::downgrade(tables);
    let every = tables.options.refresh;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            let Some(tables) = weak.upgrade() else { return };
            for (table, error) in tables.refresh().await {
                // While a store is away, each look fails.
                if tables.looks.is_news(table) {
                    tracing::warn!(table = table.name(), %error, "looking for new commits failed");
                }
            }
        }
    });
}

#[cfg(test)]
mod tests;
