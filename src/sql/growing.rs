//! Functions that make much out of little, such as `repeat('x', 1000000000)`. In a statement each of them is replaced by one that fails,
//! and says its name, before it makes more than [`MOST_BYTES`] of a batch of rows: no pool of memory counts what functions make.

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, Result};
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Documentation, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr as PhysicalBinary, col};

use super::sizes::{Sizes, bytes_made};

/// Bytes that one function may make of a batch of rows.
const MOST_BYTES: f64 = 16.0 * (1 << 20) as f64;
/// Bytes that a function may make of constants alone. Its value is copied while the statement is planned.
const MOST_CONSTANT_BYTES: f64 = (64 << 10) as f64;
/// The operator `||`.
const CONCAT: &str = "||";

/// Functions that make more the larger one of their arguments is. They are given few rows at a time.
pub(crate) fn is_growing(name: &str) -> bool {
    const GROWING: [&str; 16] = [
        "array_has_all",
        "array_has_any",
        "array_repeat",
        "array_replace_all",
        "array_replace_n",
        "array_resize",
        "array_to_string",
        "generate_series",
        "levenshtein",
        "lpad",
        "range",
        "regexp_match",
        "regexp_replace",
        "repeat",
        "replace",
        "rpad",
    ];
    GROWING.contains(&name)
}

/// A rewrite that gives a limit to each function that needs one.
#[derive(Debug)]
pub(crate) struct GrowthLimits;

impl FunctionRewrite for GrowthLimits {
    fn name(&self) -> &str {
        "limits"
    }

    fn rewrite(&self, expr: Expr, _: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::ScalarFunction(ScalarFunction { func, args })
                if bytes_made(func.name()).is_some() && !func.inner().is::<Limited>() =>
            {
                let func = Arc::new(ScalarUDF::from(Limited { inner: func }));
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
                let concat = Concat { signature: Signature::user_defined(Volatility::Immutable) };
                let inner = Arc::new(ScalarUDF::from(concat));
                let func = Arc::new(ScalarUDF::from(Limited { inner }));
                let args = vec![*left, *right];
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            other => Transformed::no(other),
        })
    }
}

/// A function that fails before it makes too much.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Limited {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Limited {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let sizes = Sizes { args: &args.args, rows: args.number_rows };
        let bytes = bytes_made(self.name()).map_or(Ok(0.0), |bytes| bytes(&sizes))?;
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let most = match is_constant && is_growing(self.name()) {
            true => MOST_CONSTANT_BYTES,
            false => MOST_BYTES,
        };
        if bytes > most {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} would produce {bytes:.0} bytes from {} rows; the limit is {most:.0}",
                self.name(),
                args.number_rows
            )));
        }
        self.inner.invoke_with_args(args)
    }
}

/// `a || b` of texts as a function, so that it has a limit, too.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Concat {
    signature: Signature,
}

impl ScalarUDFImpl for Concat {
    fn name(&self) -> &str {
        CONCAT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        BinaryTypeCoercer::new(&arg_types[0], &Operator::StringConcat, &arg_types[1])
            .get_result_type()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let coerced = BinaryTypeCoercer::new(&arg_types[0], &Operator::StringConcat, &arg_types[1]);
        let (left, right) = coerced.get_input_types()?;
        Ok(vec![left, right])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args.args.iter().map(|value| value.to_array(args.number_rows));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let fields = ["left", "right"].into_iter().zip(&columns);
        let fields =
            fields.map(|(name, column)| Field::new(name, column.data_type().clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let (left, right) = (col("left", &schema)?, col("right", &schema)?);
        let options = RecordBatchOptions::new().with_row_count(Some(args.number_rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)?;
        PhysicalBinary::new(left, Operator::StringConcat, right).evaluate(&batch)
    }
}
