//! Flattens packets into rows of the three tables, by the [`Mapping`] of their file. A packet gives all its rows or none: those of Solar
//! System objects give none, and a packet is refused if an id or a time is missing or impossible.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StructArray, UInt32Array,
    new_null_array,
};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast, filter_record_batch, is_not_null, take};
use arrow::datatypes::Int64Type;

use super::columns::{Entries, MappedColumns};
use super::extract::{double, extract, long};
use super::listed::Listed;
use super::mapping::Mapping;
use super::precedence::{BROKER, PROCESSED, SCIENCE};
use super::scalar::to_stored;
use super::times::{Implausible, implausible};
use super::verdict::{Verdict, verdicts};
use crate::error::Result;
use crate::schema::provenance::{
    ALERT_BROKER, ALERT_CONTENT_HASH, ALERT_ENRICHED, ALERT_ID, ALERT_PROCESSED, ALERT_SCIENCE,
    ALERT_TIME, CONTENT_HASH,
};
use crate::schema::{KEY, Table, content_hash};

/// The rows of a batch of packets.
pub(crate) struct PacketRows {
    pub packets: u64,
    /// Rows by table. A table may be listed twice, with different columns.
    pub tables: Vec<(Table, RecordBatch)>,
    /// Packets of Solar System objects, which have no rows.
    pub solar_system: u64,
    /// The packets that are refused: index in the batch, and reason.
    pub refused: Listed<(usize, String)>,
    /// Implausible times: index of the packet in the batch, and the time.
    pub implausible: Listed<(usize, Implausible)>,
}

/// Turns packets into rows.
pub(crate) fn rows(mapping: &Mapping, packets: &RecordBatch) -> Result<PacketRows> {
    let (mut solar_system, mut refused) = (0, Listed::default());
    let all = StructArray::from(packets.clone());
    let verdicts = verdicts(mapping, &all)?;
    let keep: BooleanArray =
        verdicts.iter().map(|verdict| Some(*verdict == Verdict::Rows)).collect();
    let implausible = implausible(mapping, &all, &keep)?;
    for (at, verdict) in verdicts.into_iter().enumerate() {
        match verdict {
            Verdict::Rows => {}
            Verdict::SolarSystem => solar_system += 1,
            Verdict::Refused(reason) => refused.push((at, reason)),
        }
    }
    let kept = match keep.has_false() {
        true => StructArray::from(filter_record_batch(packets, &keep)?),
        false => all,
    };
    let packets = packets.num_rows() as u64;
    Ok(PacketRows { packets, tables: tables(mapping, &kept)?, solar_system, refused, implausible })
}

fn tables(mapping: &Mapping, packets: &StructArray) -> Result<Vec<(Table, RecordBatch)>> {
    let objects = long(packets, mapping.objects.key.as_deref().unwrap_or_default())?;
    let enriched = BooleanArray::from(vec![mapping.enriched; packets.len()]);
    let mut alert: Vec<(&str, ArrayRef)> = vec![
        (ALERT_TIME, Arc::new(double(packets, &mapping.time)?)),
        (ALERT_ID, Arc::new(long(packets, &mapping.id)?)),
        (ALERT_ENRICHED, Arc::new(enriched)),
    ];
    let sources = flatten(&mapping.sources, packets, &objects, &alert)?;
    // The record of an object has no such columns.
    let of_source = [
        (ALERT_PROCESSED, PROCESSED),
        (ALERT_BROKER, BROKER),
        (ALERT_SCIENCE, SCIENCE),
        (ALERT_CONTENT_HASH, CONTENT_HASH),
    ];
    let found = |(name, of_source)| Some((name, sources.column_by_name(of_source)?.clone()));
    alert.extend(of_source.into_iter().filter_map(found));
    let states = flatten(&mapping.objects, packets, &objects, &alert)?;
    let mut tables = vec![(Table::Sources, sources), (Table::Objects, states)];
    for entries in [&mapping.history, &mapping.forced].into_iter().flatten() {
        let (list, objects) = unnest(packets, entries, &objects)?;
        tables.push((entries.table, flatten(&entries.columns, &list, &objects, &[])?));
    }
    Ok(tables)
}

/// The rows of records. Each column comes from its path; a null key is that of the alert's object. Then provenance: that of the alert, if
/// the table has it, and the hash of the content.
fn flatten(
    columns: &MappedColumns,
    records: &StructArray,
    objects: &Int64Array,
    alert: &[(&str, ArrayRef)],
) -> Result<RecordBatch> {
    let key: ArrayRef = match &columns.key {
        None => Arc::new(objects.clone()),
        Some(path) => {
            let own = long(records, path)?;
            zip(&is_not_null(&own)?, &own, objects)?
        }
    };
    debug_assert_eq!(columns.schema.field(0).name(), KEY);
    let mut arrays = vec![key];
    let (measured, provenance) = columns.schema.fields()[1..].split_at(columns.paths.len());
    for (path, field) in columns.paths.iter().zip(measured) {
        arrays.push(to_stored(&extract(records, path)?, field.data_type())?);
    }
    for field in provenance {
        let of_alert = alert.iter().find(|(name, _)| name == field.name());
        arrays.push(match of_alert {
            _ if field.name() == CONTENT_HASH => Arc::new(content_hash(&columns.schema, &arrays)?),
            Some((_, column)) => cast(column, field.data_type())?,
            None => new_null_array(field.data_type(), records.len()),
        });
    }
    Ok(RecordBatch::try_new(columns.schema.clone(), arrays)?)
}

/// The entries of a list in all packets as records, and for each the object of its alert.
fn unnest(
    packets: &StructArray,
    entries: &Entries,
    objects: &Int64Array,
) -> Result<(StructArray, Int64Array)> {
    let list = packets.column(entries.list).as_list::<i32>();
    let (mut items, mut owners) = (Vec::new(), Vec::new());
    for packet in (0..list.len()).filter(|packet| list.is_valid(*packet)) {
        let range = list.value_offsets()[packet] as u32..list.value_offsets()[packet + 1] as u32;
        owners.extend(std::iter::repeat_n(packet as u32, range.len()));
        items.extend(range);
    }
    let objects = take(objects, &UInt32Array::from(owners), None)?;
    // Mostly these are all entries, in their order.
    let items = match items.len() == list.values().len() {
        true => list.values().clone(),
        false => take(list.values(), &UInt32Array::from(items), None)?,
    };
    Ok((items.as_struct().clone(), objects.as_primitive::<Int64Type>().clone()))
}
