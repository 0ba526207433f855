//! Decompresses the blocks of an Avro file.
//!
//! The names and framings are those of the Avro specification, "Object Container Files": deflate
//! without the zlib header, snappy followed by the CRC-32 of the plain bytes, big-endian.

use std::io::{self, Read, Write};

use arrow_avro::compression::CompressionCodec;
use lzma_rust2::XzReader;

/// The most bytes of a block, before and after decompression. Writers end a block after 16 KiB to 1 MiB, or after one packet of at most
/// some MiB; the least memory of an ingest is 64 MiB. A larger size means that the file is damaged.
pub(crate) const MAX_BLOCK_BYTES: usize = 64 << 20;

/// The most memory of an xz decoder: the dictionary of its highest level, which is as large as the largest block, and 1 MiB for the rest.
/// It is checked before the dictionary is allocated. (The window of the other codecs has at most 128 MiB, of which only as much is touched
/// as is decompressed.)
const XZ_MEMORY_KIB: u32 = (MAX_BLOCK_BYTES >> 10) as u32 + 1024;

/// Decompresses one block. Fails on damaged data and on more than [`MAX_BLOCK_BYTES`].
pub(crate) fn decompress(codec: CompressionCodec, block: &[u8]) -> io::Result<Vec<u8>> {
    match codec {
        CompressionCodec::Deflate => read_bounded(flate2::read::DeflateDecoder::new(block)),
        CompressionCodec::ZStandard => read_bounded(zstd::Decoder::with_buffer(block)?),
        CompressionCodec::Bzip2 => read_bounded(bzip2::read::BzDecoder::new(block)),
        CompressionCodec::Snappy => snappy(block),
        CompressionCodec::Xz => xz(block),
    }
}

fn xz(block: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoder = XzReader::new_mem_limit(block, false, XZ_MEMORY_KIB);
    let plain = read_bounded(&mut decoder).map_err(|error| match error.kind() {
        io::ErrorKind::OutOfMemory => {
            damaged(format!("xz: a dictionary of more than {} MiB", MAX_BLOCK_BYTES >> 20))
        }
        kind => io::Error::new(kind, format!("xz: {error}")),
    })?;
    match decoder.inner().is_empty() {
        true => Ok(plain),
        false => Err(damaged("xz: more bytes after its end".into())),
    }
}

fn snappy(block: &[u8]) -> io::Result<Vec<u8>> {
    let Some((compressed, checksum)) = block.split_last_chunk::<4>() else {
        return Err(damaged("snappy: no checksum".into()));
    };
    if snap::raw::decompress_len(compressed)? > MAX_BLOCK_BYTES {
        return Err(too_large());
    }
    let plain = snap::raw::Decoder::new().decompress_vec(compressed)?;
    if crc32fast::hash(&plain) != u32::from_be_bytes(*checksum) {
        return Err(damaged("snappy: the checksum differs".into()));
    }
    Ok(plain)
}

fn read_bounded(decoder: impl Read) -> io::Result<Vec<u8>> {
    let mut plain = BoundedBuffer(Vec::new());
    io::copy(&mut { decoder }, &mut plain)?;
    Ok(plain.0)
}

/// A buffer that takes up to [`MAX_BLOCK_BYTES`].
struct BoundedBuffer(Vec<u8>);

