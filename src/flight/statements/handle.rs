//! Handles of prepared statements and tickets of planned ones, as bytes. They hold all there is to know of them, so that no instance of the
//! server need remember any. Bytes that are damaged are refused.
//!
//! The bytes are a letter for the kind, the version of this layout, the CRC-32 (little-endian) of what follows, and a
//! protobuf message.

use arrow_flight::FlightData;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

use crate::error::{Error, Kind, Result};
use crate::sql::SqlVersions;

/// The version of this layout, changed with every change of a message.
const VERSION: u8 = 3;
/// Bytes of the kind, the version and the checksum.
const HEAD: usize = 6;
/// The most bytes of a handle. A FlightInfo has it twice, and gRPC messages have 4 MiB at most.
const MOST_BYTES: usize = 1 << 20;

/// The error for a handle over the limit.
pub(crate) fn check_size(bytes: usize) -> Result<()> {
    match bytes <= MOST_BYTES {
        true => Ok(()),
        false => Err(Error::new(
            Kind::TooLarge,
            format!(
                "a statement and its parameters are over {MOST_BYTES} bytes; bind fewer rows at once"
            ),
        )),
    }
}

/// A message that clients carry.
pub(crate) trait Handle: Message + Default {
    /// The letter of its kind.
    const KIND: u8;

    /// Its bytes. `TooLarge` over [`MOST_BYTES`].
    fn seal(&self) -> Result<Bytes> {
        let message = self.encode_to_vec();
        check_size(message.len())?;
        let mut bytes = BytesMut::with_capacity(HEAD + message.len());
        bytes.put_u8(Self::KIND);
        bytes.put_u8(VERSION);
        bytes.put_u32_le(crc32fast::hash(&message));
        bytes.put_slice(&message);
        Ok(bytes.freeze())
    }

    /// Reads the bytes that [`Self::seal`] made. Errors: `Argument` for any others.
    fn open(mut bytes: Bytes) -> Result<Self> {
        check_size(bytes.len().saturating_sub(HEAD))?;
        if bytes.len() < HEAD || bytes.get_u8() != Self::KIND {
            return Err(Error::argument(
                "the handle or ticket was not made by this server; prepare the statement again",
            ));
        }
        let version = bytes.get_u8();
        if version != VERSION {
            return Err(Error::argument(format!(
                "the handle or ticket has version {version}, and this server uses version {VERSION}; prepare the statement again"
            )));
        }
        let damaged =
            || Error::argument("the handle or ticket is damaged; prepare the statement again");
        if bytes.get_u32_le() != crc32fast::hash(&bytes) {
            return Err(damaged());
        }
        Self::decode(bytes).map_err(|_| damaged())
    }
}

/// A prepared statement: to be planned against the newest snapshots each time it is executed.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PreparedHandle {
    /// The SQL of the statement.
    #[prost(string, tag = "1")]
    pub text: String,
    /// A schema and batches, one row for each run, as the client sent them; empty where nothing is bound.
    #[prost(message, repeated, tag = "2")]
    pub bound: Vec<FlightData>,
}

impl Handle for PreparedHandle {
    const KIND: u8 = b'p';
}

/// A planned statement: any server answers it from the snapshots it was planned against.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PlannedHandle {
    /// Identifies the statement while it runs.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The statement, with the values of its parameters.
    #[prost(message, required, tag = "2")]
    pub prepared: PreparedHandle,
    #[prost(uint64, optional, tag = "3")]
    sources: Option<u64>,
    #[prost(uint64, optional, tag = "4")]
    objects: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    fp: Option<u64>,
    #[prost(fixed64, repeated, tag = "6")]
    ids: Vec<u64>,
}

impl Handle for PlannedHandle {
    const KIND: u8 = b't';
}

impl PlannedHandle {
    /// The ticket of a statement that is planned on some versions.
    pub(crate) fn new(id: String, prepared: PreparedHandle, versions: &SqlVersions) -> Self {
        let &SqlVersions { sources, objects, fp, ids } = versions;
        Self { id, prepared, sources, objects, fp, ids: ids.to_vec() }
    }

    /// The versions to read.
    pub(crate) fn versions(&self) -> SqlVersions {
        let ids = self.ids.as_slice().try_into().unwrap_or_default();
        SqlVersions { sources: self.sources, objects: self.objects, fp: self.fp, ids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared() -> PreparedHandle {
        let sent = FlightData::new().with_data_body(Bytes::from_static(b"rows"));
        PreparedHandle { text: "SELECT 1".into(), bound: vec![sent] }
    }

    #[test]
    fn what_is_sealed_opens() {
        let versions =
            SqlVersions { sources: Some(3), objects: None, fp: Some(0), ids: [7, 0, u64::MAX] };
        let planned = PlannedHandle::new("an id".into(), prepared(), &versions);
        assert_eq!(PlannedHandle::open(planned.seal().unwrap()).unwrap(), planned);
        assert_eq!(planned.versions(), versions);
        assert_eq!(PreparedHandle::open(prepared().seal().unwrap()).unwrap(), prepared());
    }

    #[test]
    fn any_other_bytes_are_refused() {
        let sealed = prepared().seal().unwrap();
        assert!(PlannedHandle::open(sealed.clone()).is_err(), "of another kind");
        for at in 0..sealed.len() {
            let mut changed = sealed.to_vec();
            changed[at] ^= 0x10;
            let error = PreparedHandle::open(changed.into()).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument, "{error}");
            assert!(PreparedHandle::open(sealed.slice(..at)).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut sealed = prepared().seal().unwrap().to_vec();
        sealed[1] = 9;
        let error = PreparedHandle::open(sealed.into()).unwrap_err().to_string();
        assert!(error.contains("version 9"), "{error}");
    }

    #[test]
    fn too_much_is_refused() {
        let sent = FlightData::new().with_data_body(vec![0; MOST_BYTES]);
        let error = PreparedHandle { text: String::new(), bound: vec![sent] }.seal().unwrap_err();
        assert_eq!(error.kind(), Kind::TooLarge);
    }
}
