//! The ids that a client sends in an exchange, as batches with a column `diaObjectId`: sorted, each once, in memory that the budget of all
//! exchanges has granted.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Int64Type};

use crate::error::{Error, Kind, Result};
use crate::limits::HeldMemory;
use crate::schema::KEY;

/// Ids being collected.
pub(crate) struct Ids {
    ids: Vec<i64>,
    most: usize,
    memory: HeldMemory,
}

impl Ids {
    /// Takes at most `most` ids; an id that comes twice counts twice.
    pub(crate) fn new(most: usize, memory: HeldMemory) -> Self {
        Self { ids: Vec::new(), most, memory }
    }

    /// Takes the ids of a batch. Errors: `Argument` without a column of integers or digits, `TooLarge` over the limit,
    /// `Busy` where there is no memory for them.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let column = batch.column_by_name(KEY).ok_or_else(|| {
            let (count, names) = (batch.num_columns(), first_names(batch));
            Error::argument(format!(
                "the batches need an int64 column {KEY}, and have {count} other columns: {names:?}"
            ))
        })?;
        if !is_integers_or_text(column.data_type()) {
            let data_type = column.data_type().to_string();
            return Err(Error::argument(format!(
                "column {KEY} is of type {data_type:.100}; send int64, another integer type, or digits as text"
            )));
        }
        let longest = longest_text(column);
        if longest > MOST_DIGITS {
            return Err(Error::argument(format!(
                "column {KEY} has a text of {longest} bytes; an id has {MOST_DIGITS} digits at most"
            )));
        }
        let exact = CastOptions { safe: false, ..CastOptions::default() };
        let ids = cast_with_options(column, &DataType::Int64, &exact)
            .map_err(|error| Error::argument(format!("column {KEY}: {error}")))?;
        if ids.null_count() > 0 {
            let nulls = ids.null_count();
            return Err(Error::argument(format!("column {KEY} has {nulls} nulls; leave them out")));
        }
        self.reserve(ids.len())?;
        self.ids.extend_from_slice(ids.as_primitive::<Int64Type>().values());
        Ok(())
    }

    fn reserve(&mut self, more: usize) -> Result<()> {
        let needed = self.ids.len() + more;
        if needed > self.most {
            let text = format!("an exchange takes {} ids at most; send them in several", self.most);
            return Err(Error::new(Kind::TooLarge, text));
        }
        if needed > self.ids.capacity() {
            let capacity = needed.max(2 * self.ids.capacity()).min(self.most);
            self.memory.resize(capacity * size_of::<i64>())?;
            self.ids.reserve_exact(capacity - self.ids.len());
        }
        Ok(())
    }

    /// The ids in key order, each once.
    pub(crate) fn sorted(mut self) -> SortedIds {
        self.ids.sort_unstable();
        self.ids.dedup();
        SortedIds { ids: self.ids, _memory: self.memory }
    }
}

/// Ids in key order, each once.
pub(crate) struct SortedIds {
    ids: Vec<i64>,
    _memory: HeldMemory,
}

impl SortedIds {
    /// The ids. The field is private, since their memory is granted only as long as they are not moved out.
    pub(crate) fn as_slice(&self) -> &[i64] {
        &self.ids
    }
}

/// The first few names of a batch's columns, and as much of each as an error should repeat.
pub(super) fn first_names(batch: &RecordBatch) -> Vec<String> {
    let names = batch.schema_ref().fields().iter().take(8);
    names.map(|field| format!("{:.64}", field.name())).collect()
}

/// Characters of an id, with zeros before it.
const MOST_DIGITS: usize = 40;

/// In bytes; 0 of integers. The same bytes may stand for many texts.
fn longest_text(column: &dyn Array) -> usize {
    fn longest<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> usize {
        texts.flatten().map(str::len).max().unwrap_or(0)
    }
    match column.data_type() {
        DataType::Utf8 => longest(column.as_string::<i32>().iter()),
        DataType::LargeUtf8 => longest(column.as_string::<i64>().iter()),
        DataType::Utf8View => longest(column.as_string_view().iter()),
        _ => 0,
    }
}

fn is_integers_or_text(data_type: &DataType) -> bool {
    use DataType as D;
    data_type.is_integer() || matches!(data_type, D::Utf8 | D::LargeUtf8 | D::Utf8View)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;

    use super::*;
    use crate::limits::{BLOCK_BYTES, Budget};

    fn ids(most: usize, memory_bytes: usize) -> Ids {
        Ids::new(most, Budget::new("ids", memory_bytes).hold())
    }

    fn batch(name: &str, values: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter([("other", values.clone()), (name, values)]).unwrap()
    }

    fn add(ids: &mut Ids, values: impl Array + 'static) -> Result<()> {
        ids.add(&batch(KEY, Arc::new(values)))
    }

    #[test]
    fn ids_of_any_integers_and_digits_are_sorted_each_once() {
        let mut ids = ids(100, 8 << 10);
        add(&mut ids, Int64Array::from(vec![7, i64::MAX, 7])).unwrap();
        add(&mut ids, UInt32Array::from(vec![9, 1])).unwrap();
        add(&mut ids, StringArray::from(vec!["170028485706776685", "9"])).unwrap();
        add(&mut ids, StringViewArray::from(vec!["-3"])).unwrap();
        assert_eq!(ids.sorted().as_slice(), [-3, 1, 7, 9, 170028485706776685, i64::MAX]);
    }

    #[test]
    fn what_is_no_id_is_refused_by_column_and_type() {
        let refused = |values: ArrayRef| ids(100, 8 << 10).add(&batch(KEY, values)).unwrap_err();
        for (values, why) in [
            (Arc::new(Float64Array::from(vec![1.0])) as ArrayRef, "Float64"),
            (Arc::new(BooleanArray::from(vec![true])), "Boolean"),
            (Arc::new(UInt64Array::from(vec![u64::MAX])), "18446744073709551615"),
            (Arc::new(StringArray::from(vec!["1", "x1"])), "x1"),
            (Arc::new(StringViewArray::from(vec!["0".repeat(41)])), "41 bytes"),
            (Arc::new(Int64Array::from(vec![Some(1), None])), "1 nulls"),
        ] {
            let text = refused(values).to_string();
            assert!(text.starts_with("column diaObjectId") && text.contains(why), "{text}");
        }
        let error =
            ids(1, 1 << 10).add(&batch("id", Arc::new(Int64Array::from(vec![1])))).unwrap_err();
        assert!(error.to_string().contains(r#"["other", "id"]"#), "{error}");
        let long = batch(&"a".repeat(100_000), Arc::new(Int64Array::from(vec![1])));
        assert!(ids(1, 1 << 10).add(&long).unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn more_than_the_limit_or_the_memory_is_refused() {
        let mut few = ids(3, 8 << 10);
        add(&mut few, Int64Array::from(vec![1, 2, 2])).unwrap();
        let error = add(&mut few, Int64Array::from(vec![3])).unwrap_err();
        assert_eq!(error.kind(), Kind::TooLarge);
        assert!(error.to_string().contains("3 ids"), "{error}");
        let mut poor = ids(10_000, BLOCK_BYTES);
        add(&mut poor, Int64Array::from_iter_values(0..2048)).unwrap();
        assert_eq!(add(&mut poor, Int64Array::from(vec![3])).unwrap_err().kind(), Kind::Busy);
    }
}
