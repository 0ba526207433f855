//! Synthetic alert packets, written as Avro or as Fink's Parquet.
//!
//! An [`Alert`] gives the numbers that matter, [`Alert::packet`] its JSON form with every section,
//! which a test may change at will; a [`Layout`] says which of the fields a file has.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType::{
    Binary, Boolean, Float32, Float64, Int32, Int64, List, Struct, Utf8,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow_avro::compression::CompressionCodec;
use arrow_avro::schema::{AvroSchema, SCHEMA_METADATA_KEY};
use arrow_avro::writer::{WriterBuilder, format::AvroOcfFormat};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

/// One measurement of an object: an alert's own, one of its history, or a forced one.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    pub id: i64,
    pub midpoint_mjd: f64,
    pub flux: f32,
}

impl Measurement {
    /// A measurement whose flux follows from its id.
    pub fn new(id: i64, midpoint_mjd: f64) -> Self {
        Self { id, midpoint_mjd, flux: (id % 1000) as f32 + 0.25 }
    }

    fn dia_source(&self, object: Option<i64>) -> Value {
        json!({
            "diaSourceId": self.id, "visit": self.id / 100, "detector": self.id % 189,
            "diaObjectId": object, "ssObjectId": 0, "midpointMjdTai": self.midpoint_mjd,
            "ra": 150.0 + self.flux as f64 / 3600.0, "dec": -2.5, "psfFlux": self.flux,
            "psfFluxErr": 0.5, "band": band(self.id), "isDipole": self.id % 2 == 0,
        })
    }

    fn dia_forced_source(&self, object: Option<i64>) -> Value {
        json!({
            "diaForcedSourceId": self.id, "diaObjectId": object, "ra": 150.0, "dec": -2.5,
            "visit": self.id / 100, "detector": self.id % 189, "psfFlux": self.flux,
            "psfFluxErr": 0.5, "midpointMjdTai": self.midpoint_mjd, "band": band(self.id),
        })
    }
}

fn band(id: i64) -> &'static str {
    ["u", "g", "r", "i", "z", "y"][id.rem_euclid(6) as usize]
}

/// One alert packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// `diaObject.diaObjectId`; `None` makes a Solar System alert.
    pub object: Option<i64>,
    pub source: Measurement,
    /// `prvDiaSources`, whose `diaObjectId` is left null as Rubin does.
    pub history: Vec<Measurement>,
    /// `prvDiaForcedSources`.
    pub forced: Vec<Measurement>,
    /// `xm.simbad_otype`, of enriched layouts.
    pub simbad_otype: &'static str,
}

impl Alert {
    /// An alert without history and forced photometry.
    pub fn new(object: i64, source: i64, midpoint_mjd: f64) -> Self {
        let source = Measurement::new(source, midpoint_mjd);
        Self { object: Some(object), source, history: vec![], forced: vec![], simbad_otype: "SN*" }
    }

    pub fn with_history(mut self, id: i64, midpoint_mjd: f64) -> Self {
        self.history.push(Measurement::new(id, midpoint_mjd));
        self
    }

    pub fn with_forced(mut self, id: i64, midpoint_mjd: f64) -> Self {
        self.forced.push(Measurement::new(id, midpoint_mjd));
        self
    }

    /// An alert of a Solar System object: no diaObject, and a `diaSource.diaObjectId` of 0.
    pub fn of_solar_system(source: i64, midpoint_mjd: f64) -> Self {
        Self { object: None, ..Self::new(0, source, midpoint_mjd) }
    }

