//! `arrow_cast(x, 'List(Int64)')` and its like, which take a type as text. They are replaced by functions that read no text that is nested
//! too deeply, and make no type over the limits of [`type_sizes`].

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};

use super::{WHAT, type_sizes};
use crate::plan::bounds::too_large;

/// A function whose second argument is the text of a type.
pub(crate) fn bounded(inner: Arc<ScalarUDF>) -> ScalarUDF {
    ScalarUDF::from(BoundedCast { inner })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct BoundedCast {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for BoundedCast {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        check(args.scalar_arguments.get(1).copied().flatten())?;
        self.inner.return_field_from_args(args)
    }

    /// The function is always simplified to a cast, here.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        check(args.get(1).and_then(Expr::as_literal))?;
        self.inner.simplify(args, info)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// Checks the text of a type. An argument that is no such text is left for the function itself to refuse.
fn check(text: Option<&ScalarValue>) -> Result<(), DataFusionError> {
    let Some(text) = text.and_then(|text| text.try_as_str().flatten()) else { return Ok(()) };
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > type_sizes::MOST_DEPTH {
            let of = "levels of nested types, or more";
            return Err(too_large(WHAT, depth, of, type_sizes::MOST_DEPTH).into());
        }
    }
    if let Ok(data_type) = text.parse::<DataType>() {
        type_sizes::fixed_bytes(&data_type)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_too_deep_are_not_read() {
        let check = |text: &str| check(Some(&ScalarValue::from(text)));
        check("List(Int64)").unwrap();
        check("no type at all(").unwrap();
        for text in [
            "List(".repeat(100_000),
            format!("{}Int64{}", "List(".repeat(33), ")".repeat(33)),
            "FixedSizeBinary(100000)".into(),
            "List(FixedSizeList(2147483647, FixedSizeBinary(2147483647)))".into(),
            "FixedSizeList(2147483647 x FixedSizeBinary(2147483647))".into(),
        ] {
            assert!(check(&text).unwrap_err().to_string().contains("limit is"), "{text:.100}");
        }
    }
}
