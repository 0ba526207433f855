//! A part of the index as bytes: a value in postcard's compact form, then a checksum of it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use twox_hash::XxHash3_64;

use crate::error::{Error, Kind, Result};

const CHECKSUM_BYTES: usize = 8;

/// Appends a checksum to bytes.
pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = XxHash3_64::oneshot(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// The bytes before the checksum. `Storage` if they are not those that were sealed.
pub(super) fn unseal(sealed: &[u8]) -> Result<&[u8]> {
    let Some((bytes, checksum)) = sealed.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(damaged("it is cut short"));
    };
    match XxHash3_64::oneshot(bytes) == u64::from_le_bytes(*checksum) {
        true => Ok(bytes),
        false => Err(damaged("its checksum is wrong")),
    }
}

/// A value as sealed bytes.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    let bytes = postcard::to_allocvec(value);
    Ok(seal(bytes.map_err(|error| Error::internal(format!("encoding the key index: {error}")))?))
}

/// The value of sealed bytes.
pub(super) fn decode<T: DeserializeOwned>(sealed: &[u8]) -> Result<T> {
    postcard::from_bytes(unseal(sealed)?).map_err(|error| damaged(&error.to_string()))
}

/// The error for an index that is not as it was written. The file's footer has all that it says.
pub(super) fn damaged(why: &str) -> Error {
    Error::new(Kind::Storage, format!("the key index is damaged: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_or_cut_is_seen() {
        let sealed = encode(&(7_u32, vec![-1_i64, 1 << 40])).unwrap();
        assert_eq!(decode::<(u32, Vec<i64>)>(&sealed).unwrap(), (7, vec![-1, 1 << 40]));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            decode::<(u32, Vec<i64>)>(&changed).unwrap_err();
            decode::<(u32, Vec<i64>)>(&sealed[..at]).unwrap_err();
        }
    }
}
