//! Whether a store can be written, and safely: commits rely on it that a name is given once.

use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use uuid::Uuid;

use super::Warehouse;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

impl Warehouse {
    /// Writes an object of a new name to the table's folder, tries to create it again, and deletes it. For the start of a
    /// command that writes: a store that cannot be reached or written is then known before any work is done. A store that
    /// lets the second writer have the name too is a `Storage` error: it would lose commits.
    pub async fn check_writable(&self, table: Table) -> Result<()> {
        let folder = self.location.join(table.name());
        // Readers pass over the name; what a kill leaves of it is vacuum's to remove.
        let probe = folder.prefix.clone().join(format!(".writable.{}.tmp", Uuid::new_v4()));
        let create = || folder.store.put_opts(&probe, "".into(), PutMode::Create.into());
        let failed = |error: object_store::Error| {
            Error::from(error)
                .with_kind(Kind::Storage)
                .context("cannot be written")
                .context(&folder.url)
        };
        match create().await {
            // The name is new: who has it is this very request, whose first answer got lost.
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        let again = create().await;
        if let Err(error) = folder.store.delete(&probe).await {
            tracing::warn!(url = %folder.url, %error, "an object that tried the store remains; vacuum removes it");
        }
        match again {
            Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(_) => {
                let message = format!(
                    "{}: the store ignores conditions (If-None-Match: *): two writers would overwrite each other's commits, \
                     so nothing is written here",
                    folder.url
                );
                Err(Error::new(Kind::Storage, message))
            }
        }
    }
}
