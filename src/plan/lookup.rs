//! The rows of some objects, as a plan of DataFusion's. In: filters whose parameters are open when the plan is made; before each
//! execution, their values and the snapshot to read. Out: the batches that the scan [`read`]s.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, SchedulingType, replace_children_if_necessary,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::TryStreamExt;

use super::condition::{Values, wanted};
use super::open_table::OpenTable;
use super::table::{SnapshotTable, ascending};
use crate::index::{TableIndex, Wanted};
use crate::scan::{Counts, Lookup, Projection, read};
use crate::schema::Table;

/// A scan of some objects: one partition, in the order of the files.
#[derive(Clone, Debug)]
pub struct LookupExec {
    table: Table,
    projection: Arc<Projection>,
    filters: Arc<[Expr]>,
    /// What is read of which snapshot; `None` in a plan that is not bound.
    bound: Option<(Arc<TableIndex>, Arc<Wanted>)>,
    /// The last row of each row group first.
    reversed: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl LookupExec {
    /// A scan for the fields of `schema`, of whatever snapshot it is [`bound`](Self::bound) to.
    pub fn new(table: &OpenTable, schema: SchemaRef, filters: &[Expr]) -> Self {
        let order = ascending(table.sorted_by, &schema);
        Self {
            table: table.table,
            projection: Arc::new(Projection::new(schema.clone())),
            filters: filters.into(),
            bound: None,
            reversed: false,
            properties: properties(schema, order),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The same rows, those of each row group the last one first: for an object the newest.
    pub fn reversed(&self) -> Self {
        let properties = properties(self.projection.schema.clone(), None);
        Self { reversed: true, properties, ..self.clone() }
    }

    /// The same scan of a snapshot, its parameters bound.
    pub fn bound(&self, table: &SnapshotTable, values: &Values) -> Result<Self> {
        let wanted = Arc::new(wanted(&self.filters, values)?);
        let bound = Some((table.index().clone(), wanted));
        Ok(Self { bound, metrics: ExecutionPlanMetricsSet::new(), ..self.clone() })
    }

    /// The table, and what is wanted of it.
    pub fn lookup(&self) -> Option<&(Arc<TableIndex>, Arc<Wanted>)> {
        self.bound.as_ref()
    }

    fn counts(&self) -> Counts {
        let count = |name| MetricBuilder::new(&self.metrics).counter(name, 0);
        Counts {
            row_groups: count("row_groups"),
            pages: count("pages"),
            bytes: count("bytes"),
            requests: count("requests"),
        }
    }
}

/// A plan with its lookups bound to snapshots and values, ready to be executed once.
pub fn bind(
    plan: &Arc<dyn ExecutionPlan>,
    tables: &[Arc<SnapshotTable>],
    values: &Values,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(lookup) = plan.downcast_ref::<LookupExec>() {
        let table = tables.iter().find(|table| table.snapshot().table == lookup.table);
        let table = table.ok_or_else(|| internal_datafusion_err!("no table to look objects up"))?;
        return Ok(Arc::new(lookup.bound(table, values)?));
    }
    let children = plan.children().into_iter().map(|child| bind(child, tables, values));
    let bound = replace_children_if_necessary(plan.clone(), children.collect::<Result<_>>()?)?;
    // Without this, every execution would leave its metrics in the plan.
    bound.reset_state()
}

/// Of one partition, whose rows are in an order or not.
fn properties(schema: SchemaRef, order: Option<LexOrdering>) -> Arc<PlanProperties> {
    let properties = PlanProperties::new(
        EquivalenceProperties::new_with_orderings(schema, order),
        Partitioning::UnknownPartitioning(1),
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}

impl DisplayAs for LookupExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LookupExec: table={}", self.table.name())?;
        if let Some((_, wanted)) = &self.bound {
            write!(f, ", objects={}", wanted.keys.len())?;
        }
        let filters = self.filters.iter().map(Expr::to_string).collect::<Vec<_>>();
        write!(f, ", filters=[{}]", filters.join(", "))?;
        let fields = self.projection.schema.fields().iter().map(|field| field.name().as_str());
        write!(f, ", projection=[{}]", fields.collect::<Vec<_>>().join(", "))
    }
}

impl ExecutionPlan for LookupExec {
    fn name(&self) -> &str {
        "LookupExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let bound = self.bound.clone();
        let unbound = || internal_datafusion_err!("a lookup without a snapshot");
        let (table, wanted) = bound.ok_or_else(unbound)?;
        let lookup = Lookup {
            table,
            projection: self.projection.clone(),
            wanted,
            reversed: self.reversed,
            counts: self.counts(),
        };
        let rows = read(lookup).map_err(DataFusionError::from);
        let rows = RecordBatchStreamAdapter::new(self.projection.schema.clone(), rows);
        Ok(make_cooperative(Box::pin(rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
