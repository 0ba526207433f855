//! Messages of a stream that `live` has set aside as they were, since nobody knew their schema: a zero byte, the id of the schema (32 bits,
//! big-endian) and the packet. Once the schema is known, such a file is read as the Avro file that it then makes.

use std::fs::File;
use std::io::{Read, Seek, Write};

use super::IngestOptions;
use super::container::of_one_packet;
use crate::error::{Error, Result};

/// The most bytes of a message. Kafka's default is 1 MiB, Rubin's 2 MiB.
const MOST_BYTES: u64 = 64 << 20;

/// The id of the schema, and the packet, of a message; `None` if it is not framed so.
pub fn framed(message: &[u8]) -> Option<(u32, &[u8])> {
    match message {
        [0, a, b, c, d, packet @ ..] => Some((u32::from_be_bytes([*a, *b, *c, *d]), packet)),
        _ => None,
    }
}

/// The file, or if it is a message, an Avro file of its packet.
pub(crate) async fn resolved(mut file: File, options: &IngestOptions) -> Result<File> {
    let mut bytes = Vec::new();
    (&mut file).take(1).read_to_end(&mut bytes)?;
    file.rewind()?;
    if bytes != [0] {
        return Ok(file);
    }
    (&mut file).take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        let most = MOST_BYTES >> 20;
        return Err(Error::input(format!("a message of a stream, of more than {most} MiB")));
    }
    let (schema, packet) = framed(&bytes[1..])
        .ok_or_else(|| Error::input("a message of a stream, without the id of a schema"))?;
    let Some(source) = &options.schemas else {
        let which = "give --registry or --schema-dir";
        return Err(Error::input(format!("a message of a stream, with schema {schema}: {which}")));
    };
    let text = source.text(schema).await?;
    let mut made = match &options.temp_dir {
        Some(dir) => tempfile::tempfile_in(dir)?,
        None => tempfile::tempfile()?,
    };
    made.write_all(&of_one_packet(text.as_bytes(), packet))?;
    made.rewind()?;
    Ok(made)
}
