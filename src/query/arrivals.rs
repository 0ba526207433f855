//! The sources that a table gets, version after version, for whoever follows it. [`Follower::arrivals`] are the rows of a query that each
//! version added, once the version is shown; between two versions it waits.
//!
//! It begins with the version since which it follows. Nothing is queued: a follower that reads slowly is versions behind, and reads them from
//! the files that they added. Where these are gone, or a version does not tell what is new, the follower is told which versions it missed.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::EmptyRecordBatchStream;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::added_rows::AddedRows;
use super::engine::{Answer, Engine, with_schema};
use super::follow::{Seen, Tables};
use super::{Query, UnknownColumn, Versions};
use crate::error::{Error, Kind, Result};
use crate::limits::{Limits, Permit};
use crate::schema::Table;
use crate::warehouse::NewRows;
use crate::workers::Workers;

/// What a follower is told.
#[derive(Debug)]
pub enum Arrival {
    /// Some rows of the next version.
    Rows(RecordBatch),
    /// All rows of a version have been told.
    Version(ToldVersion),
    /// The new rows of these versions cannot be told.
    Missed {
        /// Their numbers.
        versions: RangeInclusive<u64>,
        /// The reason.
        why: &'static str,
    },
}

/// A version whose rows have been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldVersion {
    /// Its number.
    pub version: u64,
    /// [`Snapshot::id`](crate::warehouse::Snapshot::id).
    pub id: u64,
    /// So many rows of the query were told of it.
    pub rows: u64,
    /// The newest version that is shown: how far the follower is behind.
    pub newest: u64,
}

/// Follows the sources from a version on.
pub struct Follower {
    engine: Engine,
    query: Query,
    /// The schema of all rows.
    pub schema: SchemaRef,
    /// Names asked for that the table does not have.
    pub unknown_columns: Vec<UnknownColumn>,
    /// The table when it began: another one in its place is not followed.
    seen: Seen,
    shown: watch::Receiver<u64>,
    /// The version up to which all is told.
    told: u64,
    missed: Option<(RangeInclusive<u64>, &'static str)>,
    telling: Option<Telling>,
    /// Cancelled when the server is to stop.
    stopping: CancellationToken,
}

/// A version whose rows are being told.
struct Telling {
    version: ToldVersion,
    rows: SendableRecordBatchStream,
}

impl Tables {
    /// What a version added to a table, which is the newest one seen or older.
    async fn added(&self, seen: &Seen, version: u64) -> Result<AddedRows> {
        let known = seen.prepared.snapshot();
        let added = async {
            Ok(match self.options().source(known.table).new_rows(version, known).await? {
                NewRows::None => AddedRows::None,
                NewRows::Unknown { until, why } => AddedRows::Unknown { until, why },
                NewRows::In(snapshot) => AddedRows::In(Arc::new(self.prepare(*snapshot).await?)),
            })
        };
        seen.added.get(version, added).await
    }
}

impl Engine {
    /// The version after which a query that follows the sources goes on. Errors as those of [`Follower::begin`].
    pub async fn since(&self, query: &Query) -> Result<Versions> {
        let seen = self.tables.seen(Table::Sources);
        let seen = seen.ok_or_else(|| self.tables.absent(Table::Sources))?;
        let (table, id) = self.tables.since(&seen, query.as_of.as_ref()).await?;
        Ok(Versions { table, beside: None, ids: [id, 0] })
    }

    /// Follows the sources of a query, from its `as_of` on, or from now on. Errors: `Argument` for a version that is not there (yet), or a
    /// table of others; `Gone` for one of a table that another has replaced.
    async fn follow(&self, query: &Query, stopping: CancellationToken) -> Result<Follower> {
        let (engine, tables) = (self.clone(), &self.tables);
        let shown = tables.shown();
        let seen = tables.seen(Table::Sources).ok_or_else(|| tables.absent(Table::Sources))?;
        let known = seen.prepared.snapshot();
        let (told, id) = tables.since(&seen, query.as_of.as_ref()).await?;
        let begin = ToldVersion { version: told, id, rows: 0, newest: known.version };
        let query = Query { as_of: None, ..query.clone() };
        // This checks the query before anything is told.
        let none = Query { limit: Some(0), ..query.clone() };
        let Answer { schema, unknown_columns, .. } = self.run_on(&seen.prepared, &none).await?;
        let (missed, telling) = (None, Some(Telling { version: begin, rows: empty(&schema) }));
        Ok(Follower {
            engine,
            query,
            schema,
            unknown_columns,
            seen,
            shown,
            told,
            missed,
            telling,
            stopping,
        })
    }
}

impl Follower {
    /// Begins to follow on the workers, where planning a filter stops no one else. The permit is for as long as it goes on.
    pub async fn begin(
        engine: &Engine,
        query: Query,
        (limits, workers): (&Limits, &Workers),
        stopping: CancellationToken,
    ) -> Result<(Self, Permit)> {
        let place = limits.streams.enter().await?;
        let planning = match query.filter {
            Some(_) => Some(limits.planning.enter().await?),
            None => None,
        };
        let engine = engine.clone();
        let begun = workers.run(async move {
            let _planning = planning;
            engine.follow(&query, stopping).await
        });
        Ok((begun.await?, place))
    }

