//! Writes the packets of one night into a folder of its own: files of a bounded number of alerts, whose names sort as their alerts do. The
//! folder has its name once all of them are on the disk.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::container::{ContainerWriter, put_long};
use super::spill::{SpilledAlert, SpilledNight, SpilledRecords};
use crate::error::Result;
use crate::warehouse::sync_folder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Alerts in a file. With the longest histories it has some GB.
const ALERTS_PER_FILE: usize = 10_000;

/// A night that was written.
#[derive(Default)]
pub(super) struct WrittenNight {
    pub alerts: u64,
    pub files: u64,
    pub bytes: u64,
}

/// Writes a night below a folder, asking `next` before each packet. Nothing of the night stays if that fails.
pub(super) fn write(
    folder: &Path,
    night: SpilledNight,
    records: &SpilledRecords,
    schema: &str,
    next: &mut dyn FnMut() -> Result<()>,
) -> Result<WrittenNight> {
    let draft = DraftFolder::begin(folder, &format!("night-{:05}", night.night))?;
    let alerts = night.alerts()?;
    let mut written = WrittenNight::default();
    for alerts in alerts.chunks(ALERTS_PER_FILE) {
        let path = draft.path.join(format!("alerts-{:05}.avro", written.files));
        let mut file = ContainerWriter::new(File::create_new(&path)?, schema, marker(alerts))?;
        for alert in alerts {
            next()?;
            file.add(|to| packet(alert, records, to))?;
        }
        let (file, bytes) = file.finish()?;
        file.sync_all()?;
        written.alerts += alerts.len() as u64;
        written.files += 1;
        written.bytes += bytes;
    }
    draft.finish()?;
    Ok(written)
}

/// The same for the same alerts, so that the same survey has the same bytes.
fn marker(alerts: &[SpilledAlert]) -> [u8; 16] {
    let first = alerts.first().map_or(0, |alert| alert.dia_source_id);
    ChaCha8Rng::seed_from_u64(first).random()
}

/// Appends a packet: its own fields, then its lists.
pub(super) fn packet(
    alert: &SpilledAlert,
    records: &SpilledRecords,
    to: &mut Vec<u8>,
) -> Result<()> {
    records.append(alert.own, to)?;
    for list in [alert.history, alert.forced] {
        // Of null and an array, in this order.
        put_long(to, u64::from(list.records > 0));
        if list.records > 0 {
            put_long(to, list.records);
            records.append(list, to)?;
            put_long(to, 0);
        }
    }
    Ok(())
}

/// A folder under a temporary name, which is gone with all that is in it once this is dropped.
struct DraftFolder {
    path: PathBuf,
    parent: PathBuf,
    to: PathBuf,
}

impl DraftFolder {
    fn begin(parent: &Path, name: &str) -> Result<Self> {
        let path = parent.join(format!(".{name}.tmp"));
        fs::create_dir(&path)?;
        Ok(Self { path, parent: parent.into(), to: parent.join(name) })
    }

    /// Gives the folder its name, once it is on the disk.
    fn finish(&self) -> Result<()> {
        sync_folder(&self.path)?;
        fs::rename(&self.path, &self.to)?;
        Ok(sync_folder(&self.parent)?)
    }
}

impl Drop for DraftFolder {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "a temporary folder could not be deleted");
            }
            _ => {}
        }
    }
}
