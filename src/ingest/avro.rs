//! Reads Avro files of alert packets, of any codec, as nested batches of the sections that are stored, some MiB at a time.

use std::fs::File;
use std::io::BufReader;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};
use serde_json::Value;

use super::container::{Block, Container};
use super::{extent, sections};
use crate::error::{Error, Result};

/// A batch ends with the packet that brings it to either size, in the file or in memory. The decoder reserves about 2 MB for each packet,
/// so batches are small.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_MEMORY_BYTES: usize = 64 << 20;

/// The prefix of a record for the decoder, which expects the framing of schema registries: a zero, and the number of the schema.
const SCHEMA_NUMBER: u32 = 0;
const FRAME: [u8; 5] = [0; 5];

/// An Avro file of packets that is being read.
pub(crate) struct AvroPackets {
    container: Container<BufReader<File>>,
    decoder: Decoder,
    schema: SchemaRef,
    most_packet_bytes: usize,
    block: Option<OpenBlock>,
    /// Records decoded so far.
    records: u64,
}

/// The current block, and how much of it is decoded.
struct OpenBlock {
    block: Block,
    bytes: usize,
    records: u64,
}

impl AvroPackets {
    /// Opens a file and reads its header. A file that is not of alerts is an `Input` error.
    pub(crate) fn open(file: File, history: bool) -> Result<Self> {
        let size_bytes = file.metadata()?.len();
        let container = Container::open(BufReader::with_capacity(1 << 20, file), size_bytes)?;
        let (decoder, most_packet_bytes) = decoder(container.schema()?, history)?;
        let schema = decoder.schema();
        Ok(Self { container, decoder, schema, most_packet_bytes, block: None, records: 0 })
    }

    /// The nested schema of the batches.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// How many bytes of the file have been read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.container.bytes_read()
    }

    /// The next packets, in the order of the file; `None` after the last.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let (mut packets, mut bytes, mut memory_bytes) = (Vec::<RecordBatch>::new(), 0, 0);
        while bytes < BATCH_BYTES && memory_bytes < BATCH_MEMORY_BYTES {
            let Some(mut open) = self.open_block()? else { break };
            let (packet, length) = self.packet(&open).map_err(|error| {
                let Block { number, offset, .. } = open.block;
                error.context(format!("block {number} at byte {offset}, record {}", self.records))
            })?;
            memory_bytes += packet.get_array_memory_size();
            packets.push(packet);
            bytes += length;
            open.bytes += length;
            open.records += 1;
            self.records += 1;
            self.block = Some(open);
        }
        match packets.is_empty() {
            true => Ok(None),
            false => Ok(Some(concat_batches(&self.schema, &packets)?)),
        }
    }

    /// The current block, or the next one that has records left.
    fn open_block(&mut self) -> Result<Option<OpenBlock>> {
        let mut current = self.block.take();
        loop {
            match current {
                Some(open) if open.records < open.block.records => return Ok(Some(open)),
                Some(OpenBlock { block, bytes, .. }) if bytes < block.data.len() => {
                    let Block { number, offset, records, data } = block;
                    let place = format!("block {number} at byte {offset}");
                    let left = format!("{} bytes after its {records} records", data.len() - bytes);
                    return Err(Error::input(format!("{place}: damaged: {left}")));
                }
                _ => match self.container.next_block()? {
                    Some(block) => current = Some(OpenBlock { block, bytes: 0, records: 0 }),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Decodes the next record of a block by itself, so that its end is known and an error can name it.
    fn packet(&mut self, open: &OpenBlock) -> Result<(RecordBatch, usize)> {
        let rest = &open.block.data[open.bytes..];
        let record = &rest[..rest.len().min(self.most_packet_bytes)];
        let damaged = |reason: &dyn std::fmt::Display| match record.len() < rest.len() {
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
        let length = self.decoder.decode(record).map_err(|error| damaged(&error))?;
        match self.decoder.flush().map_err(|error| damaged(&error))? {
            Some(packet) => Ok((packet, length)),
            None => Err(damaged(&"it is longer than the rest of its block")),
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
