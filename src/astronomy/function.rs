//! The definition of a function, one line of the table of its field, and the DataFusion function that is made of it. Arguments are columns
//! of doubles.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::cast::as_float64_array;
use datafusion::functions::utils::make_scalar_function;
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::error;

/// Where the documentation of SQL lists them.
pub(super) const SECTION: DocSection =
    DocSection { include: true, label: "Astronomy Functions", description: None };

/// The definition of a function of doubles. Integers and floats are cast to doubles; the result is null if an argument is.
pub(crate) struct FunctionDefinition {
    /// Its name in SQL.
    pub name: &'static str,
    /// The name of each argument, with its unit, and its description.
    pub arguments: &'static [(&'static str, &'static str)],
    /// One sentence: what it returns, in which unit, and when the result is null although no argument is.
    pub about: &'static str,
    /// The publication of the formula or convention.
    pub source: &'static str,
    /// How to compute one value.
    pub compute: Compute,
}

/// The type of the result, and the function that computes it from the values of the arguments. An error ends the query: it is for an
/// argument that is wrong for every row, and names it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Compute {
    /// A double.
    Double(fn(&[f64]) -> error::Result<Option<f64>>),
    /// Whether something is true.
    Truth(fn(&[f64]) -> error::Result<Option<bool>>),
    /// A long.
    Long(fn(&[f64]) -> error::Result<Option<i64>>),
    /// A text.
    Text(fn(&[f64]) -> error::Result<Option<String>>),
}

/// A [`FunctionDefinition`] as a DataFusion function.
#[derive(Debug)]
pub(crate) struct Function {
    name: &'static str,
    signature: Signature,
    documentation: Documentation,
    compute: Compute,
}

impl Function {
    /// The DataFusion function of a definition.
    pub(crate) fn new(definition: &FunctionDefinition) -> Self {
        let FunctionDefinition { name, arguments, about, source, compute } = definition;
        let types = vec![DataType::Float64; arguments.len()];
        let names: Vec<String> = arguments.iter().map(|(name, _)| name.to_string()).collect();
        let syntax = format!("{name}({})", names.join(", "));
        let description = format!("{about} Source: {source}.");
        let documentation = Documentation::builder(SECTION, description, syntax);
        let documentation = arguments.iter().fold(documentation, |documentation, (name, about)| {
            documentation.with_argument(*name, *about)
        });
        Self {
            name,
            signature: Signature {
                parameter_names: Some(names),
                ..Signature::exact(types, Volatility::Immutable)
            },
            documentation: documentation.build(),
            compute: *compute,
        }
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.compute {
            Compute::Double(_) => DataType::Float64,
            Compute::Truth(_) => DataType::Boolean,
            Compute::Long(_) => DataType::Int64,
            Compute::Text(_) => DataType::Utf8,
        })
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let evaluate = |columns: &[ArrayRef]| -> Result<ArrayRef> {
            Ok(match self.compute {
                Compute::Double(compute) => {
                    Arc::new(each_row::<_, Float64Array>(columns, compute)?)
                }
                Compute::Truth(compute) => Arc::new(each_row::<_, BooleanArray>(columns, compute)?),
                Compute::Long(compute) => Arc::new(each_row::<_, Int64Array>(columns, compute)?),
                Compute::Text(compute) => Arc::new(each_row::<_, StringArray>(columns, compute)?),
            })
        };
        make_scalar_function(evaluate, vec![])(&arguments.args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// The value of each row of `columns`: doubles, of one length.
fn each_row<T, A: FromIterator<Option<T>>>(
    columns: &[ArrayRef],
    compute: fn(&[f64]) -> error::Result<Option<T>>,
) -> Result<A> {
    let columns: Vec<&Float64Array> =
        columns.iter().map(|column| as_float64_array(column)).collect::<Result<_>>()?;
    let nulls = NullBuffer::union_many(columns.iter().map(|column| column.nulls()));
    let mut values = vec![0.0; columns.len()];
    let rows = (0..columns.first().map_or(0, |column| column.len())).map(|row| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return Ok(None);
        }
        for (value, column) in values.iter_mut().zip(&columns) {
            *value = column.value(row);
        }
        Ok(compute(&values)?)
    });
    rows.collect()
}

/// Two functions are equal if their names are.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
