//! Copies some rows of one column out of its pages into an array. The parquet crate's reader prepares much in order to decode whole
//! columns. A lookup wants a few rows of one page of each of a hundred columns, which most often is a copy of bytes.
//!
//! Read here is what the tables' own files have: flat columns in plain or dictionary encoding. All else, and whatever looks
//! wrong, is left to the Parquet reader. See "Data Pages" of the Parquet format's README.md, and its Encodings.md.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, NullBufferBuilder, PrimitiveArray, StringBuilder,
};
use arrow::buffer::{MutableBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};

use super::hybrid;

/// A page's number of rows, and those of them that are wanted, ascending.
pub(crate) type WantedOfPage = (usize, Vec<Range<usize>>);

/// Reads the wanted rows of a column as an array of `data_type`, the last one first if `reversed`. `None` for pages that are not read here;
/// the parquet crate's reader has to read them.
pub(crate) fn read(
    reader: &mut dyn PageReader,
    pages: &[WantedOfPage],
    data_type: &DataType,
    nullable: bool,
    reversed: bool,
) -> Option<ArrayRef> {
    let mut rows =
        ColumnBuilder { values: ColumnValues::new(data_type)?, nulls: NullBufferBuilder::new(0) };
    let mut dictionary = None;
    if reader.peek_next_page().ok()??.is_dict {
        let Page::DictionaryPage { buf, .. } = reader.get_next_page().ok()?? else { return None };
        dictionary = Some(PlainValues::new(buf, &rows.values, usize::MAX));
    }
    for (count, wanted) in pages {
        if wanted.is_empty() {
            reader.skip_next_page().ok()?;
        } else {
            let page = reader.get_next_page().ok()??;
            rows.add(&page, *count, wanted, nullable, dictionary.as_ref())?;
        }
    }
    rows.array(data_type, reversed)
}

/// The values of the wanted rows so far.
struct ColumnBuilder {
    values: ColumnValues,
    nulls: NullBufferBuilder,
}

enum ColumnValues {
    /// Numbers of so many bytes each.
    Numbers(usize, MutableBuffer),
    Flags(Vec<bool>),
    Texts(Vec<Bytes>),
}

impl ColumnValues {
    /// No values yet; `None` for a type that is not read here.
    fn new(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Int32 | DataType::Float32 => Self::Numbers(4, MutableBuffer::new(0)),
            DataType::Int64 | DataType::Float64 => Self::Numbers(8, MutableBuffer::new(0)),
            DataType::Boolean => Self::Flags(Vec::new()),
            DataType::Utf8 => Self::Texts(Vec::new()),
            _ => return None,
        })
    }

    /// Appends some of a sequence of values.
    fn add(&mut self, plain: &PlainValues, places: Range<usize>) -> Option<()> {
        match self {
            Self::Numbers(width, bytes) => {
                let bytes_of = places.start * *width..places.end * *width;
                bytes.extend_from_slice(plain.bytes.get(bytes_of)?);
            }
            Self::Flags(flags) => {
                for place in places {
                    flags.push(plain.bytes.get(place / 8)? >> (place % 8) & 1 == 1);
                }
            }
            Self::Texts(texts) => {
                let of = plain.texts.get(places)?.iter();
                texts.extend(of.map(|text| plain.bytes.slice(text.clone())));
            }
        }
        Some(())
    }

    /// Appends values of rows that are null: zeros and empty texts.
    fn add_nulls(&mut self, count: usize) {
        match self {
            Self::Numbers(width, bytes) => bytes.extend_zeros(count * *width),
            Self::Flags(flags) => flags.resize(flags.len() + count, false),
            Self::Texts(texts) => texts.resize(texts.len() + count, Bytes::new()),
        }
    }
}

/// A sequence of values in plain encoding.
struct PlainValues {
    bytes: Bytes,
    /// Where each text is in the bytes, without the length before it.
    texts: Vec<Range<usize>>,
}

impl PlainValues {
    /// The first `count` values, or all there are.
    fn new(bytes: Bytes, values: &ColumnValues, count: usize) -> Self {
        let mut texts = Vec::new();
        if let ColumnValues::Texts(_) = values {
            let mut place = 0;
            while texts.len() < count
                && let Some(length) = bytes.get(place..).and_then(|rest| rest.first_chunk())
                && let start = place + 4
                && let Some(end) = start.checked_add(u32::from_le_bytes(*length) as usize)
                && end <= bytes.len()
            {
                texts.push(start..end);
                place = end;
            }
        }
        Self { bytes, texts }
    }
}

