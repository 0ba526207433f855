//! Keeps the encoded records of a survey on the disk, since objects are made one after the other, and packets are written night by night.
//!
//! Each record is there once. For each night there is a list of its alerts, which says where the records of each packet lie. So what is
//! kept is a small part of what the packets will be, apart from their images, and what is held in memory is the list of one night. The
//! files have no names: nothing of them is left, however the program ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow_avro::writer::EncodedRows;

use super::encode::EncodedBatch;
use crate::error::{Error, Result};
use crate::survey::rows::SurveyRows;

/// Records that lie one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RecordSlice {
    at: u64,
    pub bytes: u64,
    pub records: u64,
}

/// Where the records of a packet lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SpilledAlert {
    pub dia_source_id: u64,
    pub own: RecordSlice,
    pub history: RecordSlice,
    pub forced: RecordSlice,
}

/// The bytes of an alert in the list of its night.
const ALERT_BYTES: usize = 80;

/// Where records are kept.
pub(super) struct Spill {
    folder: PathBuf,
    records: BufWriter<File>,
    bytes: u64,
    nights: BTreeMap<u16, BufWriter<File>>,
    /// Alerts so far.
    pub alerts: u64,
}

impl Spill {
    /// Begins, on the disk of a folder.
    pub(super) fn begin(folder: &Path) -> Result<Self> {
        let records = BufWriter::with_capacity(1 << 20, tempfile::tempfile_in(folder)?);
        Ok(Self { folder: folder.into(), records, bytes: 0, nights: BTreeMap::new(), alerts: 0 })
    }

    /// Adds the alerts of a batch.
    pub(super) fn add(&mut self, rows: &SurveyRows, encoded: &EncodedBatch) -> Result<()> {
        let EncodedBatch { own, sources, forced } = encoded;
        let [own_at, sources_at, forced_at] =
            [self.append(own)?, self.append(sources)?, self.append(forced)?];
        for (place, state) in rows.states.iter().enumerate() {
            let alert = SpilledAlert {
                dia_source_id: rows.sources[state.source].id.cast_unsigned(),
                own: RecordSlice::of(own, own_at, place..place + 1),
                history: RecordSlice::of(sources, sources_at, state.history.clone()),
                forced: RecordSlice::of(forced, forced_at, state.forced.clone()),
            };
            let list = match self.nights.remove(&state.night) {
                Some(list) => list,
                None => BufWriter::new(tempfile::tempfile_in(&self.folder)?),
            };
            self.nights.entry(state.night).or_insert(list).write_all(&alert.encoded())?;
        }
        self.alerts += rows.states.len() as u64;
        Ok(())
    }

    fn append(&mut self, rows: &EncodedRows) -> Result<u64> {
        let at = self.bytes;
        self.records.write_all(rows.bytes())?;
        self.bytes += rows.bytes().len() as u64;
        Ok(at)
    }

    /// What was kept: the nights that have alerts, and the records.
    pub(super) fn finish(self) -> Result<(Vec<SpilledNight>, SpilledRecords)> {
        let nights = self.nights.into_iter();
        let nights = nights.map(|(night, list)| Ok(SpilledNight { night, list: whole(list)? }));
        Ok((nights.collect::<Result<_>>()?, SpilledRecords(whole(self.records)?)))
    }
}

fn whole(file: BufWriter<File>) -> Result<File> {
    file.into_inner().map_err(|error| Error::from(error.into_error()))
}

/// The list of the alerts of a night.
pub(super) struct SpilledNight {
    pub night: u16,
    list: File,
}

impl SpilledNight {
    /// The alerts, in order of their sources' ids.
    pub(super) fn alerts(mut self) -> Result<Vec<SpilledAlert>> {
        let mut bytes = Vec::new();
        self.list.rewind()?;
        self.list.read_to_end(&mut bytes)?;
        let (alerts, _) = bytes.as_chunks::<ALERT_BYTES>();
        let mut alerts: Vec<_> = alerts.iter().map(SpilledAlert::decoded).collect();
        alerts.sort_unstable_by_key(|alert| alert.dia_source_id);
        Ok(alerts)
    }
}

/// The records that packets are made of.
pub(super) struct SpilledRecords(File);

impl SpilledRecords {
    /// Appends the bytes of records.
    pub(super) fn append(&self, slice: RecordSlice, to: &mut Vec<u8>) -> Result<()> {
        let end = to.len();
        to.resize(end + slice.bytes as usize, 0);
        Ok(self.0.read_exact_at(&mut to[end..], slice.at)?)
    }
}

impl RecordSlice {
    /// The records of a range of rows, which begin at `at`.
    fn of(rows: &EncodedRows, at: u64, range: Range<usize>) -> Self {
        let [start, end] = [range.start, range.end].map(|row| rows.offsets()[row] as u64);
        Self { at: at + start, bytes: end - start, records: range.len() as u64 }
    }

    fn numbers(self) -> [u64; 3] {
        [self.at, self.bytes, self.records]
    }
}

impl SpilledAlert {
    fn encoded(&self) -> [u8; ALERT_BYTES] {
        let mut bytes = [0; ALERT_BYTES];
        let slices = [self.own, self.history, self.forced].map(RecordSlice::numbers);
        let numbers = std::iter::once(&self.dia_source_id).chain(slices.as_flattened());
        for (place, number) in bytes.as_chunks_mut().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        bytes
    }

    fn decoded(bytes: &[u8; ALERT_BYTES]) -> Self {
        let (numbers, _) = bytes.as_chunks();
        let number = |place: usize| u64::from_le_bytes(numbers[place]);
        let slice = |first: usize| RecordSlice {
            at: number(first),
            bytes: number(first + 1),
            records: number(first + 2),
        };
        Self { dia_source_id: number(0), own: slice(1), history: slice(4), forced: slice(7) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_listed_as_it_was() {
        let slice = |at| RecordSlice { at, bytes: at + 1, records: at + 2 };
        let alert = SpilledAlert {
            dia_source_id: u64::MAX,
            own: slice(1 << 40),
            history: slice(3),
            forced: slice(7),
        };
        assert_eq!(SpilledAlert::decoded(&alert.encoded()), alert);
    }
}
