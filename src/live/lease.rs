//! Decides which of several processes reads some topics into a warehouse: the one whose lease is the newest. A lease is a file in
//! `_live/leases`, of a number that nobody had before; its holder writes it again every few seconds. A lease that is not written any more,
//! or whose holder has ended, is followed by the next number, which only one can create.
//!
//! It only spares work. What is committed is right whoever commits it: see [`Positions`](crate::warehouse::Positions).

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path as FilePath;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use twox_hash::XxHash3_64;

use super::LIVE;
use super::counts::{Counts, WAITING};
use crate::error::{Error, Result};
use crate::process::{has_ended, own_name};
use crate::warehouse::{Location, Warehouse};

/// How often a lease is written again, and looked at.
const BEAT: Duration = Duration::from_secs(5);
/// How long it may stay as it is.
const STALE: Duration = Duration::from_secs(20);

/// The process that asks.
const OWN: &str = "/proc/self";

/// The right to read.
pub(super) struct Lease {
    /// Cancelled when someone else has a newer one.
    pub lost: CancellationToken,
    file: Path,
    location: Location,
    beats: AbortOnDropHandle<()>,
}

/// What the file of a lease says.
#[derive(Default, Serialize, Deserialize)]
struct Holder {
    topics: Vec<String>,
    /// The process, if the system names it.
    process: Option<String>,
    /// The user of the process: of others it is not known whether they have ended.
    user: Option<u32>,
    /// How often it was written.
    beats: u64,
    /// Whether the holder has given it up.
    ended: bool,
}

impl Lease {
    /// Waits until it is our turn.
    pub(super) async fn take(
        warehouse: &Warehouse,
        topics: &[String],
        counts: &Counts,
    ) -> Result<Self> {
        let location = warehouse.location().clone();
        let mut topics = topics.to_vec();
        topics.sort_unstable();
        let name = format!("{:016x}", XxHash3_64::oneshot(topics.join("\n").as_bytes()));
        let parts =
            [LIVE.to_string(), "leases".to_string(), name].map(object_store::path::PathPart::from);
        let folder = Path::from_iter(location.prefix.parts().chain(parts));
        let mut seen: Option<(ObjectMeta, Instant)> = None;
        loop {
            let mut files: Vec<ObjectMeta> =
                location.store.list(Some(&folder)).try_collect().await?;
            files.sort_by_key(|file| number(&file.location));
            let newest = files.pop();
            let free = match &newest {
                None => true,
                Some(file) => is_free(&location, file, &mut seen).await?,
            };
            if free {
                let next = newest.as_ref().and_then(|file| number(&file.location)).unwrap_or(0) + 1;
                let file = folder.clone().join(format!("{next:020}.json"));
                let holder = Holder {
                    topics: topics.clone(),
                    process: own_name().map(String::from),
                    user: own_user(),
                    ..Default::default()
                };
                if create(&location, &file, &holder).await? {
                    for old in files.into_iter().chain(newest) {
                        let _ = location.store.delete(&old.location).await;
                    }
                    return Ok(Self::held(location, file, holder));
                }
            } else {
                counts.state.set(WAITING);
                counts.lags(BTreeMap::new());
            }
            sleep(BEAT).await;
        }
    }

    fn held(location: Location, file: Path, mut holder: Holder) -> Self {
        let lost = CancellationToken::new();
        let (told, store, own) = (lost.clone(), location.store.clone(), file.clone());
        let beats = tokio::spawn(async move {
            loop {
                sleep(BEAT).await;
                holder.beats += 1;
                let folder = Path::from_iter(own.parts().take(own.parts_count() - 1));
                let files: Result<Vec<ObjectMeta>, _> =
                    store.list(Some(&folder)).try_collect().await;
                let newer = |file: &ObjectMeta| number(&file.location) > number(&own);
                let beat = match files {
                    Ok(files) if files.iter().any(newer) => return told.cancel(),
                    Ok(_) => store.put(&own, text(&holder).into()).await.map(drop),
                    Err(error) => Err(error),
                };
                if let Err(error) = beat {
                    tracing::warn!(%error, "the lease could not be written again");
                }
            }
        });
        Self { lost, file, location, beats: AbortOnDropHandle::new(beats) }
    }

    /// Gives it up, so that others need not wait.
    pub(super) async fn end(self) {
        self.beats.abort();
        // It was told to end, which is no failure.
        let _ = self.beats.await;
        let ended = Holder { ended: true, ..Default::default() };
        let put = self.location.store.put(&self.file, text(&ended).into()).await;
        if let Err(error) = put {
            tracing::warn!(%error, "the lease could not be given up: another process waits some seconds");
        }
    }
}

fn own_user() -> Option<u32> {
    std::fs::metadata(OWN).ok().map(|own| own.uid())
}

/// Whether the newest lease is nobody's any more.
async fn is_free(
    location: &Location,
    file: &ObjectMeta,
    seen: &mut Option<(ObjectMeta, Instant)>,
) -> Result<bool> {
    let holder = match location.store.get(&file.location).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let holder: Holder = serde_json::from_slice(&holder).unwrap_or_default();
    let gone = |process: &String| has_ended(process, FilePath::new(OWN));
    let is_ours = holder.user.is_some() && holder.user == own_user();
    if holder.ended || (is_ours && holder.process.as_ref().is_some_and(gone)) {
        return Ok(true);
    }
    match seen {
        Some((known, since)) if known == file => Ok(since.elapsed() > STALE),
        _ => {
            if seen.is_none() {
                tracing::info!(process = holder.process, "another process reads these topics");
            }
            *seen = Some((file.clone(), Instant::now()));
            Ok(false)
        }
    }
}

/// Creates the file of a lease; `false` if someone else has.
async fn create(location: &Location, file: &Path, holder: &Holder) -> Result<bool> {
    match location.store.put_opts(file, text(holder).into(), PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(Error::from(error).context("taking the lease")),
    }
}

fn text(holder: &Holder) -> Vec<u8> {
    serde_json::to_vec(holder).unwrap_or_default()
}

/// The number of a lease.
fn number(file: &Path) -> Option<u64> {
    file.filename()?.strip_suffix(".json")?.parse().ok()
}
