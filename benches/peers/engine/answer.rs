//! The results of the lookups of one task, as a line of JSON: the time of each lookup, and sums over its rows, by which the
//! answers of different readers are compared.

use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Float64Type};
use serde::Serialize;

use crate::delayed::Traffic;

#[derive(Default, Serialize)]
pub struct Answer {
    /// Of each lookup.
    micros: Vec<f64>,
    /// Of each lookup.
    rows: Vec<usize>,
    /// Cells that are not null, of all lookups.
    values: usize,
    /// The bits of all fluxes and times, as a sum modulo 2^64: it does not depend on the order of the rows.
    checksum: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traffic: Vec<Traffic>,
}

impl Answer {
    pub fn add(&mut self, took: Duration, batches: &[RecordBatch]) {
        self.micros.push(took.as_secs_f64() * 1e6);
        self.rows.push(batches.iter().map(RecordBatch::num_rows).sum());
        for batch in batches {
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                self.values += column.len() - column.null_count();
                self.checksum = self.checksum.wrapping_add(checksum(field.name(), column));
            }
        }
    }
}

/// Served names have a family, `r:psfFlux`; stored ones have none.
fn checksum(name: &str, column: &dyn Array) -> u64 {
    let bits: Box<dyn Iterator<Item = u64>> = match name.trim_start_matches("r:") {
        "psfFlux" => {
            let fluxes = column.as_primitive::<Float32Type>();
            Box::new(fluxes.iter().flatten().map(|flux| u64::from(flux.to_bits())))
        }
        "midpointMjdTai" => {
            let times = column.as_primitive::<Float64Type>();
            Box::new(times.iter().flatten().map(f64::to_bits))
        }
        _ => return 0,
    };
    bits.fold(0, u64::wrapping_add)
}
