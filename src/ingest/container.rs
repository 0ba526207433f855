//! Reads Avro object container files block by block, and checks the length, the sync marker and the checksum of each [`Block`].
//!
//! arrow-avro has a container reader too; it takes a file that ends within a block for a complete one
//! and does not look at sync markers, so only its decoder of records is used.

use std::io::{BufRead, Read};

use arrow_avro::compression::CompressionCodec;
use arrow_avro::reader::{HeaderInfo, read_header_info};

use super::codec::{MAX_BLOCK_BYTES, decompress};
use crate::error::{Error, Result};

const SYNC_BYTES: u64 = 16;
/// Of the files that are made here. They have one block, so it need not be random.
const OWN_SYNC: &[u8; SYNC_BYTES as usize] = b"diaflight packet";
/// The most bytes of a header. Rubin's, with its schema, has 26 KB.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// The records of one block, decompressed.
pub(crate) struct Block {
    /// The number of the block in the file, from 0.
    pub number: u64,
    /// The offset of the block in the file.
    pub offset: u64,
    /// The number of records, as the block says.
    pub records: u64,
    pub data: Vec<u8>,
}

/// A container file being read.
pub(crate) struct Container<R> {
    reader: R,
    header: HeaderInfo,
    codec: Option<CompressionCodec>,
    /// Bytes read so far, and bytes in the file.
    offset: u64,
    size_bytes: u64,
    /// Blocks read so far.
    blocks: u64,
}

/// The schema, as JSON, and the packet of a file that has one. Several are an `Input` error, and so is none.
pub fn only_packet(file: &[u8]) -> Result<(String, Vec<u8>)> {
    let mut container = Container::open(file, file.len() as u64)?;
    let (mut count, mut packet) = (0_u64, Vec::new());
    while let Some(block) = container.next_block()? {
        if block.records == 0 && !block.data.is_empty() {
            return Err(Error::input("damaged: a block without packets, but with bytes"));
        }
        count = count.saturating_add(block.records);
        if block.records > 0 {
            packet = block.data;
        }
    }
    match count {
        1 => Ok((container.schema()?.to_string(), packet)),
        count => {
            let expected = "one in a message is expected";
            Err(Error::input(format!("an Avro file of {count} packets; {expected}")))
        }
    }
}

/// A file of one packet, which was written with a schema, given as JSON.
pub fn of_one_packet(schema: &[u8], packet: &[u8]) -> Vec<u8> {
    let metadata: [(&[u8], &[u8]); 2] =
        [("avro.schema".as_bytes(), schema), (b"avro.codec", b"null")];
    let mut file = b"Obj\x01".to_vec();
    put_long(&mut file, metadata.len() as u64);
    for bytes in metadata.into_iter().flat_map(|(key, value)| [key, value]) {
        put_long(&mut file, bytes.len() as u64);
        file.extend_from_slice(bytes);
    }
    put_long(&mut file, 0);
    file.extend_from_slice(OWN_SYNC);
    put_long(&mut file, 1);
    put_long(&mut file, packet.len() as u64);
    file.extend_from_slice(packet);
    file.extend_from_slice(OWN_SYNC);
    file
}

