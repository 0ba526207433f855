//! How a message of a stream holds a packet, as its producers frame it:
//!
//! | producer | key | value |
//! |---|---|---|
//! | Rubin | | a zero byte, the id of the schema in its registry (32 bits, big-endian), the packet |
//! | Fink | the whole schema, as JSON | the packet |
//! | ZTF | | an Avro file of one packet |

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::ingest::framed;

/// The first bytes of an Avro file.
const CONTAINER: &[u8] = b"Obj\x01";

/// How messages are framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Framing {
    /// As each message looks
    #[default]
    Auto,
    /// Rubin: the id of a schema in a registry is before the packet
    Confluent,
    /// Fink: the schema is the key
    Fink,
    /// ZTF: an Avro file of one packet
    Container,
}

/// What a message holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame {
    /// A packet, and the id of its schema.
    Registered { schema: u32, packet: Bytes },
    /// A packet, and its schema.
    Keyed { schema: Bytes, packet: Bytes },
    /// An Avro file.
    Container(Bytes),
}

/// Takes a message apart. What is not framed so is an `Input` error.
pub(super) fn frame(framing: Framing, key: Option<&Bytes>, value: &Bytes) -> Result<Frame> {
    let keyed = key.filter(|key| key.trim_ascii_start().starts_with(b"{"));
    let looks = match framing {
        // A packet may begin with any byte, so the key is looked at first.
        Framing::Auto if value.starts_with(CONTAINER) => Framing::Container,
        Framing::Auto if keyed.is_some() => Framing::Fink,
        Framing::Auto => Framing::Confluent,
        told => told,
    };
    match (looks, keyed, framed(value)) {
        (Framing::Container, ..) if value.starts_with(CONTAINER) => {
            Ok(Frame::Container(value.clone()))
        }
        (Framing::Container, ..) => {
            Err(Error::input("not an Avro file: it does not begin with `Obj` and 1"))
        }
        (Framing::Fink, Some(schema), _) => {
            Ok(Frame::Keyed { schema: schema.clone(), packet: value.clone() })
        }
        (Framing::Fink, None, _) => Err(Error::input("the key is not an Avro schema as JSON")),
        (_, _, Some((schema, packet))) => {
            Ok(Frame::Registered { schema, packet: value.slice_ref(packet) })
        }
        _ => {
            let begins = value[..value.len().min(5)].escape_ascii();
            Err(Error::input(format!(
                "neither the framing of a schema registry (a zero byte and the id of the schema), nor a schema as key, nor an Avro file; it \
                 has {} bytes and begins with `{begins}`",
                value.len()
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_producers_framing_is_recognised() {
        let value = Bytes::from_static(b"\0\0\0\x04\x4cdatum");
        let rubin = frame(Framing::Auto, None, &value).unwrap();
        let packet = Bytes::from_static(b"datum");
        assert_eq!(rubin, Frame::Registered { schema: 1100, packet });
        // The packet itself may begin as the framing of a registry does.
        let schema = Bytes::from_static(br#" {"type": "record"}"#);
        let fink = frame(Framing::Auto, Some(&schema), &value).unwrap();
        assert_eq!(fink, Frame::Keyed { schema, packet: value.clone() });
        let file = Bytes::from_static(b"Obj\x01rest");
        for key in [None, Some(Bytes::from_static(b"ZTF17aaaaaal"))] {
            let ztf = frame(Framing::Auto, key.as_ref(), &file).unwrap();
            assert_eq!(ztf, Frame::Container(file.clone()));
        }
    }

    #[test]
    fn other_bytes_and_other_framings_than_told_are_refused() {
        let some = |bytes: &'static [u8]| Bytes::from_static(bytes);
        for value in [&b""[..], b"\0\0\0\x04", b"\x01\0\0\x04\x4cdatum", b"{}"] {
            let error = frame(Framing::Auto, None, &some(value)).unwrap_err();
            assert!(error.to_string().contains("schema registry"), "{error}");
        }
        let confluent = some(b"\0\0\0\x04\x4cdatum");
        for (framing, says) in [(Framing::Fink, "key"), (Framing::Container, "not an Avro file")] {
            let error = frame(framing, None, &confluent).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
