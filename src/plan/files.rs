//! Which files of a snapshot may hold rows that pass a filter, by the ranges of keys, ids and times in the log. No file is opened.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use super::nan;
use crate::schema::{KEY, TIME};
use crate::warehouse::{DataFile, Snapshot};

/// The files of a snapshot that the predicate does not rule out.
pub(crate) fn left(
    snapshot: &Snapshot,
    predicate: Option<&Arc<dyn PhysicalExpr>>,
) -> Result<Vec<DataFile>> {
    let Some(predicate) = predicate else { return Ok(snapshot.files.clone()) };
    let kept = |predicate| {
        let pruning = PruningPredicateBuilder::new().with_file_schema(snapshot.schema.clone());
        pruning.try_build(predicate)?.prune(&Ranges { snapshot })
    };
    let honest = kept(nan::honest(predicate.clone(), &snapshot.schema)?)?;
    let exact = kept(predicate.clone())?;
    let files = snapshot.files.iter().zip(honest.into_iter().zip(exact));
    let left = files.filter(|(file, (honest, exact))| match file.may_have_nan_times {
        true => *honest,
        false => *exact,
    });
    Ok(left.map(|(file, _)| file.clone()).collect())
}

/// The ranges of the log as statistics, in which each file is a container.
struct Ranges<'a> {
    snapshot: &'a Snapshot,
}

impl Ranges<'_> {
    fn bounds(
        &self,
        column: &Column,
        id: fn(&RangeInclusive<i64>) -> i64,
        time: fn(&RangeInclusive<f64>) -> f64,
    ) -> Option<ArrayRef> {
        let (files, name) = (&self.snapshot.files, column.name());
        let of_type = |schema: &SchemaRef, data_type| {
            schema.field_with_name(name).is_ok_and(|field| *field.data_type() == data_type)
        };
        if name == TIME && of_type(&self.snapshot.schema, DataType::Float64) {
            let times = files.iter().map(|file| file.times_mjd.as_ref().map(time));
            return Some(Arc::new(Float64Array::from_iter(times)));
        }
        let ids = |of: fn(&DataFile) -> &RangeInclusive<i64>| -> Option<ArrayRef> {
            let known = of_type(&self.snapshot.schema, DataType::Int64);
            let values = files.iter().map(|file| id(of(file)));
            known.then(|| Arc::new(Int64Array::from_iter_values(values)) as ArrayRef)
        };
        let of_path = |file: &DataFile| {
            let mut values = file.partition_values.iter();
            values.find(|(column, _)| column == name).map(|(_, value)| value.clone())
        };
        if let Some(values) = files.iter().map(of_path).collect::<Option<Vec<_>>>()
            && !values.is_empty()
        {
            return ScalarValue::iter_to_array(values).ok();
        }
        match name {
            KEY => ids(|file| &file.keys),
            name if name == self.snapshot.table.id_column() => ids(|file| &file.ids),
            _ => None,
        }
    }
}

impl PruningStatistics for Ranges<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |ids| *ids.start(), |times| *times.start())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |ids| *ids.end(), |times| *times.end())
    }

    fn num_containers(&self) -> usize {
        self.snapshot.files.len()
    }

    /// The nulls of the key are known. So a part of a table that includes the rows without a key need not read all files for them.
    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let count = |file: &DataFile| (!file.may_lack_keys).then_some(0);
        let counts = self.snapshot.files.iter().map(count);
        (column.name() == KEY).then(|| Arc::new(UInt64Array::from_iter(counts)) as ArrayRef)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
