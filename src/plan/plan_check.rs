//! A limit on plans that is checked while they are optimized: an optimizer rule that changes nothing, and fails where a plan is over the
//! limit. Rules are applied in the order in which they are added, so that a check sees what the rules before it have made of the plan.

use std::fmt;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// A check of a plan as an optimizer rule.
pub struct PlanCheck {
    /// The name of the rule.
    pub name: &'static str,
    /// `Ok` for a plan within the limit, else the error that names the limit.
    pub check: fn(&LogicalPlan) -> Result<()>,
}

impl fmt::Debug for PlanCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl OptimizerRule for PlanCheck {
    fn name(&self) -> &str {
        self.name
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        (self.check)(&plan)?;
        Ok(Transformed::no(plan))
    }
}
