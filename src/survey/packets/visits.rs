//! The packets of some nights, visit by visit. What they are made of is kept on the disk, as for files of packets; a packet is made when its
//! visit is asked for. In memory is the list of the alerts, 80 bytes for each.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::encode::PacketEncoder;
use super::night;
use super::spill::{SpilledAlert, SpilledRecords};
use super::{PacketsWork, ROWS_PER_BATCH, Survey, SurveyOptions, no_alert};
use crate::error::Result;
use crate::survey::life::States;
use crate::survey::visit::Visit;

/// Packets of visits.
pub(in crate::survey) struct VisitPackets {
    /// Their Avro schema, as JSON.
    pub schema: String,
    /// The alerts of each visit that has some, in order of time.
    visits: Vec<Vec<SpilledAlert>>,
    records: SpilledRecords,
}

impl VisitPackets {
    /// Makes the records of a survey, in files without names on the disk of a folder. It takes some seconds; `Busy` once `stopped`.
    pub(in crate::survey) fn new(
        folder: &Path,
        options: &SurveyOptions,
        stopped: &CancellationToken,
    ) -> Result<Self> {
        let survey = Survey::new(options, States::Each, ROWS_PER_BATCH)?;
        let mut encoder = PacketEncoder::new(false)?;
        let work = PacketsWork { folder, stopped, progress: &|_| () };
        let spill = work.spill(survey, &mut encoder)?;
        let (nights, records) = spill.finish()?;
        let mut visits = Vec::new();
        for night in nights {
            let alerts = night.alerts()?;
            let visit = |alert: &SpilledAlert| Visit::of_id(alert.dia_source_id);
            visits.extend(alerts.chunk_by(|a, b| visit(a) == visit(b)).map(<[_]>::to_vec));
        }
        match visits.is_empty() {
            true => Err(no_alert(options.nights)),
            false => Ok(Self { schema: encoder.schema(), visits, records }),
        }
    }

    /// How many visits have alerts.
    pub(in crate::survey) fn visits(&self) -> usize {
        self.visits.len()
    }

    /// The packets of a visit, by its number from 0, in Avro's binary form.
    pub(in crate::survey) fn of_visit(&self, visit: usize) -> Result<Vec<Vec<u8>>> {
        let packet = |alert| {
            let mut packet = Vec::new();
            night::packet(alert, &self.records, &mut packet)?;
            Ok(packet)
        };
        self.visits[visit].iter().map(packet).collect()
    }
}