    /// The packet, with every section.
    pub fn packet(&self) -> Value {
        let seen = self.history.len() + 1;
        let entries: Vec<_> = self.history.iter().map(|entry| entry.dia_source(None)).collect();
        let forced: Vec<_> =
            self.forced.iter().map(|entry| entry.dia_forced_source(self.object)).collect();
        json!({
            "diaSourceId": self.source.id,
            "observation_reason": "science",
            "target_name": format!("field {}, deep", self.source.id % 10),
            "diaSource": self.source.dia_source(self.object.or(Some(0))),
            "prvDiaSources": if entries.is_empty() { Value::Null } else { json!(entries) },
            "prvDiaForcedSources": forced,
            "diaObject": self.object.map(|id| json!({
                "diaObjectId": id, "validityStartMjdTai": self.source.midpoint_mjd + 0.01,
                "ra": 150.0, "dec": -2.5, "nDiaSources": seen, "r_psfFluxMean": self.source.flux,
            })),
            "ssSource": { "ssObjectId": self.source.id },
            "cutoutDifference": "00ff00ff",
            "lsst_schema_version": "lsst.v10_0.alert",
            "fink_broker_version": "4.1",
            "fink_science_version": "8.40.0",
            "clf": { "cats_class": 11, "cats_score": 0.75 },
            "xm": { "simbad_otype": self.simbad_otype, "gaiadr3_Plx": null },
            "pred": { "is_sso": false, "main_label_classifier": 1 },
            "misc": { "firstDiaSourceMjdTaiFink": self.source.midpoint_mjd - seen as f64 },
        })
    }
}

/// The packets of alerts.
pub fn packets<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Vec<Value> {
    alerts.into_iter().map(Alert::packet).collect()
}

/// The fields of a file of alerts. Every field is nullable.
#[derive(Clone, Debug)]
pub struct Layout {
    schema: Schema,
    nulls_last: bool,
}

impl Layout {
    /// A raw packet, as Rubin sends it.
    pub fn raw() -> Self {
        let dia_source = section(&[
            ("diaSourceId", Int64),
            ("visit", Int64),
            ("detector", Int32),
            ("diaObjectId", Int64),
            ("ssObjectId", Int64),
            ("midpointMjdTai", Float64),
            ("ra", Float64),
            ("dec", Float64),
            ("psfFlux", Float32),
            ("psfFluxErr", Float32),
            ("band", Utf8),
            ("isDipole", Boolean),
            ("timeWithdrawnMjdTai", Float64),
        ]);
        let forced = section(&[
            ("diaForcedSourceId", Int64),
            ("diaObjectId", Int64),
            ("ra", Float64),
            ("dec", Float64),
            ("visit", Int64),
            ("detector", Int32),
            ("psfFlux", Float32),
            ("psfFluxErr", Float32),
            ("midpointMjdTai", Float64),
            ("band", Utf8),
        ]);
        let dia_object = section(&[
            ("diaObjectId", Int64),
            ("validityStartMjdTai", Float64),
            ("ra", Float64),
            ("dec", Float64),
            ("nDiaSources", Int32),
            ("r_psfFluxMean", Float32),
        ]);
        let fields = fields(&[
            ("diaSourceId", Int64),
            ("observation_reason", Utf8),
            ("target_name", Utf8),
            ("diaSource", dia_source.clone()),
            ("prvDiaSources", list(dia_source)),
            ("prvDiaForcedSources", list(forced)),
            ("diaObject", dia_object),
            ("ssSource", section(&[("ssObjectId", Int64)])),
            ("cutoutDifference", Binary),
        ]);
        Self { schema: Schema::new(fields), nulls_last: false }
    }

    /// A packet with Fink's columns.
    pub fn enriched() -> Self {
        [
            ("lsst_schema_version", Utf8),
            ("fink_broker_version", Utf8),
            ("fink_science_version", Utf8),
            ("clf", section(&[("cats_class", Int32), ("cats_score", Float32)])),
            ("xm", section(&[("simbad_otype", Utf8), ("gaiadr3_Plx", Float32)])),
            ("pred", section(&[("is_sso", Boolean), ("main_label_classifier", Int32)])),
            ("misc", section(&[("firstDiaSourceMjdTaiFink", Float64)])),
        ]
        .into_iter()
        .fold(Self::raw(), |layout, (name, data_type)| layout.with("", name, data_type))
    }