impl Write for BoundedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BLOCK_BYTES {
            return Err(too_large());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn damaged(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn too_large() -> io::Error {
    damaged(format!("more than {} MiB, the limit of a block", MAX_BLOCK_BYTES >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [CompressionCodec; 5] = [
        CompressionCodec::Deflate,
        CompressionCodec::Snappy,
        CompressionCodec::ZStandard,
        CompressionCodec::Bzip2,
        CompressionCodec::Xz,
    ];

    fn compress(codec: CompressionCodec, plain: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        match codec {
            CompressionCodec::Deflate => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::DeflateEncoder::new(&mut block, level);
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap();
            }
            CompressionCodec::Snappy => {
                block = snap::raw::Encoder::new().compress_vec(plain).unwrap();
                block.extend(crc32fast::hash(plain).to_be_bytes());
            }
            CompressionCodec::ZStandard => block = zstd::encode_all(plain, 3).unwrap(),
            CompressionCodec::Bzip2 => {
                let level = bzip2::Compression::default();
                let mut encoder = bzip2::write::BzEncoder::new(&mut block, level);
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap();
            }
            CompressionCodec::Xz => block = stored_xz(plain, 0),
        }
        block
    }

    #[test]
    fn every_codec_gives_the_bytes_back() {
        let plain: Vec<u8> = (0..100_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        for codec in ALL {
            let block = compress(codec, &plain);
            assert_eq!(decompress(codec, &block).unwrap(), plain, "{codec:?}");
        }
    }

    #[test]
    fn a_cut_block_is_an_error() {
        let plain: Vec<u8> = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
        for codec in ALL {
            let block = compress(codec, &plain);
            for kept in [0, 3, block.len() / 2, block.len() - 1] {
                let cut = decompress(codec, &block[..kept]);
                assert!(cut.is_err(), "{codec:?} cut at {kept} of {}", block.len());
            }
        }
    }

    #[test]
    fn a_bomb_is_an_error() {
        let plain = vec![0; MAX_BLOCK_BYTES + 1];
        for codec in ALL {
            let error = decompress(codec, &compress(codec, &plain)).unwrap_err();
            assert!(error.to_string().contains("64 MiB"), "{codec:?}: {error}");
        }
    }

    #[test]
    fn an_xz_dictionary_is_bounded_before_it_is_allocated() {
        let plain = b"alerts";
        // 64 MiB, 96 MiB and 4 GiB, as the format writes them.
        assert_eq!(decompress(CompressionCodec::Xz, &stored_xz(plain, 28)).unwrap(), plain);
        for size in [29, 40] {
            let error = decompress(CompressionCodec::Xz, &stored_xz(plain, size)).unwrap_err();
            assert!(error.to_string().contains("dictionary of more than 64 MiB"), "{error}");
        }
    }

    #[test]
    fn what_follows_the_end_of_xz_is_an_error() {
        let block = [stored_xz(b"alerts", 0), b"more".to_vec()].concat();
        decompress(CompressionCodec::Xz, &block).unwrap_err();
    }

    /// An .xz file of uncompressed chunks, made by its specification: no encoder is built in.
    fn stored_xz(plain: &[u8], dictionary_size: u8) -> Vec<u8> {
        let with_crc = |bytes: &[u8]| [bytes, &crc32fast::hash(bytes).to_le_bytes()].concat();
        let (mut chunks, mut control) = (Vec::new(), 1);
        for chunk in plain.chunks(1 << 16) {
            chunks.push(control);
            chunks.extend(((chunk.len() - 1) as u16).to_be_bytes());
            chunks.extend(chunk);
            control = 2;
        }
        chunks.push(0);
        // Header size in words without one, one filter, LZMA2 with one byte of properties, padding.
        let header = with_crc(&[2, 0, 0x21, 1, dictionary_size, 0, 0, 0]);
        let unpadded = header.len() + chunks.len() + 4;
        chunks.resize(chunks.len().next_multiple_of(4), 0);
        let mut index = vec![0, 1];
        for mut number in [unpadded, plain.len()] {
            while number > 127 {
                index.push(number as u8 | 128);
                number >>= 7;
            }
            index.push(number as u8);
        }
        index.resize(index.len().next_multiple_of(4), 0);
        let index = with_crc(&index);
        let backward = (index.len() / 4 - 1) as u32;
        let flags = [&backward.to_le_bytes()[..], &[0, 1]].concat();
        let check = crc32fast::hash(plain).to_le_bytes();
        let start = [&b"\xfd7zXZ\0"[..], &with_crc(&[0, 1])].concat();
        let footer = [&crc32fast::hash(&flags).to_le_bytes(), &flags[..], b"YZ"].concat();
        [start, header, chunks, check.to_vec(), index, footer].concat()
    }
}
