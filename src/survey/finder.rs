//! Which visit finds an object first.
//!
//! The visits that find objects are taken in steps of the golden ratio, so that any number of objects is spread evenly over nights and sky.
//! A survey of fewer objects is thus part of every larger one of the same seed. Going through the visits in order of time gives the ids of
//! the objects in order, whatever their number.

use super::plan::Plan;

/// A visit that finds objects.
pub(crate) struct Finder {
    /// Its index in the plan.
    pub visit: u32,
    /// The first object it finds; the others follow in steps of the number of finders.
    pub first_object: u64,
    /// Its place among the finders of its field, and their number, from which ids are counted.
    pub in_field: u64,
    pub of_field: u64,
}

/// One visit in so many of a deep field finds objects, so that few objects have very long light curves.
const DEEP_STEP: usize = 20;

/// The visits that find objects, in order of time.
pub(crate) fn finders(plan: &Plan) -> Vec<Finder> {
    let mut finders = Vec::new();
    for field in &plan.fields {
        let step = if field.deep { DEEP_STEP } else { 1 };
        let of_field = field.visits.len().div_ceil(step) as u64;
        let finding = field.visits.iter().step_by(step).enumerate();
        finders.extend(finding.map(|(in_field, &visit)| Finder {
            visit,
            first_object: 0,
            in_field: in_field as u64,
            of_field,
        }));
    }
    finders.sort_unstable_by_key(|finder| finder.visit);
    let count = finders.len();
    let step = golden_step(count);
    let mut at = 0;
    for object in 0..count {
        finders[at].first_object = object as u64;
        at = (at + step) % count;
    }
    finders
}

/// The number nearest below the golden section that has no divisor in common with `count`.
fn golden_step(count: usize) -> usize {
    let divisor = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let golden = (count as f64 * 0.618_033_988_75) as usize;
    (1..=golden).rev().find(|step| divisor(*step, count) == 1).unwrap_or(1)
}
