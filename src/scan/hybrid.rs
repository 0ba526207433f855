//! Decodes Parquet's hybrid of run lengths and bit-packed groups, in which pages have their definition levels and the indices of a
//! dictionary. See "RLE/Bit-Packing Hybrid" in the Parquet format's Encodings.md.

/// The first `count` numbers of `bits` bits; `None` where the bytes are not such numbers.
pub(crate) fn decode(mut bytes: &[u8], bits: u8, count: usize) -> Option<Vec<u32>> {
    let mut numbers = Vec::with_capacity(count);
    while numbers.len() < count {
        let header = varint(&mut bytes)?;
        let room = count - numbers.len();
        let length = usize::try_from(header >> 1).ok()?;
        if header & 1 == 0 {
            let value = repeated(&mut bytes, bits)?;
            numbers.resize(numbers.len() + room.min(length), value);
        } else {
            let packed;
            (packed, bytes) = bytes.split_at_checked(length.checked_mul(bits.into())?)?;
            unpack(packed, bits, room.min(length * 8), &mut numbers);
        }
        if length == 0 {
            return None;
        }
    }
    Some(numbers)
}

/// Whether the first `count` levels of one bit are all set, as those of a page without nulls are.
pub(crate) fn all_set(mut bytes: &[u8], count: usize) -> bool {
    let run = |bytes: &mut &[u8]| Some((varint(bytes)?, *bytes.first()?));
    let Some((header, level)) = run(&mut bytes) else { return count == 0 };
    header & 1 == 0 && level == 1 && header >> 1 >= count as u64
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The number that a run repeats. It has as few whole bytes as its bits need.
fn repeated(bytes: &mut &[u8], bits: u8) -> Option<u32> {
    let (value, rest) = bytes.split_at_checked(bits.div_ceil(8).into())?;
    *bytes = rest;
    let mut number = [0; 4];
    number.get_mut(..value.len())?.copy_from_slice(value);
    Some(u32::from_le_bytes(number))
}

/// Appends bit-packed numbers, whose least significant bits come first.
fn unpack(packed: &[u8], bits: u8, count: usize, numbers: &mut Vec<u32>) {
    let mask = (1u64 << bits) - 1;
    let (mut held, mut held_bits, mut bytes) = (0u64, 0, packed.iter());
    for _ in 0..count {
        while held_bits < bits {
            held |= u64::from(bytes.next().copied().unwrap_or_default()) << held_bits;
            held_bits += 8;
        }
        numbers.push((held & mask) as u32);
        held >>= bits;
        held_bits -= bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_groups_are_read() {
        // Five times 3; then the numbers 0 to 7 in three bits each, as in the format's own example.
        let bytes = [10, 3, 3, 0x88, 0xc6, 0xfa];
        let numbers = [3, 3, 3, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7];
        for count in 0..=numbers.len() {
            assert_eq!(decode(&bytes, 3, count).unwrap(), numbers[..count]);
        }
        assert_eq!(decode(&bytes, 3, numbers.len() + 1), None);
        assert_eq!(decode(&[0x80, 2, 0x2c, 1], 9, 128).unwrap(), [300; 128]);
        assert_eq!(decode(&[8], 0, 4).unwrap(), [0; 4]);
        for broken in [&[][..], &[0x80], &[2], &[3], &[0, 1], &[0xff; 12]] {
            assert_eq!(decode(broken, 8, 2), None, "{broken:?}");
        }
    }

    #[test]
    fn a_page_without_nulls_is_seen() {
        assert!(all_set(&[0x80, 8, 1], 512) && all_set(&[], 0));
        assert!(!all_set(&[0x80, 8, 1], 513) && !all_set(&[0x80, 8, 0], 512));
        assert!(!all_set(&[3, 0xff], 8) && !all_set(&[], 1));
    }
}
