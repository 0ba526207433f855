//! Rows of one table and schema, gathered in memory until they are sorted into a [`Run`]. Of copies of a row that are neighbours in the
//! order of the table, as most copies are, only the one that [stays](super::precedence) is kept.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::neighbours::best_of_neighbours;
use super::order::{RowPlace, places};
use super::repeats::{Repeats, identity};
use super::run::Run;
use crate::error::Result;
use crate::schema::Table;
use crate::warehouse::{bytes_of, taken};

/// So many states of objects are gathered, or as many as are left of those before, until copies are dropped.
const ROWS_WITH_COPIES: usize = 128 << 10;
/// Bytes that a row takes while rows are sorted: its number, and the values by which it is sorted.
const ORDER_BYTES: usize = size_of::<RowPlace>() + size_of::<u32>();

pub(super) struct GatheredRows {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    /// The memory that they take, and will take while they are sorted.
    pub bytes: usize,
    /// The bytes of a row in the batch with the longest rows.
    pub row_bytes: usize,
    /// The rows that were left when copies were last dropped, and those since.
    kept: usize,
    since: usize,
}

impl GatheredRows {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, batches: Vec::new(), bytes: 0, row_bytes: 0, kept: 0, since: 0 }
    }

    pub(super) fn push(&mut self, table: Table, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() > 0 {
            self.add(batch.clone())?;
            self.since += batch.num_rows();
        }
        // Each alert has a state of its object: most are copies.
        if table == Table::Objects && self.since > self.kept.max(ROWS_WITH_COPIES) {
            let all = self.take();
            self.row_bytes = all.row_bytes;
            let rows = all.best(table)?;
            self.kept = rows.num_rows();
            self.add(rows)?;
        }
        Ok(())
    }

    fn add(&mut self, batch: RecordBatch) -> Result<()> {
        self.bytes += batch.get_array_memory_size() + batch.num_rows() * ORDER_BYTES;
        self.row_bytes = self.row_bytes.max(bytes_of(&batch)? / batch.num_rows());
        self.batches.push(batch);
        Ok(())
    }

    /// All rows so far; none are left.
    pub(super) fn take(&mut self) -> Self {
        let none = Self::new(self.schema.clone());
        std::mem::replace(self, none)
    }

    /// The rows in the order of their table, which are added to the repeats.
    pub(super) fn sorted(self, table: Table, repeats: &mut Repeats) -> Result<Run> {
        let rows = self.best(table)?;
        (0..rows.num_rows()).map(identity(table, &rows)).for_each(|row| repeats.add(row));
        Ok(Run::in_memory(rows))
    }

    /// The rows in the order of their table, without copies that are neighbours in it.
    fn best(self, table: Table) -> Result<RecordBatch> {
        let mut places = places(table, &self.batches)?;
        places.sort_unstable();
        let order = best_of_neighbours(table, &self.batches, &places)?;
        drop(places);
        taken(&self.schema, self.batches, &order.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, new_null_array};
    use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema};

    use super::*;
    use crate::schema::provenance::{self, ALERT_ENRICHED, ALERT_TIME};
    use crate::schema::{Family, KEY, stored_field};

    /// States of objects, each with the time of its alert.
    fn states(of: &[(i64, f64)]) -> RecordBatch {
        let key = stored_field(Family::Rubin, KEY, DataType::Int64);
        let fields = std::iter::once(key).chain(provenance::fields(Table::Objects));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let column = |name: &str, data_type: &DataType| -> ArrayRef {
            match name {
                KEY => Arc::new(of.iter().map(|(key, _)| *key).collect::<Int64Array>()),
                ALERT_TIME => Arc::new(of.iter().map(|(_, mjd)| *mjd).collect::<Float64Array>()),
                ALERT_ENRICHED => Arc::new(BooleanArray::from(vec![true; of.len()])),
                _ => new_null_array(data_type, of.len()),
            }
        };
        let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type()));
        RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
    }

    #[test]
    fn of_many_states_only_the_newest_are_held() {
        const OBJECTS: i64 = 1000;
        let time = |n: i64| 61_000.0 + (n * 7919 % 300_000) as f64 / 300_000.0;
        let mut gathered = GatheredRows::new(states(&[]).schema());
        for start in (0..300_000).step_by(5000) {
            let rows: Vec<_> = (start..start + 5000).map(|n| (n % OBJECTS, time(n))).collect();
            gathered.push(Table::Objects, &states(&rows)).unwrap();
        }
        let held: usize = gathered.batches.iter().map(RecordBatch::num_rows).sum();
        assert!(held < ROWS_WITH_COPIES + 6000, "{held}");
        let rows = gathered.best(Table::Objects).unwrap();
        assert_eq!(rows.num_rows() as i64, OBJECTS);
        let times = rows[ALERT_TIME].as_primitive::<Float64Type>().values();
        for (key, mjd) in rows[KEY].as_primitive::<Int64Type>().values().iter().zip(times) {
            let all = (*key..300_000).step_by(OBJECTS as usize).map(time);
            assert_eq!(*mjd, all.fold(0.0, f64::max), "{key}");
        }
    }

    #[test]
    fn an_implausible_time_is_older_than_any() {
        let (mut gathered, key) = (GatheredRows::new(states(&[]).schema()), 7);
        for mjd in [1_480_360_995.0, 61_000.0, f64::NAN, 60_999.0, 0.0] {
            gathered.push(Table::Objects, &states(&[(key, mjd)])).unwrap();
        }
        let rows = gathered.best(Table::Objects).unwrap();
        assert_eq!(rows[ALERT_TIME].as_primitive::<Float64Type>().values(), &[61_000.0]);
    }
}
