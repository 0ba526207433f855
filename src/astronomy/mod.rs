//! Functions for astronomers in SQL: [`functions`] are ready to register in a DataFusion session, and some can be called with single
//! values.
//!
//! Each field of work lists its functions of numbers as a table of [`function::FunctionDefinition`]s: [`photometry`],
//! [`time`], [`sky`]. A [`function::Function`] makes any line of them a function of columns. [`cells`] has the one that
//! takes a list.

mod cells;
mod function;
mod photometry;
mod sky;
mod time;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub use cells::{CellList, IN_CELLS};
use function::Function;
pub use photometry::{ab_mag, ab_mag_err};
pub use sky::{
    CELL_ORDER, IN_CONE, SEPARATION, cell, cell_width_deg, cells_of_circle, cells_within, is_place,
    separation_deg,
};
pub use time::{mjd_to_iso_utc, night_mjd_tai, utc_to_mjd_tai};

/// All functions.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let definitions =
        photometry::DEFINITIONS.iter().chain(&time::DEFINITIONS).chain(&sky::DEFINITIONS);
    let of_doubles = definitions.map(|definition| Arc::new(Function::new(definition).into()));
    of_doubles.chain([Arc::new(cells::InCells::default().into())]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_function_says_what_it_is() {
        let functions = functions();
        for function in &functions {
            let documentation = function.documentation().unwrap();
            let description = &documentation.description;
            assert!(description.starts_with(char::is_uppercase), "{description}");
            assert!(
                description.contains(" Source: ") && description.ends_with('.'),
                "{description}"
            );
            assert!(documentation.syntax_example.starts_with(&format!("{}(", function.name())));
            assert!(function.name().chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        }
        let names: BTreeSet<_> = functions.iter().map(|function| function.name()).collect();
        assert_eq!(names.len(), functions.len());
    }
}
