//! The columns that say which alert a row was taken from, and what it contains. They are stored, not served.
//!
//! Copies of one row (same [identity](super::Table::identity_columns)) come in several alerts, and an alert may come in several copies:
//! raw, enriched, processed again. One copy stays, whatever the order in which they arrive.
//!
//! # Precedence
//! Copies are compared by these, one after the other; what has none goes last. The same in all of them is the same row: the one that is
//! in the table stays.
//!
//! | | `sources` | `fp` | `objects` |
//! |---|---|---|---|
//! | a [plausible](PLAUSIBLE_MJD) time before any other | `midpointMjdTai` | `midpointMjdTai` | `alertMidpointMjdTai` |
//! | the newest alert | | | `alertMidpointMjdTai`, then `alertDiaSourceId` |
//! | the alert's own source before an entry of a history | `alertDiaSourceId = diaSourceId` | | |
//! | a packet with Fink's columns before the raw one | `alertEnriched` | | `alertEnriched` |
//! | the newest processing, of plausible times | `timeProcessedMjdTai` | `timeProcessedMjdTai` | `alertTimeProcessedMjdTai` |
//! | the newest version of fink-broker, then of fink-science | `fink_broker_version`, `fink_science_version` | | those of the alert |
//! | the greatest content | `contentHash` | [of the row](super::content_hash) | `alertContentHash`, then `contentHash` |
//!
//! So nothing but what a row says decides; for an object, what the source of its alert says, too: of several copies of one alert
//! that agree on its time, source and object are of the same one. Entries of a history have no alert: the same entry comes with
//! many. A forced measurement has no provenance at all: its table is the largest, its rows are short, and their content is read
//! where copies are compared. Rows of warehouses from before `contentHash` have none, and lose to their next copy, once.

use std::ops::RangeInclusive;

use arrow::datatypes::{DataType, Field};

use super::Table;

/// `diaSource.midpointMjdTai` of the alert: MJD in TAI.
pub const ALERT_TIME: &str = "alertMidpointMjdTai";
/// `diaSource.diaSourceId` of the alert.
pub const ALERT_ID: &str = "alertDiaSourceId";
/// Whether the packet carried Fink's columns.
pub const ALERT_ENRICHED: &str = "alertEnriched";
/// [`content_hash`](super::content_hash) of the row.
pub const CONTENT_HASH: &str = "contentHash";
/// `diaSource.timeProcessedMjdTai` of the alert: MJD in TAI.
pub const ALERT_PROCESSED: &str = "alertTimeProcessedMjdTai";
/// `fink_broker_version` of the alert.
pub const ALERT_BROKER: &str = "alertFinkBrokerVersion";
/// `fink_science_version` of the alert.
pub const ALERT_SCIENCE: &str = "alertFinkScienceVersion";
/// `contentHash` of the alert's source.
pub const ALERT_CONTENT_HASH: &str = "alertContentHash";

/// The times that a measurement, or its processing, may have, as MJD: from 1968-05-24 to 2132-09-01. Rows with other times, such as seconds
/// since 1970, are kept as they are, but any other copy is preferred to them.
pub const PLAUSIBLE_MJD: RangeInclusive<f64> = 40_000.0..=100_000.0;

const ALL: [(&str, DataType); 8] = [
    (ALERT_TIME, DataType::Float64),
    (ALERT_ID, DataType::Int64),
    (ALERT_ENRICHED, DataType::Boolean),
    (CONTENT_HASH, DataType::Int64),
    (ALERT_PROCESSED, DataType::Float64),
    (ALERT_BROKER, DataType::Utf8),
    (ALERT_SCIENCE, DataType::Utf8),
    (ALERT_CONTENT_HASH, DataType::Int64),
];

/// The provenance columns of a table, in the order in which they end its stored schema.
pub fn fields(table: Table) -> Vec<Field> {
    let count = match table {
        Table::Sources => 4,
        Table::Objects => ALL.len(),
        Table::Fp | Table::Places => 0,
    };
    all().take(count).collect()
}

/// The provenance column of a name, of whichever table.
pub fn field(name: &str) -> Option<Field> {
    all().find(|field| field.name() == name)
}

/// The provenance columns of all tables. No column of a packet may have such a name.
pub fn all() -> impl Iterator<Item = Field> {
    ALL.into_iter().map(|(name, data_type)| Field::new(name, data_type, true))
}