/// A long of Avro that is not negative.
fn put_long(file: &mut Vec<u8>, long: u64) {
    let mut rest = long << 1;
    while rest >= 0x80 {
        file.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    file.push(rest as u8);
}

impl<R: BufRead> Container<R> {
    /// Reads the header of a file of `size_bytes`.
    pub(crate) fn open(mut reader: R, size_bytes: u64) -> Result<Self> {
        let broken = |error: &dyn std::fmt::Display| {
            Error::input(format!("the Avro header cannot be read: {error}"))
        };
        let mut start = reader.by_ref().take(MAX_HEADER_BYTES);
        let header = read_header_info(&mut start);
        if header.is_err() && start.limit() == 0 {
            let most = MAX_HEADER_BYTES >> 20;
            return Err(Error::input(format!("the Avro header is longer than {most} MiB")));
        }
        let header = header.map_err(|error| broken(&error))?;
        let codec = header.compression().map_err(|error| broken(&error))?;
        let offset = header.header_len();
        Ok(Self { reader, header, codec, offset, size_bytes, blocks: 0 })
    }

    /// The writer's schema, as JSON.
    pub(crate) fn schema(&self) -> Result<serde_json::Value> {
        let schema = self.header.writer_schema();
        let schema = schema.map_err(|error| Error::input(format!("no Avro schema: {error}")))?;
        serde_json::from_str(&schema.json_string)
            .map_err(|error| Error::input(format!("the Avro schema is not JSON: {error}")))
    }

    /// How many bytes of the file have been read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.offset
    }

    /// The next block; `None` at the end of the file, which must be the end of a block.
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let (number, offset) = (self.blocks, self.offset);
        let block = self.block().map_err(|e| e.context(format!("block {number} at byte {offset}")));
        let (records, data) = block?;
        self.blocks += 1;
        Ok(Some(Block { number, offset, records, data }))
    }

    fn block(&mut self) -> Result<(u64, Vec<u8>)> {
        let records = self.length("record count")?;
        let length = self.length("length")?;
        let left = self.size_bytes.saturating_sub(self.offset);
        if length.saturating_add(SYNC_BYTES) > left {
            let missing = format!("truncated: {length} bytes and a sync marker expected");
            return Err(Error::input(format!("{missing}, {left} bytes left in the file")));
        }
        if length > MAX_BLOCK_BYTES as u64 {
            let most = MAX_BLOCK_BYTES >> 20;
            return Err(Error::input(format!("{length} bytes long; at most {most} MiB are read")));
        }
        let mut data = vec![0; length as usize];
        self.fill(&mut data)?;
        let mut sync = [0; SYNC_BYTES as usize];
        self.fill(&mut sync)?;
        if sync != self.header.sync() {
            return Err(Error::input("damaged: not followed by the sync marker of the file"));
        }
        if let Some(codec) = self.codec {
            data = decompress(codec, &data)
                .map_err(|error| Error::input(format!("cannot be decompressed: {error}")))?;
        }
        match records <= data.len() as u64 {
            true => Ok((records, data)),
            false => {
                let bytes = data.len();
                Err(Error::input(format!(
                    "damaged: its header gives {records} records in {bytes} bytes"
                )))
            }
        }
    }

    /// Reads a long that must not be negative.
    fn length(&mut self, what: &str) -> Result<u64> {
        let mut zigzag = 0_u64;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.fill(&mut byte)?;
            zigzag |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                let negative = zigzag & 1 == 1;
                let wrong = || Error::input(format!("damaged: a negative {what}"));
                return if negative { Err(wrong()) } else { Ok(zigzag >> 1) };
            }
        }
        Err(Error::input(format!("damaged: the {what} is not an Avro long")))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.reader.read_exact(bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::input("truncated: the file ends within it"),
            _ => Error::from(error),
        })?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of blocks, each of so many records and of these bytes.
    fn file(blocks: &[(u64, &[u8])]) -> Vec<u8> {
        let mut file = of_one_packet(b"{}", b"");
        file.truncate(file.len() - 2 - OWN_SYNC.len());
        for (records, bytes) in blocks {
            put_long(&mut file, *records);
            put_long(&mut file, bytes.len() as u64);
            file.extend_from_slice(bytes);
            file.extend_from_slice(OWN_SYNC);
        }
        file
    }

    #[test]
    fn the_packet_of_a_file_is_found_wherever_it_is_and_must_be_alone() {
        let packet = b"some packet".as_slice();
        assert_eq!(file(&[(1, packet)]), of_one_packet(b"{}", packet));
        for blocks in [&[(1, packet)][..], &[(0, b""), (1, packet)], &[(1, packet), (0, b"")]] {
            assert_eq!(only_packet(&file(blocks)).unwrap(), ("{}".to_string(), packet.to_vec()));
        }
        for (blocks, says) in [
            (&[][..], "of 0 packets"),
            (&[(1, packet), (0, b""), (2, packet)], "of 3 packets"),
            (&[(0, packet), (1, packet)], "without packets, but with bytes"),
        ] {
            let error = only_packet(&file(blocks)).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(only_packet(&of_one_packet(b"{}", packet)[..20]).is_err());
    }
}
