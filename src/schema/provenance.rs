//! The columns that say which alert a row was taken from. They are stored, not served.
//!
//! Copies of one row (same LSST id) may come from several alerts; [`precedence`](self#precedence)
//! picks one whatever the order in which alerts arrive, so that tables do not depend on it.
//!
//! # Precedence
//! The greater wins, compared in this order:
//! 1. sources only: the alert's own `diaSource` (`alertDiaSourceId = diaSourceId`) over a history entry;
//! 2. `alertMidpointMjdTai`: the newer alert;
//! 3. `alertDiaSourceId`: breaks ties between alerts of one visit;
//! 4. `alertEnriched`: a packet with Fink's columns over the raw one.

use arrow::datatypes::{DataType, Field};

/// `diaSource.midpointMjdTai` of the alert: `float64`, MJD in TAI.
pub const ALERT_TIME: &str = "alertMidpointMjdTai";
/// `diaSource.diaSourceId` of the alert: `int64`.
pub const ALERT_ID: &str = "alertDiaSourceId";
/// Whether the packet carried Fink's columns: `boolean`.
pub const ALERT_ENRICHED: &str = "alertEnriched";

/// The three columns, in the order in which they end every stored schema.
pub fn fields() -> [Field; 3] {
    [
        Field::new(ALERT_TIME, DataType::Float64, true),
        Field::new(ALERT_ID, DataType::Int64, true),
        Field::new(ALERT_ENRICHED, DataType::Boolean, true),
    ]
}
