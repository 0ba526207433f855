//! The codecs of Avro blocks. In: a block as it stands in the file. Out: the bytes of its records.
//!
//! The names and framings are those of the Avro specification, "Object Container Files": deflate
//! without the zlib header, snappy followed by the CRC-32 of the plain bytes, big-endian.

use std::io::{self, Read, Write};

use arrow_avro::compression::CompressionCodec;

/// The largest block, in bytes, before and after decompression. Writers aim at well under 1 MiB; a
/// larger size in the file is damage, and must not fill the memory.
pub const MAX_BLOCK_BYTES: usize = 256 << 20;

/// Decompresses one block. Fails on damaged data and on more than [`MAX_BLOCK_BYTES`].
pub fn decompress(codec: CompressionCodec, block: &[u8]) -> io::Result<Vec<u8>> {
    match codec {
        CompressionCodec::Deflate => read_bounded(flate2::read::DeflateDecoder::new(block)),
        CompressionCodec::ZStandard => read_bounded(zstd::Decoder::with_buffer(block)?),
        CompressionCodec::Bzip2 => read_bounded(bzip2::read::BzDecoder::new(block)),
        CompressionCodec::Snappy => snappy(block),
        CompressionCodec::Xz => {
            let mut plain = Bounded(Vec::new());
            lzma_rs::xz_decompress(&mut &block[..], &mut plain)
                .map_err(|error| damaged(format!("xz: {error:?}")))?;
            Ok(plain.0)
        }
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
    let mut plain = Bounded(Vec::new());
    io::copy(&mut { decoder }, &mut plain)?;
    Ok(plain.0)
}

/// Bytes in memory, up to [`MAX_BLOCK_BYTES`].
struct Bounded(Vec<u8>);

impl Write for Bounded {
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
    damaged(format!("more than the {} MiB that a block may have", MAX_BLOCK_BYTES >> 20))
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
            CompressionCodec::Xz => lzma_rs::xz_compress(&mut &plain[..], &mut block).unwrap(),
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
        for codec in [CompressionCodec::ZStandard, CompressionCodec::Snappy] {
            let error = decompress(codec, &compress(codec, &plain)).unwrap_err();
            assert!(error.to_string().contains("256 MiB"), "{codec:?}: {error}");
        }
    }
}
