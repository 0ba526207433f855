//! A cache of physical plans. Queries that differ in nothing but their values and their snapshot share a plan, in which both are still
//! open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::ExecutionPlan;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Query;
use super::query_sql::SqlText;
use super::served_columns::Chosen;
use crate::error::Result;

/// Memory for the plans of one schema. Clients ask for few sets of columns, each of them many times.
const BYTES: u64 = 8 << 20;
/// What a plan takes in memory, and each of its columns, as measured.
const PLAN_BYTES: usize = 16 << 10;
const COLUMN_BYTES: usize = 1 << 10;

/// What queries that share a plan have in common. A filter is no part of it: a query with one is planned each time, as it may call `now()`.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Shape {
    text: SqlText,
    columns: Chosen,
    limit: Option<usize>,
}

/// A plan and the answer it makes.
pub(crate) struct Planned {
    /// `None` if the query asks for no column that exists.
    pub plan: Option<Arc<dyn ExecutionPlan>>,
    /// The schema of the answer, with served names.
    pub schema: SchemaRef,
}

/// How often a plan had been kept since the start, for all schemas.
#[derive(Debug, Default)]
pub(crate) struct PlanCounts {
    /// Plans that were kept from a query before.
    pub hits: AtomicUsize,
    /// Plans that had to be made.
    pub made: AtomicUsize,
}

/// The plans of one schema.
pub(crate) struct Plans {
    held: Cache<Shape, Arc<Planned>, PlanWeighter>,
    counts: Arc<PlanCounts>,
}

impl Plans {
    /// No plans yet.
    pub(crate) fn new(counts: Arc<PlanCounts>) -> Self {
        let expected = BYTES as usize / PLAN_BYTES;
        Self { held: Cache::with_weighter(expected, BYTES, PlanWeighter), counts }
    }

    /// The plan of a query with the given SQL and columns. A request for a plan that is being made waits for it.
    pub(crate) async fn get(
        &self,
        query: &Query,
        text: SqlText,
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
struct PlanWeighter;

impl Weighter<Shape, Arc<Planned>> for PlanWeighter {
    fn weight(&self, _: &Shape, planned: &Arc<Planned>) -> u64 {
        (PLAN_BYTES + planned.schema.fields().len() * COLUMN_BYTES) as u64
    }
}
