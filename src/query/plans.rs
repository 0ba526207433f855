//! Plans made once and used again. In: what a query asks for beside its values: the text of its statement, columns, limit. Out: the physical
//! plan, its parameters and its snapshot open, with the names of the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::ExecutionPlan;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Query;
use super::columns::Chosen;
use super::statement::Text;
use crate::error::Result;

/// For the plans of a schema: clients ask for few sets of columns, each again and again.
const BYTES: u64 = 8 << 20;
/// What a plan takes, and each of its columns, measured.
const PLAN_BYTES: usize = 16 << 10;
const COLUMN_BYTES: usize = 1 << 10;

/// What makes a plan another one. A predicate does too, but its plan is made each time: it may call `now()`.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Shape {
    text: Text,
    columns: Chosen,
    limit: Option<usize>,
}

/// A plan and the answer it makes.
pub struct Planned {
    /// `None` where there is no column to read.
    pub plan: Option<Arc<dyn ExecutionPlan>>,
    /// Served names.
    pub schema: SchemaRef,
}

/// How often a plan was at hand since the start, of all schemas.
#[derive(Debug, Default)]
pub struct PlanCounts {
    pub hits: AtomicUsize,
    pub made: AtomicUsize,
}

/// The plans of one schema.
pub struct Plans {
    held: Cache<Shape, Arc<Planned>, ByBytes>,
    counts: Arc<PlanCounts>,
}

impl Plans {
    pub fn new(counts: Arc<PlanCounts>) -> Self {
        let expected = BYTES as usize / PLAN_BYTES;
        Self { held: Cache::with_weighter(expected, BYTES, ByBytes), counts }
    }

    /// The plan of a query's shape, whose columns are `chosen` by their places; who asks while it is being made waits for it.
    pub async fn get(
        &self,
        query: &Query,
        text: Text,
        chosen: &Chosen,
        make: impl Future<Output = Result<Planned>>,
    ) -> Result<Arc<Planned>> {
        let make = async {
            self.counts.made.fetch_add(1, Ordering::Relaxed);
            make.await.map(Arc::new)
        };
        if query.filter.is_some() {
            return make.await;
        }
        let shape = Shape { text, columns: chosen.clone(), limit: query.limit };
        if let Some(held) = self.held.get(&shape) {
            self.counts.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(held);
        }
        self.held.get_or_insert_async(&shape, make).await
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Shape, Arc<Planned>> for ByBytes {
    fn weight(&self, _: &Shape, planned: &Arc<Planned>) -> u64 {
        (PLAN_BYTES + planned.schema.fields().len() * COLUMN_BYTES) as u64
    }
}
