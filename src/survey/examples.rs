//! A few objects worth looking at, picked while a survey goes by.

use std::fmt;

use serde::Serialize;

use super::light_curve::ObjectKind;
use super::rows::{Object, ObjectState};

/// An object to show someone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// The id of the object.
    #[serde(rename = "diaObjectId")]
    pub dia_object_id: i64,
    /// Its number of sources.
    pub sources: usize,
    /// Number of bands it has sources in.
    pub bands: usize,
    /// What it is an example of.
    pub what: &'static str,
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dia_object_id, sources, bands, what } = self;
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let (of_sources, of_bands) = (s(*sources), s(*bands));
        write!(f, "{dia_object_id}: {what}, {sources} source{of_sources} in {bands} band{of_bands}")
    }
}

/// The best object seen so far, for each reason to look at one.
#[derive(Debug, Default)]
pub struct Examples([Option<Example>; 4]);

impl Examples {
    /// Takes an object if it is a better example than those so far.
    pub fn consider(&mut self, object: &Object, state: &ObjectState) {
        let sources = state.count;
        let bands = state.summary.bands.iter().filter(|band| band.count > 0).count();
        let reasons = [
            (true, "the longest light curve"),
            (object.kind == ObjectKind::Transient, "a transient that rises and fades"),
            (object.kind == ObjectKind::Periodic, "a periodic star"),
            (sources == 1, "an object seen once"),
        ];
        for (best, (fits, what)) in self.0.iter_mut().zip(reasons) {
            let better = best.as_ref().is_none_or(|b| (b.bands, b.sources) < (bands, sources));
            if fits && better {
                *best = Some(Example { dia_object_id: object.id, sources, bands, what });
            }
        }
    }

    /// The examples, each object once, for the first of its reasons.
    pub fn chosen(self) -> Vec<Example> {
        let mut chosen: Vec<Example> = Vec::new();
        for example in self.0.into_iter().flatten() {
            if chosen.iter().all(|other| other.dia_object_id != example.dia_object_id) {
                chosen.push(example);
            }
        }
        chosen
    }
}
