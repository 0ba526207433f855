//! Decodes packets in Avro's binary form, of the sections that are stored: the schema that they were written with comes from elsewhere.
//! Packets whose length is known are decoded some together, which takes less time than to decode each and put the rows together.

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

/// The most memory of the packets of a batch with empty texts and lists.
const BATCH_MEMORY_BYTES: usize = 64 << 20;

/// Decodes packets of one schema.
pub(crate) struct DatumDecoder {
    decoder: Decoder,
    /// The most bytes of a packet. As many may all packets of a batch have.
    most_bytes: usize,
    /// The bytes of the packets since the last batch.
    bytes: usize,
}

impl DatumDecoder {
    /// Of the schema that packets were written with, as JSON. One that is not of alerts is an `Input` error. A batch has at most so many
    /// packets.
    pub(crate) fn new(schema: Value, history: bool, most_packets: usize) -> Result<Self> {
        let (decoder, most_bytes) = decoder(schema, history, most_packets)?;
        Ok(Self { decoder, most_bytes, bytes: 0 })
    }

    /// The nested schema of the batches.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.decoder.schema()
    }

    /// Whether a packet of so many bytes may be in the same batch as those before.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let is_first = self.decoder.batch_is_empty();
        is_first || (self.decoder.capacity() > 0 && self.bytes + bytes <= self.most_bytes)
    }

    /// Decodes one packet, which some bytes begin with, and says how many bytes it has. Nothing but this packet may follow where a batch has
    /// more than one. After an `Input` error the decoder is of no use any more.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<usize> {
        let packet = &bytes[..bytes.len().min(self.most_bytes)];
        let damaged = |reason: &dyn std::fmt::Display| match packet.len() < bytes.len() {
            true => {
                let most = self.most_bytes;
                let least = format!(
                    "or longer than the {most} bytes that a packet of this schema may have"
                );
                Error::input(format!("damaged: {reason}; {least}"))
            }
            false => Error::input(format!("damaged: {reason}")),
        };
        let room = self.decoder.capacity();
        self.decoder.decode(&FRAME).map_err(|error| damaged(&error))?;
        let length = self.decoder.decode(packet).map_err(|error| damaged(&error))?;
        match room - self.decoder.capacity() {
            0 => return Err(damaged(&"it is longer than its bytes")),
            1 => {}
            _ => return Err(damaged(&"it is more than one packet")),
        }
        self.bytes += length;
        Ok(length)
    }

    /// The packets since the last batch, of which there is at least one.
    pub(crate) fn batch(&mut self) -> Result<RecordBatch> {
        self.bytes = 0;
        let batch =
            self.decoder.flush().map_err(|error| Error::input(format!("damaged: {error}")))?;
        batch.ok_or_else(|| Error::internal("a batch without packets"))
    }
}

/// A decoder of the stored sections, and the most bytes that a packet may have.
fn decoder(mut schema: Value, history: bool, most_packets: usize) -> Result<(Decoder, usize)> {
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
    let (most_bytes, memory_bytes) = extent::packet_bytes(&schema, history)?;
    let most_packets = most_packets.min(BATCH_MEMORY_BYTES / (memory_bytes as usize).max(1)).max(1);

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
        .with_batch_size(most_packets)
        .build_decoder()
        .map(|decoder| (decoder, most_bytes as usize))
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
