//! Reads the pages of a Parquet file for the parquet crate's reader, and refuses a page that would take memory out of proportion.
//!
//! A page's header says how large it is once decompressed, runs of levels can say with five bytes that an array has 2^31
//! entries, and one long text of a dictionary can be that of every row. The reader believes all three.

use std::fs::File;
use std::io::{BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

/// The most bytes of a decompressed page. Writers aim at 1 MiB.
const MAX_PAGE_BYTES: u64 = 64 << 20;
/// The most entries of an array in a packet. Rubin's arrays have up to some thousand.
const MAX_ENTRIES: u64 = 1 << 16;
/// The most bytes of the texts of a page, if each were the longest one of its dictionary.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// A Parquet file whose pages are checked as they are read.
pub(crate) struct CheckedFile {
    file: Arc<File>,
    footer: Arc<ParquetMetaData>,
}

impl CheckedFile {
    pub(crate) fn new(file: File, footer: Arc<ParquetMetaData>) -> Self {
        Self { file: Arc::new(file), footer }
    }
}

impl RowGroups for CheckedFile {
    fn num_rows(&self) -> usize {
        let rows = self.footer.row_groups().iter().map(|group| group.num_rows().max(0) as usize);
        rows.fold(0, usize::saturating_add)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let (file, footer) = (self.file.clone(), self.footer.clone());
        Ok(Box::new(Chunks { file, groups: 0..footer.num_row_groups(), footer, column }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.footer.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.footer
    }
}

/// The chunks of one column.
struct Chunks {
    file: Arc<File>,
    footer: Arc<ParquetMetaData>,
    column: usize,
    groups: std::ops::Range<usize>,
}

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.footer.row_group(self.groups.next()?);
        let column = group.column(self.column);
        let rows = group.num_rows().max(0) as usize;
        let file =
            Arc::new(PageFile { file: self.file.clone(), is_peeked: AtomicBool::new(false) });
        let pages = SerializedPageReader::new(file.clone(), column, rows, None);
        Some(pages.map(|pages| -> Box<dyn PageReader> {
            let description = column.column_descr();
            Box::new(CheckedPages {
                pages,
                file,
                column: description.path().string(),
                is_text: description.physical_type() == Type::BYTE_ARRAY,
                level_bits: i16::BITS - description.max_rep_level().leading_zeros(),
                entries: 0,
                longest_text: 0,
            })
        }))
    }
}

impl PageIterator for Chunks {}

/// The pages of one chunk.
struct CheckedPages {
    pages: SerializedPageReader<PageFile>,
    file: Arc<PageFile>,
    column: String,
    is_text: bool,
    /// The greatest repetition level; 0 for a column that is in no array.
    level_bits: u32,
    /// The entries so far of the packet in which the last page ended.
    entries: u64,
    /// The longest text of the dictionary.
    longest_text: u64,
}

impl CheckedPages {
    fn check(&mut self, page: &Page) -> Result<()> {
        if let (Page::DictionaryPage { buf, .. }, true) = (page, self.is_text) {
            self.longest_text = longest_text(buf);
        }
        let levels: &[u8] = match page {
            Page::DictionaryPage { .. } => return Ok(()),
            Page::DataPage { .. } if self.level_bits == 0 => &[],
            Page::DataPage { buf, rep_level_encoding: Encoding::RLE, .. } => {
                let length = buf.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
                let levels = length.and_then(|length| buf[4..].get(..length as usize));
                levels.ok_or_else(|| self.damaged())?
            }
            Page::DataPage { .. } => return Err(self.damaged()),
            Page::DataPageV2 { buf, rep_levels_byte_len, .. } => {
                buf.get(..*rep_levels_byte_len as usize).ok_or_else(|| self.damaged())?
            }
        };
        if self.level_bits > 0 {
            self.count(levels, page.num_values().into())?;
        }
        let by_dictionary =
            matches!(page.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        if by_dictionary && self.longest_text * u64::from(page.num_values()) > MAX_TEXT_BYTES {
            let (text, values) = (self.longest_text, page.num_values());
            return Err(
                self.refused(&format!("{values} values that may be a text of {text} bytes"))
            );
        }
        Ok(())
    }

    /// Counts the entries of each packet from the repetition levels, which Parquet writes as a hybrid of runs and packed bits.
    fn count(&mut self, mut levels: &[u8], values: u64) -> Result<()> {
        let mut left = values;
        while left > 0 {
            let header = varint(&mut levels).ok_or_else(|| self.damaged())?;
            let (length, size) = match header & 1 {
                0 => (header >> 1, u64::from(self.level_bits.div_ceil(8))),
                _ => ((header >> 1) * 8, (header >> 1) * u64::from(self.level_bits)),
            };
            let run = levels.split_at_checked(size as usize).filter(|_| length > 0);
            let (run, rest) = run.ok_or_else(|| self.damaged())?;
            levels = rest;
            let length = length.min(left);
            left -= length;
            if header & 1 == 0 {
                let begins = run.iter().all(|byte| *byte == 0);
                self.entries = if begins { 1 } else { self.entries + length };
                self.is_within()?;
                continue;
            }
            for at in 0..length as usize {
                let bits = at * self.level_bits as usize..(at + 1) * self.level_bits as usize;
                let begins = bits.into_iter().all(|bit| run[bit / 8] >> (bit % 8) & 1 == 0);
                self.entries = if begins { 1 } else { self.entries + 1 };
                self.is_within()?;
            }
        }
        Ok(())
    }

    fn is_within(&self) -> Result<()> {
        match self.entries <= MAX_ENTRIES {
            true => Ok(()),
            false => Err(self.refused(&format!("more than {MAX_ENTRIES} entries in one packet"))),
        }
    }

    fn refused(&self, what: &str) -> ParquetError {
        ParquetError::General(format!("{}: {what}; such a file is not read", self.column))
    }

    fn damaged(&self) -> ParquetError {
        ParquetError::General(format!(
            "{}: damaged: the levels of a page do not match its header",
            self.column
        ))
    }
}

/// The length of the longest text in a plain encoded page, in which each text follows its length.
fn longest_text(mut texts: &[u8]) -> u64 {
    let mut longest = 0;
    while let Some((length, rest)) = texts.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length);
        longest = longest.max(length);
        texts = rest.get(length as usize..).unwrap_or_default();
    }
    longest.into()
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        page.iter().try_for_each(|page| self.check(page))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        let page = self.pages.peek_next_page()?;
        self.file.is_peeked.store(page.is_some(), Ordering::Relaxed);
        Ok(page)
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()?;
        self.file.is_peeked.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// A file of which only page headers and pages are read, for one chunk.
struct PageFile {
    file: Arc<File>,
    /// Whether the header of the next page was read already: then what is read next is the page itself.
    is_peeked: AtomicBool,
}

impl Length for PageFile {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for PageFile {
    type T = BufReader<File>;

    /// The type and the uncompressed size of a page, which are the first fields of its header.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        if self.is_peeked.swap(false, Ordering::Relaxed) {
            return self.file.get_read(start);
        }
        let mut first = Vec::new();
        self.file.get_read(start)?.take(16).read_to_end(&mut first)?;
        let mut header = first.as_slice();
        let mut field = || {
            let (kind, rest) = header.split_first()?;
            header = rest;
            // Reads the next field, a non-negative integer, in Thrift's compact protocol.
            (*kind == 0x15).then(|| varint(&mut header)).flatten().map(|zigzag| zigzag >> 1)
        };
        match (field(), field()) {
            (Some(_), Some(size)) if size <= MAX_PAGE_BYTES => self.file.get_read(start),
            (Some(_), Some(size)) => {
                let most = MAX_PAGE_BYTES >> 20;
                Err(ParquetError::General(format!(
                    "a page of {size} bytes; at most {most} MiB are read"
                )))
            }
            _ => Err(ParquetError::General("a page has no header".into())),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.file.get_bytes(start, length)
    }
}
