//! Reads the first binary table of a FITS file: the keywords of its header, and its rows as bytes. The file may be gzipped.
//! Source: the FITS standard 4.0, <https://fits.gsfc.nasa.gov/fits_standard.html>.

mod column;
mod header;

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

pub(super) use self::column::FitsColumn;
use self::header::FitsHeader;

use crate::error::{Error, Result};

/// A file is made of blocks of so many bytes.
const BLOCK_BYTES: u64 = 2880;
/// The most bytes of a file, without compression: reading them takes seconds.
const MOST_BYTES: u64 = 512 << 20;
/// The longest row.
const MOST_ROW_BYTES: u64 = 1 << 20;
/// The most columns that a table can have (7.2.1).
const MOST_COLUMNS: u64 = 999;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A binary table.
pub(super) struct FitsTable<'a> {
    header: FitsHeader,
    columns: Vec<FitsColumn>,
    row_bytes: usize,
    rows: u64,
    reader: Box<dyn Read + 'a>,
}

impl<'a> FitsTable<'a> {
    /// Reads to the first row. Errors: `Argument` for what is no such file.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let inflated: Box<dyn Read + 'a> = match bytes.starts_with(&GZIP) {
            true => Box::new(MultiGzDecoder::new(bytes)),
            false => Box::new(bytes),
        };
        let mut reader = BufReader::new(LimitedReader { reader: inflated, left: MOST_BYTES });
        let mut header = FitsHeader::read(&mut reader)?;
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
            header = FitsHeader::read(&mut reader)?;
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
        let (columns, row_bytes) = (column::columns(&header, row_bytes)?, row_bytes as usize);
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

/// Reads so many bytes at most, and fails at the one after them.
struct LimitedReader<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for LimitedReader<R> {
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
