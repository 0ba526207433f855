//! The ids of an exchange. In: batches with a column `diaObjectId`. Out: the ids in key order, each once, in memory that
//! the engine's pool has granted.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::execution::memory_pool::MemoryReservation;

use crate::error::{Error, Kind, Result};
use crate::schema::KEY;

/// Ids being collected.
pub struct Ids {
    ids: Vec<i64>,
    most: usize,
    memory: MemoryReservation,
}

impl Ids {
    /// At most `most` ids, those that come again counted again.
    pub fn new(most: usize, memory: MemoryReservation) -> Self {
        Self { ids: Vec::new(), most, memory }
    }

    /// Takes the ids of a batch. Errors: `Argument` without a column of integers or digits, `TooLarge` over the limit,
    /// `Busy` where there is no memory for them.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let column = batch.column_by_name(KEY).ok_or_else(|| {
            let names: Vec<_> = batch.schema_ref().fields().iter().map(|f| f.name()).collect();
            Error::argument(format!("the batches need an int64 column {KEY}, and have {names:?}"))
        })?;
        if !is_integers_or_text(column.data_type()) {
            let data_type = column.data_type();
            return Err(Error::argument(format!(
                "column {KEY} is of type {data_type}; send int64, another integer type, or digits as text"
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
            self.memory.try_resize(capacity * size_of::<i64>()).map_err(|_| {
                Error::new(Kind::Busy, "over capacity: no memory for more ids; try again")
            })?;
            self.ids.reserve_exact(capacity - self.ids.len());
        }
        Ok(())
    }

    /// In key order, each once.
    pub fn sorted(mut self) -> SortedIds {
        self.ids.sort_unstable();
        self.ids.dedup();
        SortedIds { ids: self.ids, _memory: self.memory }
    }
}

/// Ids in key order, each once.
pub struct SortedIds {
    pub ids: Vec<i64>,
    _memory: MemoryReservation,
}

fn is_integers_or_text(data_type: &DataType) -> bool {
    use DataType as D;
    data_type.is_integer() || matches!(data_type, D::Utf8 | D::LargeUtf8 | D::Utf8View)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

    use super::*;

    fn ids(most: usize, memory_bytes: usize) -> Ids {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory_bytes));
        Ids::new(most, MemoryConsumer::new("test").register(&pool))
    }

    fn batch(name: &str, values: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter([("other", values.clone()), (name, values)]).unwrap()
    }

    fn add(ids: &mut Ids, values: impl Array + 'static) -> Result<()> {
        ids.add(&batch(KEY, Arc::new(values)))
    }

    #[test]
    fn ids_of_any_integers_and_digits_are_sorted_each_once() {
        let mut ids = ids(100, 1000);
        add(&mut ids, Int64Array::from(vec![7, i64::MAX, 7])).unwrap();
        add(&mut ids, UInt32Array::from(vec![9, 1])).unwrap();
        add(&mut ids, StringArray::from(vec!["170028485706776685", "9"])).unwrap();
        add(&mut ids, StringViewArray::from(vec!["-3"])).unwrap();
        assert_eq!(ids.sorted().ids, [-3, 1, 7, 9, 170028485706776685, i64::MAX]);
    }

    #[test]
    fn what_is_no_id_is_refused_by_column_and_type() {
        let refused = |values: ArrayRef| ids(100, 1000).add(&batch(KEY, values)).unwrap_err();
        for (values, why) in [
            (Arc::new(Float64Array::from(vec![1.0])) as ArrayRef, "Float64"),
            (Arc::new(BooleanArray::from(vec![true])), "Boolean"),
            (Arc::new(UInt64Array::from(vec![u64::MAX])), "18446744073709551615"),
            (Arc::new(StringArray::from(vec!["1", "x1"])), "x1"),
            (Arc::new(Int64Array::from(vec![Some(1), None])), "1 nulls"),
        ] {
            let text = refused(values).to_string();
            assert!(text.starts_with("column diaObjectId") && text.contains(why), "{text}");
        }
        let error = ids(1, 8).add(&batch("id", Arc::new(Int64Array::from(vec![1])))).unwrap_err();
        assert!(error.to_string().contains(r#"["other", "id"]"#), "{error}");
    }

    #[test]
    fn more_than_the_limit_or_the_memory_is_refused() {
        let mut few = ids(3, 1000);
        add(&mut few, Int64Array::from(vec![1, 2, 2])).unwrap();
        let error = add(&mut few, Int64Array::from(vec![3])).unwrap_err();
        assert_eq!(error.kind(), Kind::TooLarge);
        assert!(error.to_string().contains("3 ids"), "{error}");
        let mut poor = ids(1000, 80);
        add(&mut poor, Int64Array::from_iter_values(0..10)).unwrap();
        assert_eq!(add(&mut poor, Int64Array::from(vec![3])).unwrap_err().kind(), Kind::Busy);
    }
}
