//! A set of numbers that may claim one that it does not have: less than one in 200, for nine bits a number. A binary fuse filter (Graf and
//! Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor Filters", 2022).

use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};

use super::sealed::{damaged, seal, unseal};
use crate::error::{Error, Result};

const DESCRIPTOR_BYTES: usize = BinaryFuse8::DESCRIPTOR_LEN;

/// A filter of `diaObjectId`s.
#[derive(Clone, Debug)]
pub struct KeyFilter {
    /// The descriptor of the filter, then its fingerprints.
    bytes: Box<[u8]>,
}

impl KeyFilter {
    /// The filter of some numbers, in any order, each any number of times.
    pub fn new(mut keys: Vec<i64>) -> Result<Self> {
        keys.sort_unstable();
        keys.dedup();
        let filter = BinaryFuse8::try_from_iterator(keys.iter().map(|key| *key as u64));
        let filter = filter.map_err(|why| Error::internal(format!("a filter of keys: {why}")))?;
        let mut bytes = vec![0; DESCRIPTOR_BYTES];
        filter.dma_copy_descriptor_to(&mut bytes);
        bytes.extend_from_slice(filter.dma_fingerprints());
        Ok(Self { bytes: bytes.into() })
    }

    /// Whether it may have a number. It has each that it was made of.
    pub fn may_have(&self, key: i64) -> bool {
        let (descriptor, fingerprints) = self.bytes.split_at(DESCRIPTOR_BYTES);
        BinaryFuse8Ref::from_dma(descriptor, fingerprints).contains(&(key as u64))
    }

    /// Its size in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        seal(self.bytes.to_vec())
    }

    /// The filter of such bytes. `Storage` if they are damaged.
    pub fn decode(sealed: &[u8]) -> Result<Self> {
        let bytes = unseal(sealed)?;
        match is_whole(bytes) {
            Some(true) => Ok(Self { bytes: bytes.into() }),
            _ => Err(damaged("it has no filter")),
        }
    }
}

/// Whether the fingerprints are as many as the descriptor says: a number is looked for in three segments of them, without further checks.
fn is_whole(bytes: &[u8]) -> Option<bool> {
    let (descriptor, fingerprints) = bytes.split_at_checked(DESCRIPTOR_BYTES)?;
    let number = |at: usize| Some(u32::from_le_bytes(*descriptor.get(at..)?.first_chunk()?));
    let (segment, mask, segments) = (number(8)?, number(12)?, number(16)?);
    let expected = segment.checked_mul(2)?.checked_add(segments)?;
    let whole = segment.is_power_of_two() && mask == segment - 1 && segments % segment == 0;
    Some(whole && segments > 0 && expected as usize == fingerprints.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_all_its_numbers_and_few_others() {
        for count in [0, 1, 2, 3, 10, 1000, 100_000_i64] {
            let keys: Vec<_> = (0..count).map(|i| 313_853_517_104_349_257 + 64 * i).collect();
            let filter = KeyFilter::new([&keys[..], &keys].concat()).unwrap();
            let filter = KeyFilter::decode(&filter.encode()).unwrap();
            assert!(keys.iter().all(|key| filter.may_have(*key)), "{count}");
            let others = (0..100_000).map(|i| 313_853_517_104_349_258 + 64 * i);
            let wrong = others.filter(|key| filter.may_have(*key)).count();
            assert!(wrong < 1000, "{wrong} of 100,000 for {count}");
            assert!(filter.bytes() < 200 + 2 * count as usize, "{count}");
        }
    }

    #[test]
    fn a_descriptor_that_does_not_fit_is_refused() {
        let filter = KeyFilter::new((0..1000).collect()).unwrap();
        for at in 8..DESCRIPTOR_BYTES {
            let mut bytes = filter.bytes.to_vec();
            bytes[at] ^= 0x10;
            assert!(KeyFilter::decode(&seal(bytes)).is_err(), "byte {at}");
        }
        KeyFilter::decode(&seal(filter.bytes[..filter.bytes.len() - 1].to_vec())).unwrap_err();
        KeyFilter::decode(&seal(Vec::new())).unwrap_err();
    }
}