impl ColumnBuilder {
    fn add(
        &mut self,
        page: &Page,
        count: usize,
        wanted: &[Range<usize>],
        nullable: bool,
        dictionary: Option<&PlainValues>,
    ) -> Option<()> {
        let (levels, bytes, encoding) = parts(page, count, nullable)?;
        let end = wanted.last()?.end;
        let present = match levels.filter(|levels| !hybrid::all_set(levels, end)) {
            Some(levels) => Some(hybrid::decode(&levels, 1, end)?),
            None => None,
        };
        let before = |rows: Range<usize>| match &present {
            Some(present) => present[rows].iter().sum::<u32>() as usize,
            None => rows.len(),
        };
        let count = before(0..end);
        let (plain, indices) = match encoding {
            Encoding::PLAIN => (&PlainValues::new(bytes, &self.values, count), None),
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                let (&bits, packed) = bytes.split_first()?;
                let indices = hybrid::decode(packed, (bits <= 32).then_some(bits)?, count)?;
                (dictionary?, Some(indices))
            }
            _ => return None,
        };
        // The first row that was not looked at yet, and the place of its value.
        let (mut row, mut place) = (0, 0);
        for rows in wanted {
            place += before(row..rows.start);
            row = rows.end;
            for (valid, length) in runs(rows.clone(), present.as_deref()) {
                if !valid {
                    self.nulls.append_n_nulls(length);
                    self.values.add_nulls(length);
                    continue;
                }
                self.nulls.append_n_non_nulls(length);
                let places = place..place + length;
                place = places.end;
                match &indices {
                    None => self.values.add(plain, places)?,
                    Some(indices) => {
                        for &index in indices.get(places)? {
                            self.values.add(plain, index as usize..index as usize + 1)?;
                        }
                    }
                }
            }
        }
        Some(())
    }

    fn array(self, data_type: &DataType, reversed: bool) -> Option<ArrayRef> {
        let Self { values, mut nulls } = self;
        let nulls = nulls.finish().map(|nulls| match reversed {
            true => NullBuffer::from_iter((0..nulls.len()).rev().map(|row| nulls.is_valid(row))),
            false => nulls,
        });
        Some(match (values, data_type) {
            (ColumnValues::Numbers(_, bytes), DataType::Int32) => {
                numbers::<Int32Type>(bytes, nulls, reversed)
            }
            (ColumnValues::Numbers(_, bytes), DataType::Float32) => {
                numbers::<Float32Type>(bytes, nulls, reversed)
            }
            (ColumnValues::Numbers(_, bytes), DataType::Int64) => {
                numbers::<Int64Type>(bytes, nulls, reversed)
            }
            (ColumnValues::Numbers(_, bytes), _) => numbers::<Float64Type>(bytes, nulls, reversed),
            (ColumnValues::Flags(mut flags), _) => {
                if reversed {
                    flags.reverse();
                }
                Arc::new(BooleanArray::new(flags.into(), nulls))
            }
            (ColumnValues::Texts(mut texts), _) => {
                if reversed {
                    texts.reverse();
                }
                let mut built =
                    StringBuilder::with_capacity(texts.len(), texts.iter().map(Bytes::len).sum());
                for (row, text) in texts.iter().enumerate() {
                    match nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                        true => built.append_value(str::from_utf8(text).ok()?),
                        false => built.append_null(),
                    }
                }
                Arc::new(built.finish())
            }
        })
    }
}

fn numbers<T: ArrowPrimitiveType>(
    bytes: MutableBuffer,
    nulls: Option<NullBuffer>,
    reversed: bool,
) -> ArrayRef {
    let values = ScalarBuffer::<T::Native>::from(bytes);
    let values = match reversed {
        true => values.iter().rev().copied().collect(),
        false => values,
    };
    Arc::new(PrimitiveArray::<T>::new(values, nulls))
}

/// The levels of a data page of so many rows, its values, and their encoding.
fn parts(page: &Page, count: usize, nullable: bool) -> Option<(Option<Bytes>, Bytes, Encoding)> {
    match page {
        Page::DataPage { buf, num_values, encoding, def_level_encoding, .. } => {
            if *num_values as usize != count || *def_level_encoding != Encoding::RLE {
                return None;
            }
            if !nullable {
                return Some((None, buf.clone(), *encoding));
            }
            let start = 4 + u32::from_le_bytes(*buf.first_chunk()?) as usize;
            (start <= buf.len()).then(|| (Some(buf.slice(4..start)), buf.slice(start..), *encoding))
        }
        Page::DataPageV2 {
            buf,
            num_rows,
            encoding,
            def_levels_byte_len,
            rep_levels_byte_len,
            ..
        } => {
            let start = *def_levels_byte_len as usize;
            if *num_rows as usize != count || *rep_levels_byte_len != 0 || start > buf.len() {
                return None;
            }
            let levels = nullable.then(|| buf.slice(..start));
            Some((levels, buf.slice(start..), *encoding))
        }
        Page::DictionaryPage { .. } => None,
    }
}

/// Runs of rows that all have a value (`true`) or are all null, with their lengths.
fn runs(
    rows: Range<usize>,
    present: Option<&[u32]>,
) -> impl Iterator<Item = (bool, usize)> + use<'_> {
    let all = present.is_none().then(|| (true, rows.len()));
    let levels = present.map_or(&[][..], |present| &present[rows]);
    let runs = levels.chunk_by(|a, b| a == b).map(|run| (run[0] == 1, run.len()));
    all.into_iter().chain(runs)
}
