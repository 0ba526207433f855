//! When each version of a table was committed, by what the commits say: a copy of a table has the same versions at the same times. A commit
//! that tells no time has that of its file.
//!
//! Clocks of writers differ, so a commit may claim to be earlier than one before it. It is then taken to be as late as that one: times
//! never go back from version to version. Nor may one clock that is far ahead date all versions after it: a claim that is more than
//! [`AHEAD`] after the commit's file was written is not believed.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::try_join_all;
use parking_lot::Mutex;

use super::Log;
use crate::error::Result;

/// How far the clock of a writer may be ahead of that of the store.
const AHEAD: TimeDelta = TimeDelta::hours(1);
/// Commits read at once. Each is read once.
const AT_ONCE: usize = 16;

/// What is known of the versions of a table. It is kept, since commits do not change. Another table in its place, or a backup, gets another
/// history.
#[derive(Debug, Default)]
pub struct History(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The versions, ascending, with the times of their files.
    versions: Arc<Vec<(u64, DateTime<Utc>)>>,
    /// What the commits say.
    claimed: HashMap<u64, DateTime<Utc>>,
}

impl History {
    /// The version that was the newest at a time; `None` if all are later.
    pub(crate) async fn version_at(&self, log: &Log, time: &DateTime<Utc>) -> Result<Option<u64>> {
        let known = self.0.lock().versions.clone();
        let mut found = self.first_after(log, &known, time).await?;
        let newest = known.last().map(|(version, _)| *version);
        let complete = match newest {
            Some(newest) => found < known.len() || log.entry(newest + 1).await?.is_none(),
            None => false,
        };
        if complete {
            return Ok(found.checked_sub(1).map(|index| known[index].0));
        }
        let all = self.read(log).await?;
        found = self.first_after(log, &all, time).await?;
        Ok(found.checked_sub(1).map(|index| all[index].0))
    }

    /// When the oldest version was committed that is still in the log.
    pub(crate) async fn oldest(&self, log: &Log) -> Result<Option<DateTime<Utc>>> {
        match self.read(log).await?.first() {
            Some(oldest) => self.claimed(log, *oldest).await.map(Some),
            None => Ok(None),
        }
    }

    /// When each version was committed, ascending.
    pub(crate) async fn times(&self, log: &Log) -> Result<Vec<(u64, DateTime<Utc>)>> {
        let versions = self.read(log).await?;
        let mut latest = DateTime::<Utc>::MIN_UTC;
        let mut times = Vec::with_capacity(versions.len());
        for some in versions.chunks(AT_ONCE) {
            for ((version, _), claimed) in some.iter().zip(self.claims(log, some).await?) {
                latest = latest.max(claimed);
                times.push((*version, latest));
            }
        }
        Ok(times)
    }

    async fn read(&self, log: &Log) -> Result<Arc<Vec<(u64, DateTime<Utc>)>>> {
        let versions = Arc::new(log.versions().await?);
        self.0.lock().versions = versions.clone();
        Ok(versions)
    }

    /// The place of the first version that was committed after a time. As times never go back, it is the first that claims so.
    async fn first_after(
        &self,
        log: &Log,
        versions: &[(u64, DateTime<Utc>)],
        time: &DateTime<Utc>,
    ) -> Result<usize> {
        for (chunk, some) in versions.chunks(AT_ONCE).enumerate() {
            let claims = self.claims(log, some).await?;
            if let Some(place) = claims.iter().position(|claimed| claimed > time) {
                return Ok(chunk * AT_ONCE + place);
            }
        }
        Ok(versions.len())
    }

    async fn claims(
        &self,
        log: &Log,
        versions: &[(u64, DateTime<Utc>)],
    ) -> Result<Vec<DateTime<Utc>>> {
        try_join_all(versions.iter().map(|version| self.claimed(log, *version))).await
    }

    async fn claimed(
        &self,
        log: &Log,
        (version, file): (u64, DateTime<Utc>),
    ) -> Result<DateTime<Utc>> {
        if let Some(claimed) = self.0.lock().claimed.get(&version) {
            return Ok(*claimed);
        }
        let claimed = log.committed(version).await?;
        let claimed = claimed.filter(|claimed| *claimed <= file + AHEAD).unwrap_or(file);
        self.0.lock().claimed.insert(version, claimed);
        Ok(claimed)
    }
}
