//! Reads the first binary table of a FITS file: the keywords of its header, and its rows as bytes. The file may be gzipped.
//! Source: the FITS standard 4.0, <https://fits.gsfc.nasa.gov/fits_standard.html>.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// A file is made of blocks of so many bytes, and its headers of cards.
const BLOCK_BYTES: u64 = 2880;
const CARD_BYTES: usize = 80;
/// The most cards of a header.
const MOST_CARDS: usize = 10_000;
/// The most bytes of a file, without compression: reading them takes seconds.
const MOST_BYTES: u64 = 512 << 20;
/// The longest row.
const MOST_ROW_BYTES: u64 = 1 << 20;
/// The most columns that a table can have (7.2.1).
const MOST_COLUMNS: u64 = 999;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A binary table.
pub(super) struct FitsTable<'a> {
    header: Header,
    columns: Vec<FitsColumn>,
    row_bytes: usize,
    rows: u64,
    reader: Box<dyn Read + 'a>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FitsColumn {
    name: String,
    /// Where it begins in a row.
    offset: usize,
    /// How many values each row has.
    pub repeat: usize,
    /// What they are, by the letter of the standard (table 18).
    letter: u8,
}

/// The values of the keywords of a header, strings without their quotes.
struct Header(HashMap<String, String>);

impl<'a> FitsTable<'a> {
    /// Reads to the first row. Errors: `Argument` for what is no such file.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let inflated: Box<dyn Read + 'a> = match bytes.starts_with(&GZIP) {
            true => Box::new(MultiGzDecoder::new(bytes)),
            false => Box::new(bytes),
        };
        let mut reader = BufReader::new(Limited { reader: inflated, left: MOST_BYTES });
        let mut header = Header::read(&mut reader)?;
        if header.text("SIMPLE") != Some("T") {
            return Err(Error::argument("it is no FITS file: it does not begin with SIMPLE = T"));
        }
        while header.text("XTENSION") != Some("BINTABLE") {
            let data = header.data_bytes()?.next_multiple_of(BLOCK_BYTES);
            let skipped =
                io::copy(&mut (&mut reader).take(data), &mut io::sink()).map_err(failed)?;
            if skipped < data {
                return Err(Error::argument("the file has no binary table, or ends before it"));
            }
            header = Header::read(&mut reader)?;
        }
        let (row_bytes, rows) = (header.length("NAXIS1")?, header.length("NAXIS2")?);
        if row_bytes > MOST_ROW_BYTES {
            return Err(Error::argument(format!(
                "NAXIS1 is {row_bytes}; rows have at most {MOST_ROW_BYTES} bytes"
            )));
        }
        if row_bytes.checked_mul(rows).is_none_or(|bytes| bytes > MOST_BYTES || bytes < rows) {
            return Err(Error::argument(format!(
                "there are {rows} rows of {row_bytes} bytes; a file has at most {MOST_BYTES}"
            )));
        }
        let (columns, row_bytes) = (header.columns(row_bytes)?, row_bytes as usize);
        Ok(Self { header, columns, row_bytes, rows, reader: Box::new(reader) })
    }

    /// The value of a keyword; `None` where there is none or it is empty.
    pub(super) fn text(&self, keyword: &str) -> Option<&str> {
        self.header.text(keyword).filter(|text| !text.is_empty())
    }

    /// The whole number that a keyword has.
    pub(super) fn length(&self, keyword: &str) -> Result<u64> {
        self.header.length(keyword)
    }

    /// How many rows there are said to be.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// A column, whatever the case of its name.
    pub(super) fn column(&self, name: &str) -> Option<FitsColumn> {
        let named = |column: &&FitsColumn| column.name.eq_ignore_ascii_case(name);
        self.columns.iter().find(named).cloned()
    }

    /// The first column.
    pub(super) fn first_column(&self) -> Option<FitsColumn> {
        self.columns.first().cloned()
    }

    /// The names of all columns, for errors.
    pub(super) fn names(&self) -> String {
        let names = self.columns.iter().take(20).map(|column| format!("{:.40}", column.name));
        names.collect::<Vec<_>>().join(", ")
    }

    /// Reads the rows one by one. Errors: those of `take`, and `Argument` where the file ends before its rows.
    pub(super) fn for_each_row(&mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut row = vec![0; self.row_bytes];
        for number in 0..self.rows {
            self.reader
                .read_exact(&mut row)
                .map_err(|error| failed(error).context(format!("row {number} of {}", self.rows)))?;
            take(&row)?;
        }
        Ok(())
    }
}

impl FitsColumn {
    /// The values of a row as doubles; `None` if they are no numbers.
    pub(super) fn doubles<'a>(&self, row: &'a [u8]) -> Option<impl Iterator<Item = f64> + 'a> {
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
    pub(super) fn long(&self, row: &[u8]) -> Option<u64> {
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

impl Header {
    /// Reads cards to the end of their last block.
    fn read(reader: &mut impl Read) -> Result<Self> {
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

    fn text(&self, keyword: &str) -> Option<&str> {
        self.0.get(keyword).map(String::as_str)
    }

    fn length(&self, keyword: &str) -> Result<u64> {
        let text =
            self.text(keyword).ok_or_else(|| Error::argument(format!("{keyword} is missing")))?;
        text.parse().map_err(|_| {
            Error::argument(format!("{keyword} must be a whole number, not `{text:.40}`"))
        })
    }

    /// The size of what follows the header (equation 2 of the standard).
    fn data_bytes(&self) -> Result<u64> {
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

    /// The columns of a table, whose widths add up to those of a row.
    fn columns(&self, row_bytes: u64) -> Result<Vec<FitsColumn>> {
        let number = self.length("TFIELDS")?;
        if number > MOST_COLUMNS {
            return Err(Error::argument(format!("TFIELDS is {number}; at most 999 are possible")));
        }
        let (mut columns, mut offset) = (Vec::new(), 0_usize);
        for field in 1..=number {
            let keyword = format!("TFORM{field}");
            let form = self.text(&keyword).unwrap_or_default();
            let digits = form.bytes().take_while(u8::is_ascii_digit).count();
            let repeat = if digits == 0 { Ok(1) } else { form[..digits].parse::<usize>() };
            let letter = form.as_bytes().get(digits).copied().unwrap_or_default();
            let wrong =
                || Error::argument(format!("{keyword} is `{form:.40}`, which is no format"));
            let repeat = repeat.ok().filter(|repeat| *repeat <= MOST_ROW_BYTES as usize * 8);
            let bytes = match (repeat, letter) {
                (Some(bits), b'X') => bits.div_ceil(8),
                (Some(repeat), letter) if width(letter) > 0 => repeat * width(letter),
                _ => return Err(wrong()),
            };
            if ["TSCAL", "TZERO"]
                .iter()
                .any(|scaled| self.text(&format!("{scaled}{field}")).is_some())
            {
                return Err(Error::argument(format!(
                    "column {field} is scaled (TSCAL{field} or TZERO{field}): send it as it is"
                )));
            }
            let name = self.text(&format!("TTYPE{field}")).unwrap_or_default().to_string();
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

/// Reads so many bytes at most, and fails at the one after them.
struct Limited<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

fn failed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            let mib = MOST_BYTES >> 20;
            Error::argument(format!("the file has more than {mib} MiB: send a multi-order map"))
        }
        io::ErrorKind::UnexpectedEof => Error::argument("the file ends too early"),
        _ => Error::argument(format!("the file cannot be read: {error}")),
    }
}
