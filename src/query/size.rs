//! How much work an answer is, told before any of it is done. In: a plan whose values are bound. Out: whether its lookups decode
//! more than a few pages, by the key index.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use crate::error::Result;
use crate::plan::LookupExec;

/// Values in the pages of a lookup that is answered on the spot: those of an object with all columns seven times, with four columns
/// 150 times; some milliseconds, and 4 MiB where every row of the pages is wanted.
const SMALL_VALUES: usize = 512 << 10;

/// Whether a plan reads more than a small lookup does. A scan of whole files is always large.
pub async fn is_large(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let (mut plans, mut most) = (vec![plan], SMALL_VALUES);
    while let Some(plan) = plans.pop() {
        if let Some(lookup) = plan.downcast_ref::<LookupExec>() {
            let Some((table, wanted)) = lookup.lookup() else { return Ok(true) };
            let columns = plan.schema().fields().len().max(1);
            let rows = table.rows_of_pages(wanted, most / columns).await?;
            let Some(rows) = rows else { return Ok(true) };
            most -= rows * columns;
        } else if plan.children().is_empty() && !plan.is::<EmptyExec>() {
            return Ok(true);
        }
        plans.extend(plan.children());
    }
    Ok(false)
}
