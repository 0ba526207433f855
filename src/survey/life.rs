//! What the alerts of some nights tell of an object: a state for each alert or for the newest, and of the object's measurements only those
//! that an alert holds.
//!
//! An alert holds its own source, the sources of the 12 months before it, and the forced measurements of the 12 months up to it. So what is
//! told depends on the nights: their alerts bring sources of nights before, and a forced measurement comes with the next alert, if
//! that is within the nights and no more than 12 months later.

use super::nights::Nights;
use super::plan::Plan;
use super::rows::{Forced, Object, ObjectState, SurveyRows};
use super::source::GeneratedSource;
use super::summary::summarize;

/// The 12 months.
const HISTORY_DAYS: f64 = 365.0;

/// Which alerts have a state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum States {
    /// The newest: a row of a table.
    Newest,
    /// Each: a packet.
    Each,
}

/// An object with all its measurements, in order of time.
pub(crate) struct Life {
    pub object: Object,
    pub sources: Vec<GeneratedSource>,
    pub forced: Vec<Forced>,
}

impl Life {
    /// Appends what is told. Without an alert, that is nothing. There are no sources after the nights.
    pub(crate) fn tell(
        mut self,
        plan: &Plan,
        nights: Nights,
        states: States,
        rows: &mut SurveyRows,
    ) {
        let begins = |alert: &GeneratedSource| plan.mjd(alert.visit) - HISTORY_DAYS;
        let first = self.sources.partition_point(|source| plan.night(source.visit) < nights.first);
        let alerts = &mut self.sources[first..];
        let Some(oldest) = alerts.first().map(begins) else { return };
        alerts.iter_mut().for_each(|alert| alert.is_alert = true);
        self.forced.retain(|forced| {
            let next = alerts.partition_point(|alert| alert.visit < forced.visit);
            alerts.get(next).is_some_and(|next| plan.mjd(forced.visit) >= begins(next))
        });

        let untold = self.sources.partition_point(|source| plan.mjd(source.visit) < oldest);
        let (base, forced_base) = (rows.sources.len(), rows.forced.len());
        let from = match states {
            States::Newest => self.sources.len() - 1,
            States::Each => first,
        };
        for at in from..self.sources.len() {
            let alert = &self.sources[at];
            let begin = begins(alert);
            let history = self.sources.partition_point(|source| plan.mjd(source.visit) < begin);
            let forced = self.forced.partition_point(|forced| plan.mjd(forced.visit) < begin)
                ..self.forced.partition_point(|forced| forced.visit <= alert.visit);
            rows.states.push(ObjectState {
                object: rows.objects.len() as u32,
                night: plan.night(alert.visit),
                source: base + at - untold,
                history: base + history - untold..base + at - untold,
                forced: forced_base + forced.start..forced_base + forced.end,
                count: at + 1,
                summary: summarize(plan, &self.sources[..=at]),
            });
        }
        rows.sources.extend(self.sources.drain(untold..));
        rows.forced.append(&mut self.forced);
        rows.objects.push(self.object);
    }
}
