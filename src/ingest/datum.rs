//! Decodes packets in Avro's binary form, one by one, of the sections that are stored: the schema that they were written with comes from
//! elsewhere.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};
use serde_json::Value;

use super::{extent, sections};
use crate::error::{Error, Result};

/// The prefix of a record for the decoder, which expects the framing of schema registries: a zero, and the number of the schema.
const SCHEMA_NUMBER: u32 = 0;
const FRAME: [u8; 5] = [0; 5];

/// Decodes packets of one schema.
pub(crate) struct DatumDecoder {
    decoder: Decoder,
    most_packet_bytes: usize,
}

impl DatumDecoder {
    /// Of the schema that packets were written with, as JSON. One that is not of alerts is an `Input` error.
    pub(crate) fn new(schema: Value, history: bool) -> Result<Self> {
        let (decoder, most_packet_bytes) = decoder(schema, history)?;
        Ok(Self { decoder, most_packet_bytes })
    }

    /// The nested schema of the batches.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.decoder.schema()
    }

    /// Decodes the packet that some bytes begin with, and says how many bytes it has. After an `Input` error the decoder is of no use any
    /// more.
    pub(crate) fn first(&mut self, bytes: &[u8]) -> Result<(RecordBatch, usize)> {
        let packet = &bytes[..bytes.len().min(self.most_packet_bytes)];
        let damaged = |reason: &dyn std::fmt::Display| match packet.len() < bytes.len() {
            true => {
                let most = self.most_packet_bytes;
                let least = format!(
                    "or longer than the {most} bytes that a packet of this schema may have"
                );
                Error::input(format!("damaged: {reason}; {least}"))
            }
            false => Error::input(format!("damaged: {reason}")),
        };
        self.decoder.decode(&FRAME).map_err(|error| damaged(&error))?;
        let length = self.decoder.decode(packet).map_err(|error| damaged(&error))?;
        match self.decoder.flush().map_err(|error| damaged(&error))? {
            Some(packet) => Ok((packet, length)),
            None => Err(damaged(&"it is longer than its bytes")),
        }
    }
}

/// A decoder of the stored sections, one record at a time, and the most bytes that a record may have.
fn decoder(mut schema: Value, history: bool) -> Result<(Decoder, usize)> {
    let fields = schema["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<_> = fields.iter().filter_map(|field| field["name"].as_str()).collect();
    if !names.contains(&sections::DIA_SOURCE) {
        let name = schema["name"].as_str().unwrap_or("records without a name");
        let what = format!("an Avro file of {name}, which has no field diaSource");
        return Err(Error::input(format!("{what}; alert packets are expected")));
    }
    let is_stored = |(at, name): (usize, &&str)| sections::is_stored(name, history).then_some(at);
    let projection = names.iter().enumerate().filter_map(is_stored).collect();
    split_names(&mut schema);
    let most_packet_bytes = extent::most_packet_bytes(&schema, history)?;

    let unreadable = |error: &dyn std::fmt::Display| {
        Error::input(format!("the Avro schema cannot be read: {error}"))
    };
    let mut store = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
    store
        .set(Fingerprint::Id(SCHEMA_NUMBER), AvroSchema::new(schema.to_string()))
        .map_err(|error| unreadable(&error))?;
    ReaderBuilder::new()
        .with_writer_schema_store(store)
        .with_projection(projection)
        .with_batch_size(1)
        .build_decoder()
        .map(|decoder| (decoder, most_packet_bytes as usize))
        .map_err(|error| unreadable(&error))
}

/// Splits full names (`lsst.v10_0.diaSource`, as in Rubin's packets) into name and namespace, which arrow-avro needs though Avro does not;
/// and drops defaults, which reading does not need and some writers get wrong.
fn split_names(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(split_names),
        Value::Object(object) => {
            object.remove("default");
            let full_name = object.get("name").and_then(Value::as_str).unwrap_or_default();
            if let Some((namespace, name)) = full_name.rsplit_once('.') {
                let (namespace, name) = (Value::from(namespace), Value::from(name));
                object.insert("namespace".to_string(), namespace);
                object.insert("name".to_string(), name);
            }
            object.values_mut().for_each(split_names);
        }
        _ => {}
    }
}
