//! Finds times outside of [`PLAUSIBLE_MJD`], such as seconds since 1970 in place of days. Their rows are kept, but lose to any other copy.

use std::ops::Range;

use arrow::array::{Array, AsArray, BooleanArray, Float64Array, ListArray, StructArray};

use super::columns::MappedColumns;
use super::extract::double;
use super::listed::Listed;
use super::mapping::Mapping;
use super::precedence::PROCESSED;
use super::sections::DIA_SOURCE;
use crate::error::Result;
use crate::schema::TIME;
use crate::schema::provenance::PLAUSIBLE_MJD;

/// An implausible time.
#[derive(Debug)]
pub(crate) struct Implausible {
    /// Its place in the packet: `prvDiaForcedSources[3].midpointMjdTai`.
    pub field: String,
    pub mjd: f64,
}

/// The implausible times of the packets that are kept, with each one's place in the batch.
pub(crate) fn implausible(
    mapping: &Mapping,
    packets: &StructArray,
    kept: &BooleanArray,
) -> Result<Listed<(usize, Implausible)>> {
    let mut all = Vec::new();
    for column in [TIME, PROCESSED] {
        all.extend(Times::read(DIA_SOURCE, column, &mapping.sources, packets, None)?);
        for entries in [&mapping.history, &mapping.forced].into_iter().flatten() {
            let list = packets.column(entries.list).as_list::<i32>();
            let items = list.values().as_struct();
            all.extend(Times::read(entries.section, column, &entries.columns, items, Some(list))?);
        }
    }
    let mut found = Listed::default();
    for packet in (0..packets.len()).filter(|packet| kept.value(*packet)) {
        for times in &all {
            times.implausible(packet).for_each(|time| found.push((packet, time)));
        }
    }
    Ok(found)
}

/// One column of times: of the packets themselves, or of the entries of a list.
struct Times<'a> {
    section: &'static str,
    column: &'static str,
    mjd: Float64Array,
    list: Option<&'a ListArray>,
}

impl<'a> Times<'a> {
    /// The times of a column; `None` if there is no such column, or it is of texts.
    fn read(
        section: &'static str,
        column: &'static str,
        columns: &MappedColumns,
        records: &StructArray,
        list: Option<&'a ListArray>,
    ) -> Result<Option<Self>> {
        let Some(path) = columns.path(column) else { return Ok(None) };
        if !columns.schema.field_with_name(column)?.data_type().is_numeric() {
            return Ok(None);
        }
        Ok(Some(Self { section, column, mjd: double(records, path)?, list }))
    }

    fn implausible(&self, packet: usize) -> impl Iterator<Item = Implausible> {
        let range = self.range(packet);
        let first = range.start;
        // NaN is a missing time: data frames write it so.
        let wrong = |mjd: &f64| !mjd.is_nan() && !PLAUSIBLE_MJD.contains(mjd);
        let mjd = move |at: usize| self.mjd.is_valid(at).then(|| self.mjd.value(at)).filter(wrong);
        range.filter_map(move |at| {
            let mjd = mjd(at)?;
            Some(Implausible { field: self.field(at - first), mjd })
        })
    }

    fn range(&self, packet: usize) -> Range<usize> {
        match self.list {
            None => packet..packet + 1,
            Some(list) if list.is_null(packet) => 0..0,
            Some(list) => {
                let offsets = list.value_offsets();
                offsets[packet] as usize..offsets[packet + 1] as usize
            }
        }
    }

    fn field(&self, entry: usize) -> String {
        let Self { section, column, list, .. } = self;
        match list {
            None => format!("{section}.{column}"),
            Some(_) => format!("{section}[{entry}].{column}"),
        }
    }
}
