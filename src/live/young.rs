//! Merges the small files that commits of every few seconds leave, beside the reading. All else is left to `maintain run`.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::Kind;
use crate::schema::Table;
use crate::warehouse::{MergePolicy, Warehouse};

/// The thread that merges.
pub(crate) struct Merging {
    stop: CancellationToken,
    warehouse: Warehouse,
    thread: JoinHandle<()>,
}

impl Merging {
    /// Begins to merge what is due each time that it is told of a commit.
    pub(crate) fn begin(warehouse: &Warehouse, committed: Arc<Notify>) -> Self {
        let (stop, runtime) = (CancellationToken::new(), Handle::current());
        let (told, own) = (stop.clone(), warehouse.clone());
        let thread = tokio::task::spawn_blocking(move || {
            runtime.block_on(told.run_until_cancelled(async {
                loop {
                    committed.notified().await;
                    for table in Table::STORED {
                        merge(&own, table).await;
                    }
                }
            }));
        });
        Self { stop, warehouse: warehouse.clone(), thread }
    }

    /// Stops it, once the last commit is done, and deletes what was not committed.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.thread.await {
            tracing::error!(%error, "the merging of young files ended");
        }
        // Nothing else of this process is being written then.
        self.warehouse.discard_uncommitted().await;
    }
}

/// Does all merges of young files of a table that are due. What fails is tried again after the next commit.
async fn merge(warehouse: &Warehouse, table: Table) {
    let name = table.name();
    let error = loop {
        match warehouse.merge_young(table, &MergePolicy::DEFAULT).await {
            Ok(Some((merge, Ok(_)))) => {
                tracing::debug!(table = name, files = merge.files.len(), "merged young files");
            }
            Ok(None) => return,
            Ok(Some((_, Err(error)))) | Err(error) => break error,
        }
    };
    // `maintain run` may have been first.
    if ![Kind::Conflict, Kind::NotFound].contains(&error.kind()) {
        tracing::warn!(table = name, %error, "young files are not merged");
    }
}
