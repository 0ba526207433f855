//! A plan node that passes its rows on a few at a time, with a pause after each step. Steps are as large as the node above it can work
//! through in a short time, since nothing can stop that node within a step.
//!
//! DataFusion's `CooperativeExec` pauses, too. But its pauses come out of what tokio allows a task at once, 128 of them: of a plan that has
//! more of them within each other, the innermost is never reached. Here a pause is followed by rows, however deep the plan is.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};

/// A step that took less time is followed by one of twice as many rows.
const SHORT: Duration = Duration::from_millis(10);
/// A step that took more time is followed by one of half as many rows.
const LONG: Duration = Duration::from_millis(50);

/// The plan node.
#[derive(Debug)]
pub(crate) struct Steps {
    input: Arc<dyn ExecutionPlan>,
    least_rows: usize,
    most_rows: usize,
}

impl Steps {
    /// Steps of at most so many rows each, the first one of a single row.
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, most_rows: usize) -> Self {
        Self { input, least_rows: 1, most_rows }
    }

    /// Steps of at least a thousand rows, without a limit: the time between them may be due to an idle reader.
    pub(crate) fn without_limit(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input, least_rows: 1_024, most_rows: usize::MAX }
    }
}

impl DisplayAs for Steps {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Steps: most_rows={}", self.most_rows)
    }
}

impl ExecutionPlan for Steps {
    fn name(&self) -> &str {
        "Steps"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Self { least_rows, most_rows, .. } = *self;
        Ok(Arc::new(Self { input: children.swap_remove(0), least_rows, most_rows }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(Stepped {
            input: self.input.execute(partition, context)?,
            least_rows: self.least_rows,
            most_rows: self.most_rows,
            rest: None,
            rows: self.least_rows,
            given: None,
            paused: Instant::now(),
            may_pause: true,
        }))
    }
}

/// The rows of one partition.
struct Stepped {
    input: SendableRecordBatchStream,
    least_rows: usize,
    most_rows: usize,
    /// The rest of the batch that is being passed on.
    rest: Option<RecordBatch>,
    /// Rows of the next step.
    rows: usize,
    /// When the last step was passed on.
    given: Option<Instant>,
    /// When the task last paused here.
    paused: Instant,
    /// Whether a step was passed on since.
    may_pause: bool,
}

impl Stream for Stepped {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(given) = self.given.take() {
            self.rows = match given.elapsed() {
                took if took < SHORT => self.rows.saturating_mul(2).min(self.most_rows),
                took if took > LONG => (self.rows / 2).max(self.least_rows),
                _ => self.rows,
            };
        }
        if self.may_pause && self.paused.elapsed() > SHORT {
            self.paused = Instant::now();
            self.may_pause = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match ready!(self.input.poll_next_unpin(context)) {
                Some(batch) => batch?,
                None => return Poll::Ready(None),
            },
        };
        let rows = self.rows.min(batch.num_rows());
        if rows < batch.num_rows() {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        } else {
            self.rows = rows.max(self.least_rows); // no larger than what there is to give
        }
        self.given = Some(Instant::now());
        self.may_pause = true;
        Poll::Ready(Some(Ok(batch.slice(0, rows))))
    }
}

impl RecordBatchStream for Stepped {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use datafusion::datasource::memory::MemorySourceConfig;
    use futures::TryStreamExt;

    use super::*;

    fn numbers(count: i64) -> Arc<dyn ExecutionPlan> {
        let ids = Arc::new(Int64Array::from_iter_values(0..count));
        let batch = RecordBatch::try_from_iter([("id", ids as _)]).unwrap();
        let schema = batch.schema();
        MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None).unwrap()
    }

    #[tokio::test]
    async fn rows_come_in_order_and_in_larger_steps_the_faster_they_are_taken() {
        let steps = Steps::new(numbers(20_000), 4_000).execute(0, Arc::default()).unwrap();
        let batches: Vec<_> = steps.try_collect().await.unwrap();
        assert!(batches[0].num_rows() == 1 && batches.len() < 200, "{}", batches.len());
        assert!(batches.iter().all(|batch| batch.num_rows() <= 4_000));
        let ids = batches
            .iter()
            .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
        assert!(ids.eq(0..20_000));
    }

    #[tokio::test]
    async fn batches_that_are_taken_slowly_stay_batches() {
        let mut steps = Steps::without_limit(numbers(6_000)).execute(0, Arc::default()).unwrap();
        let mut batches = 0;
        while let Some(batch) = steps.next().await {
            assert!(batch.unwrap().num_rows() >= 800);
            batches += 1;
            std::thread::sleep(2 * LONG);
        }
        assert!(batches <= 6, "{batches}");
    }

    #[tokio::test]
    async fn steps_within_each_other_come_to_an_end_however_slowly_they_go() {
        let within = |plan, _| Arc::new(Steps::without_limit(plan)) as Arc<dyn ExecutionPlan>;
        let deep = (0..200).fold(numbers(1), within);
        let mut steps = deep.execute(0, Arc::default()).unwrap();
        let mut pauses = 0;
        std::thread::sleep(2 * SHORT);
        let batch = std::future::poll_fn(|context| {
            std::thread::sleep(Duration::from_millis(1));
            let polled = steps.poll_next_unpin(context);
            pauses += usize::from(polled.is_pending());
            polled
        });
        assert_eq!(batch.await.unwrap().unwrap().num_rows(), 1);
        assert!(pauses >= 200, "{pauses}");
    }
}
