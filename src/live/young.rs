//! Merges the small files that commits of every few seconds leave, beside the reading. All else is left to `maintain run`.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::Kind;
use crate::schema::Table;
use crate::warehouse::{MergePolicy, Warehouse};

/// Merges what is due, on a thread of its own, each time that it is told of a commit, until the guard is dropped.
pub(super) fn merging(warehouse: Warehouse, committed: Arc<Notify>) -> DropGuard {
    let stop = CancellationToken::new();
    let (guard, runtime) = (stop.clone().drop_guard(), Handle::current());
    tokio::task::spawn_blocking(move || {
        runtime.block_on(stop.run_until_cancelled(async {
            loop {
                committed.notified().await;
                for table in Table::ALL {
                    merge(&warehouse, table).await;
                }
            }
        }))
    });
    guard
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
