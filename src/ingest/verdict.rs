//! Decides which packets give rows: a [`Verdict`] for each.

use arrow::array::{Array, AsArray, Float64Array, Int64Array, StructArray};

use super::columns::Entries;
use super::extract::{double, long};
use super::mapping::Mapping;
use super::sections::{DIA_OBJECT, DIA_SOURCE};
use crate::error::Result;
use crate::schema::{KEY, TIME};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It gives rows.
    Rows,
    /// It has no `diaObject`: null, or a record of nulls.
    SolarSystem,
    /// It is refused as a whole, for this reason.
    Refused(String),
}

/// Judges packets. The reason is the first problem of a packet.
pub(crate) fn verdicts(mapping: &Mapping, packets: &StructArray) -> Result<Vec<Verdict>> {
    let object = packets.column(mapping.object).as_struct();
    let object_ids = long(packets, mapping.objects.key.as_deref().unwrap_or_default())?;
    let ids = long(packets, &mapping.id)?;
    let times = double(packets, &mapping.time)?;
    let owners = mapping.sources.key.as_ref().map(|path| long(packets, path)).transpose()?;
    let entries = [&mapping.history, &mapping.forced].into_iter().flatten();
    let lists =
        entries.map(|entries| HistoryList::new(packets, entries)).collect::<Result<Vec<_>>>()?;

    let judge = |packet: usize| -> Verdict {
        if object_ids.is_null(packet) && is_empty(object, packet) {
            return Verdict::SolarSystem;
        }
        let reason = id(&ids, packet, || format!("{DIA_SOURCE}.diaSourceId"))
            .or_else(|| id(&object_ids, packet, || format!("{DIA_OBJECT}.{KEY}")))
            .or_else(|| time(&times, packet, || format!("{DIA_SOURCE}.{TIME}")))
            .or_else(|| owner(owners.as_ref(), packet, || format!("{DIA_SOURCE}.{KEY}")))
            .or_else(|| lists.iter().find_map(|list| list.reason(packet)));
        reason.map_or(Verdict::Rows, Verdict::Refused)
    };
    Ok((0..packets.len()).map(judge).collect())
}

/// Whether a record is null, or every field of it.
fn is_empty(record: &StructArray, at: usize) -> bool {
    record.is_null(at)
        || record.columns().iter().all(|field| field.logical_nulls().is_some_and(|n| n.is_null(at)))
}

/// The entries of one list of all packets.
struct HistoryList<'a> {
    entries: &'a Entries,
    packets: &'a StructArray,
    ids: Int64Array,
    times: Float64Array,
    owners: Option<Int64Array>,
}

impl<'a> HistoryList<'a> {
    fn new(packets: &'a StructArray, entries: &'a Entries) -> Result<Self> {
        let items = packets.column(entries.list).as_list::<i32>().values().as_struct();
        let owners = entries.columns.key.as_ref().map(|path| long(items, path)).transpose()?;
        let (ids, times) = (long(items, &entries.id)?, double(items, &entries.time)?);
        Ok(Self { entries, packets, ids, times, owners })
    }

    /// The problem of the first bad entry of a packet.
    fn reason(&self, packet: usize) -> Option<String> {
        let list = self.packets.column(self.entries.list).as_list::<i32>();
        if list.is_null(packet) {
            return None;
        }
        let (first, end) = (list.value_offsets()[packet], list.value_offsets()[packet + 1]);
        (first..end).find_map(|at| {
            let name = |field| format!("{}[{}].{field}", self.entries.section, at - first);
            let at = at as usize;
            id(&self.ids, at, || name(self.entries.table.id_column()))
                .or_else(|| time(&self.times, at, || name(TIME)))
                .or_else(|| owner(self.owners.as_ref(), at, || name(KEY)))
        })
    }
}

fn id(ids: &Int64Array, at: usize, name: impl Fn() -> String) -> Option<String> {
    if ids.is_null(at) {
        return Some(format!("{} is missing", name()));
    }
    let id = ids.value(at);
    (id <= 0).then(|| format!("{} is {id}; ids are greater than 0", name()))
}

/// An entry without an object belongs to the alert's object.
fn owner(owners: Option<&Int64Array>, at: usize, name: impl Fn() -> String) -> Option<String> {
    owners.filter(|owners| owners.is_valid(at)).and_then(|owners| id(owners, at, name))
}

fn time(times: &Float64Array, at: usize, name: impl Fn() -> String) -> Option<String> {
    if times.is_null(at) {
        return Some(format!("{} is missing", name()));
    }
    let time = times.value(at);
    (!time.is_finite()).then(|| format!("{} is {time}; a finite MJD is expected", name()))
}
