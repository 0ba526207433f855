//! Leaves out rows that updates replace. A row is the newest of its object if its file has the newest update of it, or none where the
//! object has none: a question to the key and the number of the file's update, which a scan gives as a last column.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, UInt64Type};
use datafusion::common::{Result, internal_datafusion_err, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExecBuilder;

use crate::schema::KEY;
use crate::warehouse::UpdatedKeys;

/// The name of the column of numbers, which no column of a table has.
const NUMBER: &str = "update number";

/// The column of the numbers of updates, the same in all rows of a file.
pub(super) fn number_column() -> Field {
    Field::new(NUMBER, DataType::UInt64, false)
}

/// A schema with the column of numbers at its end.
pub(super) fn with_number(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().cloned().chain([Arc::new(number_column())]);
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// The rows of a plan that are the newest of their objects, with the first `columns` of its columns.
pub(super) fn newest(
    rows: Arc<dyn ExecutionPlan>,
    updated: &Arc<UpdatedKeys>,
    columns: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = rows.schema();
    let (key, number) = (col(KEY, &schema)?, col(NUMBER, &schema)?);
    let is_newest = Arc::new(IsNewest { key, number, updated: updated.clone() });
    let columns = Some((0..columns).collect());
    let newest = FilterExecBuilder::new(is_newest, rows).apply_projection(columns)?.build()?;
    Ok(Arc::new(newest))
}

/// Whether a row is the newest of its object.
#[derive(Debug)]
struct IsNewest {
    key: Arc<dyn PhysicalExpr>,
    number: Arc<dyn PhysicalExpr>,
    updated: Arc<UpdatedKeys>,
}

impl PartialEq for IsNewest {
    fn eq(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.updated, &other.updated);
        same && self.key.eq(&other.key) && self.number.eq(&other.number)
    }
}

impl Eq for IsNewest {}

impl Hash for IsNewest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        self.number.hash(state);
    }
}

impl fmt::Display for IsNewest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is_newest({}, {} updates)", self.key, self.updated.len())
    }
}

impl PhysicalExpr for IsNewest {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let key = self.key.evaluate(batch)?.into_array(rows)?;
        let number = self.number.evaluate(batch)?.into_array(rows)?;
        let keys = key.as_primitive_opt::<Int64Type>();
        let numbers: Option<&UInt64Array> = number.as_primitive_opt::<UInt64Type>();
        let unknown = || internal_datafusion_err!("keys or numbers of updates are no integers");
        let (keys, numbers) = keys.zip(numbers).ok_or_else(unknown)?;
        let newest = self.updated.newest_of(keys.values()).zip(numbers.values());
        // A row without a key, in a file of another engine, has no update.
        let is_newest = newest.enumerate();
        let is_newest = is_newest
            .map(|(row, (newest, own))| newest == *own || (*own == 0 && keys.is_null(row)));
        let is_newest: Vec<_> = is_newest.collect();
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(is_newest))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.key, &self.number]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let [key, number] = &children[..] else {
            return internal_err!("the test for the newest row has two children");
        };
        let (key, number, updated) = (key.clone(), number.clone(), self.updated.clone());
        Ok(Arc::new(Self { key, number, updated }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
