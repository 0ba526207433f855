//! What a function is: one line of a table. The file of each field has its table.

use crate::error::Result;

/// A function of doubles. Whole numbers and floats are cast to doubles; it is null where an argument is.
pub struct Definition {
    pub name: &'static str,
    /// The name of each argument, with its unit, and what it is.
    pub arguments: &'static [(&'static str, &'static str)],
    /// One sentence: what it returns, in which unit, and when it is null though no argument is.
    pub about: &'static str,
    /// Where the formula or convention is published.
    pub source: &'static str,
    pub compute: Compute,
}

/// The type of the result, and how to compute one from as many values as there are arguments. An error
/// ends the query: it is for arguments that are wrong for every row, and names the argument.
#[derive(Clone, Copy, Debug)]
pub enum Compute {
    Double(fn(&[f64]) -> Result<Option<f64>>),
    Long(fn(&[f64]) -> Result<Option<i64>>),
    Text(fn(&[f64]) -> Result<Option<String>>),
}
