//! The header of a part of a FITS file: cards of 80 bytes, each a keyword with its value.

use std::collections::HashMap;
use std::io::{self, Read};

use super::{BLOCK_BYTES, MOST_BYTES, MOST_COLUMNS, failed};
use crate::error::{Error, Result};

const CARD_BYTES: usize = 80;
/// The most cards of a header.
const MOST_CARDS: usize = 10_000;

/// The values of the keywords of a header, strings without their quotes.
pub(super) struct FitsHeader(HashMap<String, String>);

impl FitsHeader {
    /// Reads cards to the end of their last block.
    pub(super) fn read(reader: &mut impl Read) -> Result<Self> {
        let mut values = HashMap::new();
        let mut card = [0; CARD_BYTES];
        for number in 0..MOST_CARDS {
            reader.read_exact(&mut card).map_err(|error| failed(error).context("a header"))?;
            let keyword = String::from_utf8_lossy(&card[..8]).trim_end().to_string();
            if keyword == "END" {
                let read = ((number + 1) * CARD_BYTES) as u64;
                let rest = read.next_multiple_of(BLOCK_BYTES) - read;
                io::copy(&mut reader.take(rest), &mut io::sink()).map_err(failed)?;
                return Ok(Self(values));
            }
            if card[8..10] == *b"= " {
                values.entry(keyword).or_insert_with(|| value(&card[10..]));
            }
        }
        Err(Error::argument(format!("a header has more than {MOST_CARDS} cards")))
    }

    /// The value of a keyword, as text.
    pub(super) fn text(&self, keyword: &str) -> Option<&str> {
        self.0.get(keyword).map(String::as_str)
    }

    /// The whole number that a keyword has.
    pub(super) fn length(&self, keyword: &str) -> Result<u64> {
        let text =
            self.text(keyword).ok_or_else(|| Error::argument(format!("{keyword} is missing")))?;
        text.parse().map_err(|_| {
            Error::argument(format!("{keyword} must be a whole number, not `{text:.40}`"))
        })
    }

    /// The size of what follows the header (equation 2 of the standard).
    pub(super) fn data_bytes(&self) -> Result<u64> {
        let axes = self.length("NAXIS")?;
        if axes == 0 {
            return Ok(0);
        }
        let or =
            |keyword, default| self.text(keyword).map_or(Ok(default), |_| self.length(keyword));
        let mut values = 1_u64;
        let too_large = || Error::argument("a header names more data than a file can have");
        for axis in 1..=axes.min(MOST_COLUMNS) {
            values =
                values.checked_mul(self.length(&format!("NAXIS{axis}"))?).ok_or_else(too_large)?;
        }
        let bits: i64 = self.text("BITPIX").and_then(|bits| bits.parse().ok()).unwrap_or_default();
        let values = values.checked_add(or("PCOUNT", 0)?);
        let bytes = values.and_then(|values| values.checked_mul(bits.unsigned_abs() / 8));
        let bytes =
            bytes.zip(Some(or("GCOUNT", 1)?)).and_then(|(bytes, groups)| bytes.checked_mul(groups));
        bytes.filter(|bytes| *bytes <= MOST_BYTES).ok_or_else(too_large)
    }
}

/// The value of a card, which stands before its comment.
fn value(card: &[u8]) -> String {
    let text = String::from_utf8_lossy(card);
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('\'') else {
        return text.split('/').next().unwrap_or_default().trim().to_string();
    };
    let mut value = String::new();
    let mut chars = quoted.chars().peekable();
    while let Some(char) = chars.next() {
        // A quote in a string is written twice.
        if char == '\'' && chars.next_if_eq(&'\'').is_none() {
            break;
        }
        value.push(char);
    }
    value.trim_end().to_string()
}
