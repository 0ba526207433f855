//! Whether a store can be written, and safely: commits rely on it that a name is given once, and that what has a name is listed
//! under it.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode};
use uuid::Uuid;

use super::{Location, Warehouse};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

impl Warehouse {
    /// Deletes what killed processes left of all tables. Then tries the store with an object of a new name in the table's folder, which is
    /// gone afterwards. For the start of a command that writes: a store that cannot be reached or written is then known before any work is
    /// done. One that lets a second writer have the name too would lose commits, one that lists the object under another name would not
    /// find them again: both are `Storage` errors, as is every other failure.
    pub async fn check_writable(&self, table: Table) -> Result<()> {
        for table in Table::STORED {
            if let Err(error) = self.remove_leftovers(table).await {
                tracing::warn!(table = table.name(), %error, "what killed processes left could not be looked for");
            }
        }
        let folder = self.location.join(table.name());
        // Readers ignore the name. If the process is killed, vacuum removes the file.
        let probe = folder.prefix.clone().join(format!(".writable.{}.tmp", Uuid::new_v4()));
        // A command that is stopped meanwhile deletes this file together with all uncommitted files.
        let (upload, url) = (self.upload(probe.clone()), folder.url.clone());
        let named = probe.clone();
        let tried = upload.hold(async move { try_with(&folder, &named).await }).await;
        self.discard_object(&probe).await;
        tried?.map_err(|error| error.with_kind(Kind::Storage).context(url))
    }
}

async fn try_with(folder: &Location, probe: &Path) -> Result<()> {
    let create = || folder.store.put_opts(probe, "".into(), PutMode::Create.into());
    let failed = |error| Error::from(error).context("cannot be written");
    match create().await {
        // The name is new, so only this request can have created it: the response to its first attempt was lost.
        Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
        Err(error) => return Err(failed(error)),
    }
    match create().await {
        Err(object_store::Error::AlreadyExists { .. }) => {}
        Err(error) => return Err(failed(error)),
        Ok(_) => {
            let why = "the store ignores conditions (If-None-Match: *): two writers would overwrite each other's commits, so \
                       nothing is written here";
            return Err(Error::new(Kind::Storage, why));
        }
    }
    if !is_listed(folder, probe).await? {
        let why = "the store changes this name when it stores a file: a file written here would not be found again";
        return Err(Error::new(Kind::Storage, why));
    }
    Ok(())
}

async fn is_listed(folder: &Location, probe: &Path) -> Result<bool> {
    let mut objects = folder.store.list(Some(&folder.prefix));
    loop {
        match objects.try_next().await {
            Ok(Some(object)) if object.location == *probe => return Ok(true),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(false),
            // Beside a name that no path can have.
            Err(object_store::Error::InvalidPath { .. }) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(folder.list().await?.objects.iter().any(|object| object.location == *probe))
}
