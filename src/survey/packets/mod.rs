//! Writes the survey as alert packets: a folder for each night, with Avro files of one packet for each source of the night.
//!
//! ```text
//! objects -> batches -> encoded records -> spill on the disk -> night by night: packets in order of diaSourceId -> files
//!            ../batches encode, cutout     spill                                  night                            container
//! ```
//! [`VisitPackets`] has the same packets visit by visit, for whom they are made when they are asked for.
//!
//! Ingesting the packets of some nights with their histories gives the tables that [`generate`](super::generate) makes of these nights.

mod container;
mod cutout;
mod encode;
mod night;
mod schema;
mod spill;
mod visits;

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::batches::Survey;
use super::life::States;
use super::{ROWS_PER_BATCH, SurveyOptions, no_alert};
use crate::error::{Error, Kind, Result};
use crate::warehouse::make_folder;
use encode::PacketEncoder;
use spill::Spill;
pub(super) use visits::VisitPackets;

/// How far the packets have come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PacketsProgress {
    /// Objects gone through, of [`SurveyOptions::objects`]. Those that are found after the nights are left out.
    Objects(u64),
    /// Packets written, and to write.
    Packets(u64, u64),
}

/// Packets that were written.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WrittenPackets {
    /// Nights that have packets. The others have no folder.
    pub nights: u64,
    /// Packets.
    pub alerts: u64,
    /// Files in the folders of the nights.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
}

impl fmt::Display for WrittenPackets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nights, alerts, files, bytes } = self;
        write!(f, "wrote {alerts} alerts of {nights} nights, {files} files, {bytes} bytes")
    }
}

/// Writes the packets of a survey into a folder, which is made if it is missing, with images if `cutouts` are wanted. A folder that is not
/// empty is an `Argument` error. On failure, or once `stopped`, the nights that are there are whole.
pub fn write_packets(
    folder: &Path,
    options: &SurveyOptions,
    cutouts: bool,
    stopped: &CancellationToken,
    progress: &dyn Fn(PacketsProgress),
) -> Result<WrittenPackets> {
    let rows = if cutouts { ROWS_PER_BATCH / 8 } else { ROWS_PER_BATCH };
    let survey = Survey::new(options, States::Each, rows)?;
    let folder = &std::path::absolute(folder)?;
    begin(folder)?;
    let work = PacketsWork { folder, stopped, progress };
    let written = work.run(survey, PacketEncoder::new(cutouts)?);
    match written
        .map_err(|error| error.context(format!("writing packets to {}", folder.display())))?
    {
        WrittenPackets { alerts: 0, .. } => Err(no_alert(options.nights)),
        written => Ok(written),
    }
}

/// Makes the folder, or finds it empty.
fn begin(folder: &Path) -> Result<()> {
    let refused = |why: String| Error::argument(format!("--packets {}: {why}", folder.display()));
    make_folder(folder).map_err(|error| refused(error.to_string()))?;
    let mut there = fs::read_dir(folder).map_err(|error| refused(error.to_string()))?;
    match there.next() {
        None => Ok(()),
        Some(_) => Err(refused("it is not empty; name a new folder, or an empty one".into())),
    }
}

/// What the steps of the work need.
struct PacketsWork<'a> {
    folder: &'a Path,
    stopped: &'a CancellationToken,
    progress: &'a dyn Fn(PacketsProgress),
}

impl PacketsWork<'_> {
    fn run(&self, survey: Survey, mut encoder: PacketEncoder) -> Result<WrittenPackets> {
        let spill = self.spill(survey, &mut encoder)?;
        let (schema, total) = (encoder.schema(), spill.alerts);
        let (nights, records) = spill.finish()?;
        let (mut written, mut begun) = (WrittenPackets::default(), 0);
        for night in nights {
            let of_night = night::write(self.folder, night, &records, &schema, &mut || {
                (self.progress)(PacketsProgress::Packets(begun, total));
                begun += 1;
                self.go_on()
            })?;
            written.nights += 1;
            written.alerts += of_night.alerts;
            written.files += of_night.files;
            written.bytes += of_night.bytes;
        }
        Ok(written)
    }

    fn spill(&self, mut survey: Survey, encoder: &mut PacketEncoder) -> Result<Spill> {
        let (mut spill, mut objects) = (Spill::begin(self.folder)?, 0);
        while let Some(batch) = survey.next_batch()? {
            self.go_on()?;
            spill.add(&batch.rows, &encoder.encode(&batch, survey.plan())?)?;
            objects += batch.gone_through;
            (self.progress)(PacketsProgress::Objects(objects));
        }
        Ok(spill)
    }

    fn go_on(&self) -> Result<()> {
        match self.stopped.is_cancelled() {
            true => Err(Error::new(Kind::Busy, "stopped")),
            false => Ok(()),
        }
    }
}