    /// With one more field in a section (`diaSource`, ...; of a list, in its entries; `""` for the root).
    pub fn with(self, section: &str, name: &str, data_type: DataType) -> Self {
        self.change(section, |fields| fields.push(Arc::new(Field::new(name, data_type, true))))
    }

    /// Without a field of a section, or of the root.
    pub fn without(self, section: &str, name: &str) -> Self {
        self.change(section, |fields| fields.retain(|field| field.name() != name))
    }

    /// Avro unions as `[type, "null"]`, not `["null", type]`.
    pub fn nulls_last(self) -> Self {
        Self { nulls_last: true, ..self }
    }

    fn change(self, section: &str, change: impl FnOnce(&mut Vec<FieldRef>)) -> Self {
        let mut root = self.schema.fields.to_vec();
        if section.is_empty() {
            change(&mut root);
        } else {
            let field = root.iter_mut().find(|field| field.name() == section).expect("a section");
            *field = Arc::new(Field::new(section, change_fields(field.data_type(), change), true));
        }
        Self { schema: Schema::new(root), ..self }
    }

    /// Packets as a nested batch; what the layout does not have is left out, what a packet does not
    /// have is null.
    pub fn batch(&self, packets: &[Value]) -> RecordBatch {
        let schema = Arc::new(self.schema.clone());
        let mut decoder =
            arrow::json::ReaderBuilder::new(schema.clone()).build_decoder().expect("a decoder");
        decoder.serialize(packets).expect("packets that fit the layout");
        decoder.flush().expect("a batch").unwrap_or_else(|| RecordBatch::new_empty(schema))
    }

    /// An Avro object container file, so many packets in a block.
    pub fn avro(
        &self,
        packets: &[Value],
        codec: Option<CompressionCodec>,
        packets_per_block: usize,
    ) -> Vec<u8> {
        let mut schema = self.schema.clone();
        if self.nulls_last {
            let avro = AvroSchema::try_from(&schema).expect("an Avro schema");
            let mut avro: Value = serde_json::from_str(&avro.json_string).expect("JSON");
            put_nulls_last(&mut avro);
            schema.metadata.insert(SCHEMA_METADATA_KEY.to_string(), avro.to_string());
        }
        let mut writer = WriterBuilder::new(schema)
            .with_compression(codec)
            .build::<_, AvroOcfFormat>(Vec::new())
            .expect("a writer");
        for block in packets.chunks(packets_per_block) {
            writer.write(&self.batch(block)).expect("a block");
        }
        writer.finish().expect("the file");
        writer.into_inner()
    }

    /// A Parquet file as Fink's: nested.
    pub fn parquet(&self, packets: &[Value]) -> Vec<u8> {
        let schema = Arc::new(self.schema.clone());
        let mut writer = ArrowWriter::try_new(Vec::new(), schema, None).expect("a writer");
        writer.write(&self.batch(packets)).expect("a row group");
        writer.into_inner().expect("the file")
    }
}

fn fields(of: &[(&str, DataType)]) -> Vec<Field> {
    of.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect()
}

fn change_fields(of: &DataType, change: impl FnOnce(&mut Vec<FieldRef>)) -> DataType {
    match of {
        Struct(fields) => {
            let mut fields = fields.to_vec();
            change(&mut fields);
            Struct(fields.into())
        }
        List(item) => list(change_fields(item.data_type(), change)),
        other => panic!("a section is a record or a list of them, not {other}"),
    }
}

fn section(of: &[(&str, DataType)]) -> DataType {
    Struct(fields(of).into())
}

fn list(item: DataType) -> DataType {
    List(Arc::new(Field::new("item", item, true)))
}

fn put_nulls_last(schema: &mut Value) {
    match schema {
        Value::Array(union) if union.first() == Some(&json!("null")) => {
            union.rotate_left(1);
            union.iter_mut().for_each(put_nulls_last);
        }
        Value::Array(items) => items.iter_mut().for_each(put_nulls_last),
        Value::Object(object) => object.values_mut().for_each(put_nulls_last),
        _ => {}
    }
}
