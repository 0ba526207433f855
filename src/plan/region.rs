//! Which part of the sky filters ask for, as cells of the table of places. They are those of constant circles and cells: whatever else a
//! filter says, DataFusion tests on the rows.

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::astronomy::{CELL_ORDER, CellList, IN_CELLS, IN_CONE, SEPARATION};
use crate::scan::{MOST_CELLS, places_cells};

/// The columns of a place, in the tables that have one.
const PLACE: [&str; 2] = ["ra", "dec"];

/// The cells in which all rows lie that pass the filters, ascending; `None` where these ask for no part of the sky, or too large a one.
pub(crate) fn cells(filters: &[Expr]) -> Option<Vec<i64>> {
    filters.iter().filter_map(cells_of).min_by_key(Vec::len)
}

fn cells_of(filter: &Expr) -> Option<Vec<i64>> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            [left, right].into_iter().filter_map(|side| cells_of(side)).min_by_key(Vec::len)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut either = cells_of(left)?;
            either.extend(cells_of(right)?);
            either.sort_unstable();
            either.dedup();
            (either.len() <= MOST_CELLS).then_some(either)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Lt | Operator::LtEq, right }) => {
            within(left, right)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Gt | Operator::GtEq, right }) => {
            within(right, left)
        }
        Expr::ScalarFunction(function) => match (function.name(), &function.args[..]) {
            (IN_CONE, [ra, dec, centre @ .., radius]) if is_place([ra, dec]) => {
                circle(centre, radius)
            }
            (IN_CELLS, [ra, dec, Expr::Literal(order, _), Expr::Literal(cells, _)])
                if is_place([ra, dec]) =>
            {
                // What is wrong with them is told when a row is tested.
                let list = CellList::from_values(order, cells).ok().flatten()?;
                list.of_order(CELL_ORDER, MOST_CELLS)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The cells of a circle, if an angle is that of a row to its centre.
fn within(angle: &Expr, radius_deg: &Expr) -> Option<Vec<i64>> {
    let Expr::ScalarFunction(function) = angle else { return None };
    let [one, other] = function.args.as_chunks::<2>().0 else { return None };
    match (function.name(), is_place(one), is_place(other)) {
        (SEPARATION, true, _) => circle(other, radius_deg),
        (SEPARATION, _, true) => circle(one, radius_deg),
        _ => None,
    }
}

fn is_place<'a>(place: impl IntoIterator<Item = &'a Expr>) -> bool {
    let names = place.into_iter().map(|expr| match expr {
        Expr::Column(Column { name, .. }) => Some(name.as_str()),
        _ => None,
    });
    names.eq(PLACE.map(Some))
}

fn circle(centre: &[Expr], radius_deg: &Expr) -> Option<Vec<i64>> {
    let [ra_deg, dec_deg] = centre else { return None };
    let (ra_deg, dec_deg, radius_deg) = (double(ra_deg)?, double(dec_deg)?, double(radius_deg)?);
    let is_circle = ra_deg.is_finite()
        && (-90.0..=90.0).contains(&dec_deg)
        && (0.0..=180.0).contains(&radius_deg);
    is_circle.then(|| places_cells([ra_deg, dec_deg], radius_deg))?
}

fn double(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(ScalarValue::Float64(value), _) => *value,
        _ => None,
    }
}
