//! Writes an Avro object container file: a header with the schema, then blocks of records, each ended by the file's marker. Without
//! compression, as Rubin and Fink send alerts.

use std::io::Write;

use arrow_avro::schema::SCHEMA_METADATA_KEY;

use crate::error::Result;

/// Enough for a block: many records, and soon written.
const BLOCK_BYTES: usize = 1 << 20;

/// A container file being written.
pub(super) struct ContainerWriter<W> {
    out: W,
    marker: [u8; 16],
    /// The block that is being filled, and its number of records.
    block: Vec<u8>,
    records: u64,
    /// Written so far.
    bytes: u64,
}

impl<W: Write> ContainerWriter<W> {
    /// Writes the header. The marker is a random number.
    pub(super) fn new(out: W, schema: &str, marker: [u8; 16]) -> Result<Self> {
        let mut header = b"Obj\x01".to_vec();
        put_long(&mut header, 2);
        for (key, value) in [(SCHEMA_METADATA_KEY, schema), ("avro.codec", "null")] {
            for text in [key, value] {
                put_long(&mut header, text.len() as u64);
                header.extend(text.as_bytes());
            }
        }
        put_long(&mut header, 0);
        header.extend(marker);
        let mut file = Self { out, marker, block: Vec::new(), records: 0, bytes: 0 };
        file.write(&header)?;
        Ok(file)
    }

    /// Adds a record, of which `encode` appends the bytes.
    pub(super) fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        encode(&mut self.block)?;
        self.records += 1;
        if self.block.len() >= BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    /// Ends the file, and gives its number of bytes.
    pub(super) fn finish(mut self) -> Result<(W, u64)> {
        self.end_block()?;
        self.out.flush()?;
        Ok((self.out, self.bytes))
    }

    fn end_block(&mut self) -> Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        let mut head = Vec::new();
        put_long(&mut head, self.records);
        put_long(&mut head, self.block.len() as u64);
        self.write(&head)?;
        let mut block = std::mem::take(&mut self.block);
        self.write(&block)?;
        self.write(&self.marker.clone())?;
        block.clear();
        (self.block, self.records) = (block, 0);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Appends a number as Avro encodes a long: zigzag, seven bits a byte, the lowest first.
pub(super) fn put_long(to: &mut Vec<u8>, value: u64) {
    let mut rest = value << 1;
    while rest >= 0x80 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_is_encoded_as_the_specification_says() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (1, &[0x02]),
            (64, &[0x80, 0x01]),
            (1 << 20, &[0x80, 0x80, 0x80, 0x01]),
        ] {
            let mut encoded = Vec::new();
            put_long(&mut encoded, value);
            assert_eq!(encoded, bytes, "{value}");
        }
    }

    #[test]
    fn blocks_end_once_they_are_large_and_none_is_empty() {
        let mut file = ContainerWriter::new(Vec::new(), "\"bytes\"", [7; 16]).unwrap();
        let header = file.bytes;
        for fill in [1, 2, 3] {
            let record = vec![fill; BLOCK_BYTES / 2];
            file.add(|to| {
                to.extend(&record);
                Ok(())
            })
            .unwrap();
        }
        let (file, bytes) = file.finish().unwrap();
        assert_eq!(file.len() as u64, bytes);
        // A block begins with its count and its length, and ends with the marker.
        let heads = (1 + 4) + (1 + 3);
        assert_eq!(bytes, header + 3 * (BLOCK_BYTES as u64 / 2) + heads + 2 * 16);
        let (empty, bytes) =
            ContainerWriter::new(Vec::new(), "\"bytes\"", [7; 16]).unwrap().finish().unwrap();
        assert_eq!((empty.len() as u64, bytes), (header, header));
    }
}
