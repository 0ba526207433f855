//! What goes back to whom, and what ends when nobody takes it.

use arrow::datatypes::Schema;
use datafusion::physical_plan::EmptyRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::*;
use crate::error::Kind;
use crate::limits::Gate;

const LONG: Limit = Limit::NONE;

fn one_place() -> Gate {
    Gate::new("tests", 1, Duration::from_secs(60))
}

fn schema() -> SchemaRef {
    Arc::new(Schema::empty())
}

/// Empty batches without an end.
async fn endless() -> Result<SendableRecordBatchStream> {
    let batches = stream::repeat_with(|| Ok(RecordBatch::new_empty(schema())));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), batches)))
}

#[tokio::test]
async fn a_reader_that_leaves_stops_the_work_and_frees_its_place() {
    let (workers, gate) = (Workers::new().unwrap(), one_place());
    let mut rows = workers.stream(schema(), gate.enter().await.unwrap(), LONG, endless());
    rows.next().await.unwrap().unwrap();
    drop(rows);
    drop(gate.enter().await.unwrap());
}

#[tokio::test]
async fn what_is_over_its_limit_ends_with_a_timeout() {
    let workers = Workers::new().unwrap();
    for limit in [Limit::total(Duration::from_millis(1)), Limit::idle(Duration::from_millis(1))] {
        let gate = one_place();
        let rows = workers.stream(schema(), gate.enter().await.unwrap(), limit, endless());
        drop(gate.enter().await.unwrap()); // nobody reads until it has ended
        let error = rows.try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(Error::from(error).kind(), Kind::Timeout, "{limit:?}");
    }
}

#[tokio::test]
async fn failures_and_panics_are_the_last_item() {
    let workers = Workers::new().unwrap();
    let failing = async { Err(Error::argument("no")) };
    let place = one_place().enter().await.unwrap();
    let mut rows = workers.stream(schema(), place, LONG, failing);
    let error = Error::from(rows.next().await.unwrap().unwrap_err());
    assert_eq!(error.kind(), Kind::Argument);
    assert!(rows.next().await.is_none());

    let panicking = async { if true { panic!("on purpose") } else { endless().await } };
    let place = one_place().enter().await.unwrap();
    let mut rows = workers.stream(schema(), place, LONG, panicking);
    let error = Error::from(rows.next().await.unwrap().unwrap_err());
    assert_eq!(error.kind(), Kind::Internal);
    assert!(workers.run(async { Ok(1) }).await.is_ok());
}

#[tokio::test]
async fn items_made_ahead_come_in_order_and_a_panic_is_no_end() {
    let workers = Workers::new().unwrap();
    let items = workers.ahead(stream::iter([1, 2, 3]).boxed(), (), LONG, |_| 0);
    assert_eq!(items.collect::<Vec<_>>().await, [1, 2, 3]);
    let panicking = stream::iter([1, 2, 3]).inspect(|item| assert!(*item < 2, "on purpose"));
    let items = workers.ahead(panicking.boxed(), (), LONG, |_| 0);
    assert_eq!(items.collect::<Vec<_>>().await, [1, 0]);
}

#[tokio::test]
async fn what_waits_for_a_reader_that_stalls_is_dropped_and_the_place_is_free() {
    let workers = Workers::new().unwrap();
    for limit in [Limit::total(Duration::from_millis(1)), Limit::idle(Duration::from_millis(1))] {
        let (gate, held) = (one_place(), Arc::new(()));
        // As many as there is room for, and one more.
        for count in [1, 2, 3] {
            let items = stream::iter(vec![Some(held.clone()); count]).boxed();
            let items = workers.ahead(items, gate.enter().await.unwrap(), limit, |_| None);
            drop(gate.enter().await.unwrap()); // nobody reads until it has ended
            while Arc::strong_count(&held) > 1 {
                tokio::task::yield_now().await;
            }
            assert_eq!(items.collect::<Vec<_>>().await, [None], "{limit:?}");
        }
    }
}

#[tokio::test]
async fn an_end_is_an_end() {
    let empty =
        async { Ok(Box::pin(EmptyRecordBatchStream::new(schema())) as SendableRecordBatchStream) };
    let place = one_place().enter().await.unwrap();
    let mut rows = Workers::new().unwrap().stream(schema(), place, LONG, empty);
    assert!(rows.next().await.is_none());
}