    /// All that comes, until an error ends it.
    pub fn arrivals(self) -> BoxStream<'static, Result<Arrival>> {
        let arrivals = stream::try_unfold(self, |mut follower| async {
            Ok(Some((follower.next().await?, follower)))
        });
        arrivals.boxed()
    }

    /// What comes next, first the version since which it follows. It waits where there is nothing. After an error nothing follows: the
    /// versions after the last [`Version`](Arrival::Version) are to be asked for again. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<Arrival> {
        loop {
            if self.stopping.is_cancelled() {
                let why = "the server stops: go on with another one, since the last version";
                return Err(Error::new(Kind::NotReady, why));
            }
            if let Some(telling) = &mut self.telling {
                let batch = telling.rows.try_next().await;
                if let Some(batch) = batch.map_err(|error| self.query.failed(error))? {
                    telling.version.rows += batch.num_rows() as u64;
                    if batch.num_rows() > 0 {
                        return Ok(Arrival::Rows(batch));
                    }
                    continue;
                }
                let Telling { version, .. } = *telling;
                (self.told, self.telling) = (version.version, None);
                return Ok(Arrival::Version(version));
            }
            self.shown.borrow_and_update();
            let newest = self.look()?;
            if self.told < newest {
                let added = self.engine.tables.added(&self.seen, self.told + 1).await?;
                if let Some(missed) = self.take(&added, newest).await? {
                    return Ok(missed);
                }
                continue;
            }
            if let Some(missed) = self.tell_missed() {
                return Ok(missed);
            }
            let ended = |_| Error::internal("the tables are not followed any more");
            tokio::select! {
                shown = self.shown.changed() => shown.map_err(ended)?,
                () = self.stopping.cancelled() => {}
            }
        }
    }

    /// The newest version that is shown now; `Gone` if another table has taken the place of the one that is followed.
    fn look(&mut self) -> Result<u64> {
        let tables = &self.engine.tables;
        let seen = tables.seen(Table::Sources).ok_or_else(|| tables.absent(Table::Sources))?;
        if !Arc::ptr_eq(&seen.history, &self.seen.history) {
            let why = "the table sources has been created anew or restored: ask for its rows again, and follow it from then on";
            return Err(Error::new(Kind::Gone, why));
        }
        self.seen = seen;
        Ok(self.seen.prepared.snapshot().version)
    }

    /// Begins to tell what the next version added. First comes what was missed before it.
    async fn take(&mut self, added: &AddedRows, newest: u64) -> Result<Option<Arrival>> {
        match added {
            AddedRows::None => self.told += 1,
            AddedRows::Unknown { until, why } => {
                let first = self.told + 1;
                let last = (*until).clamp(first, newest);
                self.told = last;
                match &mut self.missed {
                    Some((versions, before)) if before == why => {
                        *versions = *versions.start()..=last
                    }
                    other => return Ok(other.replace((first..=last, why)).map(missed)),
                }
            }
            AddedRows::In(prepared) => {
                if let Some(missed) = self.tell_missed() {
                    return Ok(Some(missed));
                }
                let answer = self.engine.run_on(prepared, &self.query).await?;
                if answer.schema.fields() != self.schema.fields() {
                    let why = "the table sources has other columns now: ask again";
                    return Err(Error::new(Kind::Gone, why));
                }
                let snapshot = prepared.snapshot();
                let (version, id) = (snapshot.version, snapshot.id());
                let rows = with_schema(answer.rows, self.schema.clone());
                self.telling =
                    Some(Telling { version: ToldVersion { version, id, rows: 0, newest }, rows });
            }
        }
        Ok(None)
    }

    fn tell_missed(&mut self) -> Option<Arrival> {
        self.missed.take().map(missed)
    }
}

fn empty(schema: &SchemaRef) -> SendableRecordBatchStream {
    Box::pin(EmptyRecordBatchStream::new(schema.clone()))
}

fn missed((versions, why): (RangeInclusive<u64>, &'static str)) -> Arrival {
    Arrival::Missed { versions, why }
}
