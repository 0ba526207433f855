//! A lookup of objects as a node of a physical plan. It is made from filters whose parameters are open. Before each execution it is
//! [bound](LookupExec::bound) to the values of these parameters and to the index of a snapshot; then it gives the batches that the scan
//! [`read`]s.

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
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::TryStreamExt;

use super::ParameterValues;
use super::condition::wanted;
use crate::index::{TableIndex, Wanted};
use crate::scan::{Lookup, Projection, ScanMetrics, read};
use crate::schema::Table;

/// A scan of the rows of some objects: one partition, in the order of the files.
#[derive(Clone, Debug)]
pub struct LookupExec {
    table: Table,
    projection: Arc<Projection>,
    filters: Arc<[Expr]>,
    /// The index of a snapshot, and the rows to look up in it; `None` in a plan that is not bound.
    bound: Option<(Arc<TableIndex>, Arc<Wanted>)>,
    /// Whether the last row of each row group comes first.
    reversed: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl LookupExec {
    /// A scan of the stored columns of `schema`, not bound yet. `order` is that of the rows when files are read one after the other.
    pub fn new(
        table: Table,
        schema: SchemaRef,
        order: Option<LexOrdering>,
        filters: &[Expr],
    ) -> Self {
        Self {
            table,
            projection: Arc::new(Projection::new(schema.clone())),
            filters: filters.into(),
            bound: None,
            reversed: false,
            properties: properties(schema, order),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The same rows, but the last one of each row group first, which is the newest of its object.
    pub fn reversed(&self) -> Self {
        let properties = properties(self.projection.schema.clone(), None);
        Self { reversed: true, properties, ..self.clone() }
    }

    /// The same scan of the snapshot of an index, its parameters replaced by values.
    pub fn bound(&self, index: &Arc<TableIndex>, values: &ParameterValues) -> Result<Self> {
        let wanted = Arc::new(wanted(&self.filters, values)?);
        let bound = Some((index.clone(), wanted));
        Ok(Self { bound, metrics: ExecutionPlanMetricsSet::new(), ..self.clone() })
    }

    /// The table that is read, of whatever snapshot.
    pub fn table(&self) -> Table {
        self.table
    }

    /// The index of the snapshot that is read, and the rows to look up in it; `None` if the lookup is not bound.
    pub fn lookup(&self) -> Option<&(Arc<TableIndex>, Arc<Wanted>)> {
        self.bound.as_ref()
    }

    fn scan_metrics(&self) -> ScanMetrics {
        let count = |name| MetricBuilder::new(&self.metrics).counter(name, 0);
        ScanMetrics {
            row_groups: count("row_groups"),
            pages: count("pages"),
            bytes: count("bytes"),
            requests: count("requests"),
        }
    }
}

/// The properties of a plan with one partition, whose rows may be in an order.
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
        let unbound =
            || internal_datafusion_err!("a lookup is executed before it is bound to a snapshot");
        let (table, wanted) = bound.ok_or_else(unbound)?;
        let lookup = Lookup {
            table,
            projection: self.projection.clone(),
            wanted,
            reversed: self.reversed,
            metrics: self.scan_metrics(),
        };
        let rows = read(lookup).map_err(DataFusionError::from);
        let rows = RecordBatchStreamAdapter::new(self.projection.schema.clone(), rows);
        Ok(make_cooperative(Box::pin(rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
