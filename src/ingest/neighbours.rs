//! Picks the best of copies that are neighbours in the order of their table, as most copies are: the one that
//! [stays](super::precedence).

use arrow::array::RecordBatch;
use arrow::compute::{LexicographicalComparator, SortColumn, interleave_record_batch};

use super::order::RowPlace;
use super::precedence::{RANK, ranked, ranked_by};
use crate::error::Result;
use crate::schema::Table;
use crate::warehouse::DESCENDING;

/// Rows that are ranked at once.
const RANKED_AT_ONCE: usize = 16 << 10;

/// The rows in this order, without the copies that another copy beside them is better than.
pub(super) fn best_of_neighbours(
    table: Table,
    batches: &[RecordBatch],
    places: &[RowPlace],
) -> Result<Vec<u32>> {
    let ranking = Ranking::of(table, batches)?;
    let mut best = Vec::with_capacity(places.len());
    let (mut groups, mut count) = (Vec::new(), 0);
    for group in places.chunk_by(|a, b| a.identity(table) == b.identity(table)) {
        let copies = RowPlace::contenders(table, group);
        if copies.len() > 1 {
            groups.push((best.len(), copies));
            count += copies.len();
        }
        best.push(group[0].row);
        if count >= RANKED_AT_ONCE {
            ranking.choose(&groups, &mut best)?;
            groups.clear();
            count = 0;
        }
    }
    ranking.choose(&groups, &mut best)?;
    Ok(best)
}

/// What copies of rows are ranked by.
struct Ranking {
    table: Table,
    batches: Vec<RecordBatch>,
    /// The number of the first row of each batch.
    starts: Vec<u32>,
}

impl Ranking {
    fn of(table: Table, batches: &[RecordBatch]) -> Result<Self> {
        let mut next = 0;
        let (mut columns, mut starts) = (Vec::new(), Vec::new());
        for rows in batches {
            starts.push(next);
            next += rows.num_rows() as u32;
            let ranked_by = ranked_by(table, rows.schema_ref());
            let by = ranked_by.fields().iter().map(|by| rows.schema_ref().index_of(by.name()));
            columns.push(rows.project(&by.collect::<Result<Vec<_>, _>>()?)?);
        }
        Ok(Self { table, batches: columns, starts })
    }

    /// Puts the best of each group of copies in its place.
    fn choose(&self, groups: &[(usize, &[RowPlace])], best: &mut [u32]) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        let all = groups.iter().flat_map(|(_, group)| *group).map(|place| place.row);
        let all: Vec<_> = all.collect();
        let in_batches = all.iter().map(|row| {
            let batch = self.starts.partition_point(|start| start <= row) - 1;
            (batch, (row - self.starts[batch]) as usize)
        });
        let batches: Vec<_> = self.batches.iter().collect();
        let copies = interleave_record_batch(&batches, &in_batches.collect::<Vec<_>>())?;
        let ranked = ranked(self.table, &copies, 0..all.len() as u64)?;
        let fields = ranked.schema_ref().fields().iter().zip(ranked.columns());
        let ranks = fields.filter(|(field, _)| field.name().starts_with(RANK));
        let options = Some(DESCENDING);
        let ranks = ranks.map(|(_, values)| SortColumn { values: values.clone(), options });
        let order = LexicographicalComparator::try_new(&ranks.collect::<Vec<_>>())?;
        let mut start = 0;
        for (place, group) in groups {
            let first = (start..start + group.len()).min_by(|a, b| order.compare(*a, *b));
            best[*place] = all[first.unwrap_or(start)];
            start += group.len();
        }
        Ok(())
    }
}
