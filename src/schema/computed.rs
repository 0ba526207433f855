//! The columns that the server computes (`v:`, and one that the reference has as `f:`): their names, units, UCDs and descriptions, and the
//! SQL of each. They are served beside the stored ones wherever the columns that their SQL names are, and mostly only to who asks for them by
//! name.

use arrow::datatypes::{DataType, Field};

use super::{DESCRIPTION, FAMILY, UCD, UNIT};

/// The family of the computed columns.
pub const COMPUTED: &str = "v";

/// The served name of the column that tells good detections, poor ones and forced photometry apart.
pub const TAG: &str = "v:tag";
/// The served name of the column with the flux of an upper limit.
pub const FLUX_LIMIT: &str = "v:fluxLimit";

/// The served name of the column that says how far a row lies from the place that was asked for.
pub const SEPARATION: &str = "v:separation_degree";

/// The served name of the column that says which of several places a row lies near.
pub const PLACE: &str = "v:place";

/// The served name of the column with the credible level of a row in a region of the sky.
pub const CREDIBLE_LEVEL: &str = "v:credible_level";
/// The served name of the column with the time of the event that a map of the sky is of.
pub const EVENT_TIME: &str = "v:startgwMjdTai";

/// A computed column.
#[derive(Clone, Debug)]
pub struct ComputedColumn {
    /// Without the family.
    pub name: &'static str,
    /// The family of its served name.
    pub family: &'static str,
    /// The type of the SQL for our own tables.
    pub data_type: DataType,
    /// VOUnit; empty: dimensionless.
    pub unit: &'static str,
    /// UCD1+ words, separated by `;`.
    pub ucd: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// An expression over the columns of a row; empty where the search that found the row says it.
    pub sql: &'static str,
}

/// The computed columns of every table that has the columns in their SQL.
pub static OF_A_MEASUREMENT: [ComputedColumn; 5] = [
    ComputedColumn {
        name: "abMag",
        family: COMPUTED,
        data_type: DataType::Float64,
        unit: "mag",
        ucd: "phot.mag",
        description: "AB magnitude of psfFlux, the flux on the difference image; null where it is not positive.",
        sql: include_str!("../../sql/computed/abMag.sql"),
    },
    ComputedColumn {
        name: "abMagErr",
        family: COMPUTED,
        data_type: DataType::Float64,
        unit: "mag",
        ucd: "stat.error;phot.mag",
        description: "Uncertainty of abMag; null where psfFlux is not positive.",
        sql: include_str!("../../sql/computed/abMagErr.sql"),
    },
    ComputedColumn {
        name: "dateUtc",
        family: COMPUTED,
        data_type: DataType::Utf8,
        unit: "",
        ucd: "time.epoch",
        description: "Effective middle of the visit in UTC as ISO 8601 text.",
        sql: include_str!("../../sql/computed/dateUtc.sql"),
    },
    ComputedColumn {
        name: "totalAbMag",
        family: COMPUTED,
        data_type: DataType::Float64,
        unit: "mag",
        ucd: "phot.mag",
        description: "AB magnitude of scienceFlux, the whole flux at the place: that of a variable star; null where it is not positive.",
        sql: include_str!("../../sql/computed/totalAbMag.sql"),
    },
    ComputedColumn {
        name: "totalAbMagErr",
        family: COMPUTED,
        data_type: DataType::Float64,
        unit: "mag",
        ucd: "stat.error;phot.mag",
        description: "Uncertainty of totalAbMag; null where scienceFlux is not positive.",
        sql: include_str!("../../sql/computed/totalAbMagErr.sql"),
    },
];

/// The computed columns of light curves with upper limits, whose statement computes them.
pub static OF_A_LIGHT_CURVE: [ComputedColumn; 2] = [
    ComputedColumn {
        name: "fluxLimit",
        family: COMPUTED,
        data_type: DataType::Float32,
        unit: "nJy",
        ucd: "phot.flux.density;stat.max",
        description: "Five times psfFluxErr where the tag is upperlim; null elsewhere.",
        sql: "fluxLimit",
    },
    ComputedColumn {
        name: "tag",
        family: COMPUTED,
        data_type: DataType::Utf8,
        unit: "",
        ucd: "meta.code.qual",
        description: "valid: a detection that passes the quality cuts; badquality: one that does not. At visits without a \
                      detection, upperlim: a forced measurement within five sigma of zero; forced: one beyond; badforced: one \
                      that is withdrawn or no number.",
        sql: "tag",
    },
];

/// What a search near many places says of each row.
pub static OF_A_CROSSMATCH: [ComputedColumn; 1] = [ComputedColumn {
    name: "place",
    family: COMPUTED,
    data_type: DataType::Utf8,
    unit: "",
    ucd: "meta.id",
    description: "Name of the place, or its number from 0.",
    sql: "",
}];

/// What a search in a region says of each row.
pub static OF_A_REGION: [ComputedColumn; 2] = [
    ComputedColumn {
        name: "credible_level",
        family: COMPUTED,
        data_type: DataType::Float64,
        unit: "",
        ucd: "stat.probability",
        description: "Probability of all cells of the map whose density is not below that of the cell of r:ra and r:dec; null in a \
                      region without probabilities.",
        sql: "",
    },
    ComputedColumn {
        name: "startgwMjdTai",
        family: COMPUTED,
        data_type: DataType::Float64,
        unit: "d",
        ucd: "time.epoch",
        description: "Time of the event, DATE-OBS of the map, as MJD in TAI; null where it has none.",
        sql: "",
    },
];

/// What a search in a circle, or near places, says of each row.
pub static OF_A_CIRCLE: [ComputedColumn; 1] = [ComputedColumn {
    name: "separation_degree",
    family: COMPUTED,
    data_type: DataType::Float64,
    unit: "deg",
    ucd: "pos.angDistance",
    description: "Angle between the place that was asked for and r:ra and r:dec.",
    sql: "",
}];

/// The computed column of a place on the sky. Fink's table of places has it as its key.
pub static OF_A_PLACE: [ComputedColumn; 1] = [ComputedColumn {
    name: "pixel1024",
    family: "f",
    data_type: DataType::Int32,
    unit: "",
    ucd: "meta.id;pos.eq",
    description: "HEALPix cell of r:ra and r:dec at nside 1024 in the ring scheme.",
    sql: include_str!("../../sql/computed/pixel1024.sql"),
}];

impl ComputedColumn {
    /// Whether it has a served name.
    pub fn is_served_as(&self, served: &str) -> bool {
        served.split_once(':') == Some((self.family, self.name))
    }

    /// The served field for documents, when there is no table.
    pub fn documented(&self) -> Field {
        self.field(self.data_type.clone())
    }

    /// The served field, `v:abMag`.
    pub fn field(&self, data_type: DataType) -> Field {
        let told = [
            (FAMILY, self.family),
            (UNIT, self.unit),
            (UCD, self.ucd),
            (DESCRIPTION, self.description),
        ];
        let told = told.into_iter().filter(|(_, value)| !value.is_empty());
        let metadata = told.map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let name = format!("{}:{}", self.family, self.name);
        Field::new(name, data_type, true).with_metadata(metadata)
    }
}
