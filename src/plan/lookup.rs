//! The rows of some objects, as a plan of DataFusion's. In: conditions whose parameters are open when the plan is made, and
//! bound before each execution. Out: the batches that the index [`read`]s.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, SchedulingType, replace_children_if_necessary,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::TryStreamExt;

use super::condition::Conditions;
use super::groups;
use super::table::ascending;
use crate::index::{TableIndex, Wanted};
use crate::scan::{Counts, Lookup, Projection, read};

/// A scan of some objects: one partition, in the order of the files.
#[derive(Clone, Debug)]
pub struct LookupExec {
    table: Arc<TableIndex>,
    projection: Arc<Projection>,
    conditions: Arc<Conditions>,
    /// `None` while the parameters are open.
    wanted: Option<Arc<Wanted>>,
    /// The last row of each row group first.
    reversed: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl LookupExec {
    /// A scan for the fields of `schema`. Where the conditions have parameters, it is to be [`bound`](Self::bound).
    pub fn new(table: Arc<TableIndex>, schema: SchemaRef, conditions: Conditions) -> Self {
        let order = order(&table, &schema);
        Self {
            table,
            projection: Arc::new(Projection::new(schema.clone())),
            wanted: conditions.closed().map(Arc::new),
            conditions: Arc::new(conditions),
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

    /// The same scan for what is wanted.
    fn bound(&self, wanted: Arc<Wanted>) -> Self {
        Self { wanted: Some(wanted), metrics: ExecutionPlanMetricsSet::new(), ..self.clone() }
    }

    /// The table, and what is wanted of it.
    pub fn lookup(&self) -> Option<(&Arc<TableIndex>, &Arc<Wanted>)> {
        Some((&self.table, self.wanted.as_ref()?))
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

/// A plan with the parameters of its lookups bound by `wanted`, ready to be executed once.
pub fn bind(
    plan: &Arc<dyn ExecutionPlan>,
    wanted: &dyn Fn(&Conditions) -> crate::error::Result<Wanted>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(lookup) = plan.downcast_ref::<LookupExec>() {
        let wanted = match &lookup.wanted {
            Some(bound) => bound.clone(),
            None => Arc::new(wanted(&lookup.conditions)?),
        };
        return Ok(Arc::new(lookup.bound(wanted)));
    }
    let children = plan.children().into_iter().map(|child| bind(child, wanted));
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

/// The order of the rows as far as the columns tell.
fn order(table: &TableIndex, schema: &SchemaRef) -> Option<LexOrdering> {
    if !table.in_order() {
        return None;
    }
    let snapshot = &table.snapshot;
    ascending(groups::sort_columns(snapshot.table, snapshot.files.iter()), schema)
}

impl DisplayAs for LookupExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LookupExec: table={}", self.table.snapshot.table.name())?;
        let conditions = self.conditions.to_string();
        if !conditions.is_empty() {
            write!(f, ", {conditions}")?;
        }
        if let Some(wanted) = &self.wanted {
            write!(f, ", objects={}", wanted.keys.len())?;
        }
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
        let wanted = self.wanted.clone();
        let lookup = Lookup {
            table: self.table.clone(),
            projection: self.projection.clone(),
            wanted: wanted.ok_or_else(|| exec_datafusion_err!("a parameter has no value"))?,
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
