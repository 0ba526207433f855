//! How far streams of alerts have been read: for each partition a `txn` action of Delta, whose version is the offset of the next message.
//! It comes with the rows of the messages before it, in the commit of the last table, so both are there or neither. Another one of each topic
//! has what its id is known by: a topic that was made anew under its name has another.

use std::collections::{BTreeMap, BTreeSet};

use deltalake_core::kernel::{Action, EagerSnapshot, Transaction};

use super::Log;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::Warehouse;

/// What the applications of the `txn` actions begin with; then come topic and partition.
const APPLICATION: &str = "diaflight.live";

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The name of the topic.
    pub topic: String,
    /// The number of the partition.
    pub number: i32,
}

impl Partition {
    fn application(&self) -> String {
        format!("{}/{}", of_topic(&self.topic), self.number)
    }
}

/// No topic has a slash in its name.
fn of_topic(topic: &str) -> String {
    format!("{APPLICATION}/{topic}")
}

/// How far partitions have been read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Positions {
    /// The version of the table in which they were found: nobody else may have moved them since.
    pub since: Option<u64>,
    /// The offset of the next message of each.
    pub next: BTreeMap<Partition, i64>,
    /// The hash of the id of each topic, where the brokers give ids.
    pub topics: BTreeMap<String, i64>,
}

impl Positions {
    /// The actions that move the positions.
    pub(super) fn actions(&self) -> impl Iterator<Item = Action> {
        let next = self.next.iter().map(|(partition, next)| (partition.application(), next));
        let topics = self.topics.iter().map(|(topic, id)| (of_topic(topic), id));
        next.chain(topics).map(|(application, is)| Action::Txn(Transaction::new(application, *is)))
    }

    /// Fails with [`Kind::Gone`] if a version after `since` has moved one of the positions.
    pub(super) async fn check(&self, log: &Log, current: &EagerSnapshot) -> Result<()> {
        if self.next.is_empty() {
            return Ok(());
        }
        for version in self.since.map_or(0, |since| since + 1)..=current.version() {
            let Some(actions) = log.actions(version).await? else {
                let why = format!("version {version} is not in the log any more");
                return Err(log.failed(Error::new(Kind::Gone, why)));
            };
            if let Some(moved) = self.next.keys().find(|one| is_moved(one, &actions)) {
                let Partition { topic, number } = moved;
                let why = format!("version {version} has read on in partition {number} of {topic}");
                return Err(log.failed(Error::new(Kind::Gone, why)));
            }
        }
        Ok(())
    }
}

fn is_moved(partition: &Partition, actions: &[Action]) -> bool {
    let application = partition.application();
    actions.iter().any(|action| matches!(action, Action::Txn(txn) if txn.app_id == application))
}

/// Whether an action says how far a stream has been read.
pub(super) fn is_position(action: &Action) -> bool {
    matches!(action, Action::Txn(txn) if txn.app_id.starts_with(APPLICATION))
}

impl Warehouse {
    /// How far some partitions have been read; those that never were are left out.
    pub async fn positions(&self, partitions: &[Partition]) -> Result<Positions> {
        let log = Log::new(&self.location, Table::LAST)?;
        let Some(state) = log.state(None).await? else { return Ok(Positions::default()) };
        let mut positions = Positions { since: Some(state.version()), ..Default::default() };
        let found = async |application: String| {
            let found = state.transaction_version(log.delta.as_ref(), application).await;
            found.map_err(|error| log.failed(Error::from(error)))
        };
        for partition in partitions {
            let next = found(partition.application()).await?;
            positions.next.extend(next.map(|next| (partition.clone(), next)));
        }
        for topic in partitions.iter().map(|partition| &partition.topic).collect::<BTreeSet<_>>() {
            let id = found(of_topic(topic)).await?;
            positions.topics.extend(id.map(|id| (topic.clone(), id)));
        }
        Ok(positions)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
    use uuid::Uuid;

    use super::*;
    use crate::schema::{KEY, TIME};
    use crate::warehouse::{Change, Operation, SortedWriter};

    fn one() -> Partition {
        Partition { topic: "alerts".to_string(), number: 7 }
    }

    /// Adds a row of an object, and says that the next message of a partition is this one.
    async fn commit(warehouse: &Warehouse, object: i64, read: &Positions) -> Result<u64> {
        let key: ArrayRef = Arc::new(Int64Array::from(vec![object]));
        let time: ArrayRef = Arc::new(Float64Array::from(vec![61000.5]));
        let rows = RecordBatch::try_from_iter([(KEY, key), (TIME, time)]).unwrap();
        let mut writer = SortedWriter::new(warehouse, Table::LAST, rows.schema());
        writer.write(&rows).await.unwrap();
        let add = writer.finish().await.unwrap();
        let base = warehouse.snapshot(Table::LAST, None).await.unwrap();
        let (operation, schema) = (Operation::Ingest, rows.schema());
        let change = Change { operation, schema, add, remove: vec![] };
        warehouse.commit_read(Table::LAST, base.as_ref(), change, read).await
    }

    fn read(since: Option<u64>, next: i64) -> Positions {
        let topics = [("alerts".to_string(), 1234)].into();
        Positions { since, next: [(one(), next)].into(), topics }
    }

    #[tokio::test]
    async fn positions_come_with_rows_and_only_one_reader_moves_them() {
        let warehouse = Warehouse::open(&format!("memory://{}", Uuid::new_v4())).unwrap();
        let other = Partition { number: 8, ..one() };
        let asked = [one(), other.clone()];
        assert_eq!(warehouse.positions(&asked).await.unwrap(), Positions::default());
        let mut since = Some(commit(&warehouse, 1, &read(None, 100)).await.unwrap());
        assert_eq!(warehouse.positions(&asked).await.unwrap(), read(since, 100));
        // Whoever began before reads the same partition, and is told.
        let late = commit(&warehouse, 2, &read(None, 50)).await.unwrap_err();
        assert_eq!(late.kind(), Kind::Gone);
        assert!(late.to_string().contains("has read on in partition 7 of alerts"), "{late}");
        assert_eq!(warehouse.positions(&asked).await.unwrap(), read(since, 100));
        // Commits of others, and of other partitions, do not count.
        commit(&warehouse, 3, &Positions::default()).await.unwrap();
        let of_other = Positions { next: [(other.clone(), 5)].into(), ..Positions::default() };
        commit(&warehouse, 4, &of_other).await.unwrap();
        // Over checkpoints, too.
        for next in 101..160 {
            since = Some(commit(&warehouse, next, &read(since, next)).await.unwrap());
        }
        let found = warehouse.positions(&asked).await.unwrap();
        assert_eq!(found.next, [(one(), 159), (other, 5)].into());
        assert_eq!((found.since, found.topics), (since, read(since, 0).topics));
    }
}
