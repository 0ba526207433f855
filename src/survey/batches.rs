//! Generates the survey as a stream of batches: for each run of objects, in order of their ids, a batch of each table.
//!
//! Object `j` has its own stream of random numbers, and is [found](super::finder) first by a visit that depends on `j` alone.

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::nullif;
use arrow::datatypes::Field;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::SurveyOptions;
use super::columns::batch;
use super::finder::{Finder, finders};
use super::life::States;
use super::nights::Nights;
use super::object::Birth;
use super::object_columns::{forced_column, object_column};
use super::plan::Plan;
use super::rows::SurveyRows;
use super::source_columns::source_column;
use super::visit::IDS_PER_DETECTOR;
use crate::error::{Error, Result};
use crate::ingest::sections;
use crate::schema::provenance::CONTENT_HASH;
use crate::schema::{Table, new_table_schema};

/// Batches of the same objects, and the objects themselves.
pub(crate) struct SurveyBatch {
    /// The number of objects gone through, with those of which nothing is told.
    pub gone_through: u64,
    pub rows: SurveyRows,
    pub sources: RecordBatch,
    pub fp: RecordBatch,
    /// The states.
    pub objects: RecordBatch,
}

pub(crate) struct Survey {
    plan: Plan,
    finders: Vec<Finder>,
    next_finder: usize,
    /// Objects of the finder before that are still to be generated.
    births: std::vec::IntoIter<Birth>,
    objects: u64,
    nights: Nights,
    states: States,
    rows_per_batch: usize,
    rng: ChaCha8Rng,
}

/// A batch is no longer than that, though nothing may be told of any of them.
const OBJECTS_PER_BATCH: u64 = 4096;

impl Survey {
    /// Batches hold at least `rows_per_batch` sources and forced measurements, and whole objects.
    pub(crate) fn new(
        options: &SurveyOptions,
        states: States,
        rows_per_batch: usize,
    ) -> Result<Self> {
        let SurveyOptions { objects, seed, nights } = *options;
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let plan = Plan::new(&mut rng.clone());
        let finders = finders(&plan);
        let of_field = finders.iter().map(|finder| finder.of_field).max().unwrap_or(1);
        let most = IDS_PER_DETECTOR / 2 / of_field * finders.len() as u64;
        if objects == 0 || objects > most {
            return Err(Error::argument(format!("--objects {objects}: expected 1 to {most}")));
        }
        let births = Vec::new().into_iter();
        let next_finder = 0;
        Ok(Self {
            plan,
            finders,
            next_finder,
            births,
            objects,
            nights,
            states,
            rows_per_batch,
            rng,
        })
    }

    /// The plan of the survey.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The next batches; `None` at the end.
    pub(crate) fn next_batch(&mut self) -> Result<Option<SurveyBatch>> {
        let (mut rows, mut gone_through) = (SurveyRows::default(), 0);
        while rows.sources.len() + rows.forced.len() < self.rows_per_batch
            && gone_through < OBJECTS_PER_BATCH
        {
            let Some(birth) = self.next_birth() else { break };
            let life = birth.live(&self.plan, self.nights, rows.objects.len() as u32);
            life.tell(&self.plan, self.nights, self.states, &mut rows);
            gone_through += 1;
        }
        if gone_through == 0 {
            return Ok(None);
        }
        let (plan, schema) = (&self.plan, new_table_schema);
        let of_history: BooleanArray =
            rows.sources.iter().map(|source| Some(!source.is_alert)).collect();
        let sources = batch(&schema(Table::Sources), |field| {
            let values = source_column(field.name(), plan, &rows);
            values.map(|values| as_told(field, values, &of_history)).transpose()
        })?;
        let hashes = sources[CONTENT_HASH].as_primitive();
        let forced = |field: &Field| Ok(forced_column(field.name(), plan, &rows));
        let states = |field: &Field| Ok(object_column(field.name(), plan, &rows, hashes));
        Ok(Some(SurveyBatch {
            gone_through,
            fp: batch(&schema(Table::Fp), forced)?,
            objects: batch(&schema(Table::Objects), states)?,
            sources,
            rows,
        }))
    }

    fn next_birth(&mut self) -> Option<Birth> {
        loop {
            if let Some(birth) = self.births.next() {
                return Some(birth);
            }
            let finder = self.finders.get(self.next_finder)?;
            // They are in order of time, so that all others find their objects later.
            if self.plan.night(finder.visit) > self.nights.last {
                return None;
            }
            self.births = self.births(finder).into_iter();
            self.next_finder += 1;
        }
    }

    /// The objects that a visit finds, in order of their ids.
    fn births(&self, finder: &Finder) -> Vec<Birth> {
        let objects = (finder.first_object..self.objects).step_by(self.finders.len());
        let births = objects.enumerate().map(|(turn, object)| {
            let mut rng = self.rng.clone();
            // Stream 0 is that of the plan.
            rng.set_stream(object + 1);
            let counter = turn as u64 * finder.of_field + finder.in_field;
            Birth::draw(&self.plan, finder.visit, counter, rng)
        });
        let mut births: Vec<_> = births.collect();
        births.sort_unstable_by_key(|birth| birth.id);
        births
    }
}

/// The values of a column of sources. A source that is told by the history of an alert has only what the record of a source has.
fn as_told(field: &Field, values: ArrayRef, of_history: &BooleanArray) -> Result<ArrayRef> {
    let in_history = sections::source_of(Table::Sources, field)
        .is_some_and(|(section, _)| section.record == Some(sections::DIA_SOURCE));
    match in_history || of_history.true_count() == 0 {
        true => Ok(values),
        false => Ok(nullif(&values, of_history)?),
    }
}
