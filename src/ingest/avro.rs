//! Reads Avro files of alert packets, of any codec, as nested batches of the sections that are stored, some MiB at a time.

use std::fs::File;
use std::io::BufReader;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;

use super::container::{Block, Container};
use super::datum::DatumDecoder;
use crate::error::{Error, Result};

/// A batch ends with the packet that brings it to either size, in the file or in memory. The decoder reserves about 2 MB for each packet,
/// so batches are small.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_MEMORY_BYTES: usize = 64 << 20;

/// An Avro file of packets that is being read.
pub(crate) struct AvroPackets {
    container: Container<BufReader<File>>,
    decoder: DatumDecoder,
    schema: SchemaRef,
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
        // How long a packet is, is known when it is decoded.
        let decoder = DatumDecoder::new(container.schema()?, history, 1)?;
        let schema = decoder.schema();
        Ok(Self { container, decoder, schema, block: None, records: 0 })
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
            let length = self.decoder.push(&open.block.data[open.bytes..]);
            let packet = length.and_then(|length| Ok((self.decoder.batch()?, length)));
            let (packet, length) = packet.map_err(|error| {
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
}
