//! The rows of many objects, in key order, and how many of the objects have some.
//!
//! They are the rows of one query after another; while the rows of one go out, the next is planned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};

use super::answer::answer;
use super::ids::SortedIds;
use crate::error::Error;
use crate::query::{Columns, Engine, ObjectIds, Query};
use crate::schema::{Family, KEY};
use crate::workers::Workers;

/// Ids of one query, enough to outweigh its planning.
const IDS_PER_QUERY: usize = 1 << 14;
const QUERIES_AHEAD: usize = 2;

/// The rows of `ids` that `query` asks for, with its `schema`, and a count that is complete when they have all come.
pub(crate) fn rows(
    engine: Engine,
    workers: Workers,
    mut query: Query,
    ids: SortedIds,
    schema: SchemaRef,
) -> (SendableRecordBatchStream, Arc<AtomicU64>) {
    let key = format!("{}:{KEY}", Family::Rubin.prefix());
    if let Columns::Named(names) = &mut query.columns {
        names.push(key.clone()); // last, unless it is asked for
    }
    let count = ids.as_slice().len();
    let queries = (0..count).step_by(IDS_PER_QUERY).map(move |start| {
        let end = count.min(start + IDS_PER_QUERY);
        let ids = ObjectIds::Listed(ids.as_slice()[start..end].to_vec());
        Query { ids, ..query.clone() }
    });
    let answers = stream::iter(queries).map(move |query| {
        let (engine, workers) = (engine.clone(), workers.clone());
        async move { workers.run(async move { answer(&engine, &query).await }).await }
    });
    let answers = answers.buffered(QUERIES_AHEAD).map_ok(|answer| answer.rows);
    let found = Arc::new(AtomicU64::new(0));
    let (counted, asked, mut last_key) = (found.clone(), schema.clone(), None);
    let rows = answers.map_err(DataFusionError::from).try_flatten().map(move |batch| {
        let batch: RecordBatch = batch?;
        let keys = batch.column_by_name(&key);
        let keys = keys.ok_or_else(|| Error::internal(format!("the table has no column {key}")))?;
        let keys = keys.as_primitive::<Int64Type>().values();
        counted.fetch_add(count_objects(keys, &mut last_key), Ordering::Relaxed);
        let columns = batch.columns()[..asked.fields().len()].to_vec();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(asked.clone(), columns, &options)?)
    });
    (Box::pin(RecordBatchStreamAdapter::new(schema, rows)), found)
}

/// How many objects there are among these ascending keys, besides that of `last_key`.
fn count_objects(keys: &[i64], last_key: &mut Option<i64>) -> u64 {
    let begin = keys.iter().filter(|&&key| last_key.replace(key) != Some(key));
    begin.count() as u64
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};
    use arrow::datatypes::Schema;

    use super::super::ids::Ids;
    use super::*;
    use crate::limits::Budget;
    use crate::query::EngineOptions;
    use crate::schema::Table;
    use crate::warehouse::Warehouse;

    #[tokio::test]
    async fn the_memory_of_the_ids_is_held_as_long_as_they_are() {
        let warehouse = Warehouse::open("memory://matches").unwrap();
        let engine = Engine::open(EngineOptions::from_warehouse(&warehouse)).await.unwrap();
        let budget = Budget::new("ids", 1 << 20);
        let all = budget.free_bytes();
        let mut ids = Ids::new(100, budget.hold());
        let few: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        ids.add(&RecordBatch::try_from_iter([(KEY, few)]).unwrap()).unwrap();
        let query = Query::newest_first(Table::Sources, Vec::new(), Columns::All);
        let (ids, workers) = (ids.sorted(), Workers::current());
        let (mut rows, _) = rows(engine, workers, query, ids, Arc::new(Schema::empty()));
        assert!(budget.free_bytes() < all);
        assert!(rows.next().await.unwrap().is_err(), "there is no table");
        assert!(budget.free_bytes() < all);
        drop(rows);
        assert_eq!(budget.free_bytes(), all);
    }

    #[test]
    fn objects_are_counted_once_across_batches() {
        let mut last_key = None;
        let counts = [&[1, 1, 2][..], &[2, 2], &[], &[3]];
        assert_eq!(counts.map(|keys| count_objects(keys, &mut last_key)), [2, 0, 0, 1]);
    }
}
