//! The columns of a binary table, and their values in a row.

use super::header::FitsHeader;
use super::{MOST_COLUMNS, MOST_ROW_BYTES};
use crate::error::{Error, Result};

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::region) struct FitsColumn {
    pub(super) name: String,
    /// Where it begins in a row.
    offset: usize,
    /// How many values each row has.
    pub(in crate::region) repeat: usize,
    /// What they are, by the letter of the standard (table 18).
    letter: u8,
}

/// The columns of a table, whose widths add up to those of a row.
pub(super) fn columns(header: &FitsHeader, row_bytes: u64) -> Result<Vec<FitsColumn>> {
    let number = header.length("TFIELDS")?;
    if number > MOST_COLUMNS {
        return Err(Error::argument(format!("TFIELDS is {number}; at most 999 are possible")));
    }
    let (mut columns, mut offset) = (Vec::new(), 0_usize);
    for field in 1..=number {
        let keyword = format!("TFORM{field}");
        let form = header.text(&keyword).unwrap_or_default();
        let digits = form.bytes().take_while(u8::is_ascii_digit).count();
        let repeat = if digits == 0 { Ok(1) } else { form[..digits].parse::<usize>() };
        let letter = form.as_bytes().get(digits).copied().unwrap_or_default();
        let wrong = || Error::argument(format!("{keyword} is `{form:.40}`, which is no format"));
        let repeat = repeat.ok().filter(|repeat| *repeat <= MOST_ROW_BYTES as usize * 8);
        let bytes = match (repeat, letter) {
            (Some(bits), b'X') => bits.div_ceil(8),
            (Some(repeat), letter) if width(letter) > 0 => repeat * width(letter),
            _ => return Err(wrong()),
        };
        if ["TSCAL", "TZERO"]
            .iter()
            .any(|scaled| header.text(&format!("{scaled}{field}")).is_some())
        {
            return Err(Error::argument(format!(
                "column {field} is scaled (TSCAL{field} or TZERO{field}): send it as it is"
            )));
        }
        let name = header.text(&format!("TTYPE{field}")).unwrap_or_default().to_string();
        columns.push(FitsColumn { name, offset, repeat: repeat.unwrap_or_default(), letter });
        offset += bytes;
    }
    match offset as u64 == row_bytes {
        true => Ok(columns),
        false => Err(Error::argument(format!(
            "NAXIS1 is {row_bytes}, but the columns have {offset} bytes in a row"
        ))),
    }
}

impl FitsColumn {
    /// The values of a row as doubles; `None` if they are no numbers.
    pub(in crate::region) fn doubles<'a>(
        &self,
        row: &'a [u8],
    ) -> Option<impl Iterator<Item = f64> + 'a> {
        let (letter, bytes) = (self.letter, self.of(row));
        let width = match letter {
            b'D' => 8,
            b'E' => 4,
            _ => return None,
        };
        Some(bytes.chunks_exact(width).map(move |value| match value.first_chunk() {
            Some(double) => f64::from_be_bytes(*double),
            None => value.first_chunk().map_or(f64::NAN, |value| f32::from_be_bytes(*value).into()),
        }))
    }

    /// The first value of a row as a whole number; `None` if it is none, or negative.
    pub(in crate::region) fn long(&self, row: &[u8]) -> Option<u64> {
        let bytes = self.of(row);
        let value = match self.letter {
            b'K' => i64::from_be_bytes(*bytes.first_chunk()?),
            b'J' => i32::from_be_bytes(*bytes.first_chunk()?).into(),
            _ => return None,
        };
        value.try_into().ok()
    }

    fn of<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        let bytes = row.get(self.offset..).unwrap_or_default();
        bytes.get(..self.repeat * width(self.letter)).unwrap_or(bytes)
    }
}

/// The bytes of a value of a letter; 0 for those that have none of their own.
fn width(letter: u8) -> usize {
    match letter {
        b'L' | b'B' | b'A' => 1,
        b'I' => 2,
        b'J' | b'E' => 4,
        b'K' | b'D' | b'C' | b'P' => 8,
        b'M' | b'Q' => 16,
        _ => 0,
    }
}
