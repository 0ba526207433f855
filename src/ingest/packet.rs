//! Packets to rows. In: a nested batch of packets and the [`Layout`] of their file. Out: flat rows of the
//! three tables in stored columns, and the packets that give none: those of Solar System objects, and
//! those refused because an id or a time is missing or impossible. A packet gives all its rows or none.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StructArray,
    UInt32Array,
};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{filter_record_batch, is_not_null, take};
use arrow::datatypes::{Float64Type, Int64Type};

use super::columns::Columns;
use super::extract::{double, extract, long};
use super::layout::{Entries, Layout};
use super::scalar::to_stored;
use super::verdict::{Verdict, verdicts};
use crate::error::Result;
use crate::schema::{KEY, Table};

/// What a batch of packets comes to.
pub struct Rows {
    pub packets: u64,
    /// Rows by table; a table may come twice, with other columns.
    pub tables: Vec<(Table, RecordBatch)>,
    /// Packets of Solar System objects, which have no rows.
    pub solar_system: u64,
    /// Packets refused: place in the batch, reason.
    pub refused: Vec<(usize, String)>,
}

/// Turns packets into rows.
pub fn rows(layout: &Layout, packets: &RecordBatch) -> Result<Rows> {
    let (mut solar_system, mut refused) = (0, Vec::new());
    let verdicts = verdicts(layout, &StructArray::from(packets.clone()))?;
    let keep: BooleanArray =
        verdicts.iter().map(|verdict| Some(*verdict == Verdict::Rows)).collect();
    for (at, verdict) in verdicts.into_iter().enumerate() {
        match verdict {
            Verdict::Rows => {}
            Verdict::SolarSystem => solar_system += 1,
            Verdict::Refused(reason) => refused.push((at, reason)),
        }
    }
    let kept = match keep.has_false() {
        true => StructArray::from(filter_record_batch(packets, &keep)?),
        false => StructArray::from(packets.clone()),
    };
    let packets = packets.num_rows() as u64;
    Ok(Rows { packets, tables: tables(layout, &kept)?, solar_system, refused })
}

fn tables(layout: &Layout, packets: &StructArray) -> Result<Vec<(Table, RecordBatch)>> {
    let alerts = Alerts {
        objects: long(packets, layout.objects.key.as_deref().unwrap_or_default())?,
        times: double(packets, &layout.time)?,
        ids: long(packets, &layout.id)?,
        enriched: layout.enriched,
    };
    let mut tables = vec![
        (Table::Sources, flatten(&layout.sources, packets, &alerts)?),
        (Table::Objects, flatten(&layout.objects, packets, &alerts)?),
    ];
    for entries in [&layout.history, &layout.forced].into_iter().flatten() {
        let (list, alerts) = unnest(packets, entries, &alerts)?;
        tables.push((entries.table, flatten(&entries.columns, &list, &alerts)?));
    }
    Ok(tables)
}

/// The alert of each row.
struct Alerts {
    objects: Int64Array,
    times: Float64Array,
    ids: Int64Array,
    enriched: bool,
}

/// The rows of records: each column from its path, a null key from the alert, then provenance.
fn flatten(columns: &Columns, records: &StructArray, alerts: &Alerts) -> Result<RecordBatch> {
    let key: ArrayRef = match &columns.key {
        None => Arc::new(alerts.objects.clone()),
        Some(path) => {
            let own = long(records, path)?;
            zip(&is_not_null(&own)?, &own, &alerts.objects)?
        }
    };
    debug_assert_eq!(columns.schema.field(0).name(), KEY);
    let mut arrays = vec![key];
    for (path, field) in columns.paths.iter().zip(&columns.schema.fields()[1..]) {
        arrays.push(to_stored(&extract(records, path)?, field.data_type())?);
    }
    let enriched = BooleanArray::from(vec![alerts.enriched; records.len()]);
    arrays.push(Arc::new(alerts.times.clone()));
    arrays.push(Arc::new(alerts.ids.clone()));
    arrays.push(Arc::new(enriched));
    Ok(RecordBatch::try_new(columns.schema.clone(), arrays)?)
}

/// The entries of a list of all packets as records of their own, and the alert of each.
fn unnest(
    packets: &StructArray,
    entries: &Entries,
    alerts: &Alerts,
) -> Result<(StructArray, Alerts)> {
    let list = packets.column(entries.list).as_list::<i32>();
    let (mut items, mut owners) = (Vec::new(), Vec::new());
    for packet in (0..list.len()).filter(|packet| list.is_valid(*packet)) {
        let range = list.value_offsets()[packet] as u32..list.value_offsets()[packet + 1] as u32;
        owners.extend(std::iter::repeat_n(packet as u32, range.len()));
        items.extend(range);
    }
    let owners = UInt32Array::from(owners);
    let of_owners = Alerts {
        objects: take(&alerts.objects, &owners, None)?.as_primitive::<Int64Type>().clone(),
        times: take(&alerts.times, &owners, None)?.as_primitive::<Float64Type>().clone(),
        ids: take(&alerts.ids, &owners, None)?.as_primitive::<Int64Type>().clone(),
        enriched: alerts.enriched,
    };
    let items = take(list.values(), &UInt32Array::from(items), None)?;
    Ok((items.as_struct().clone(), of_owners))
}
