//! Reads the arguments of a search in a region into a [`RegionQuery`] and how to answer it.

use std::sync::Arc;

use super::argument::{Argument, COLUMNS, Takes};
use super::arguments::Arguments;
use super::date::{KIND, START, STOP, WINDOW, has_time, iso_mjd_tai};
use super::ignored::{Ignored, Warning};
use super::json::Value;
use super::query::wrong;
use super::region::{BAYESTAR, MOC, POLYGON, SKYMAP, region};
use super::rows::{IDS_AS, OUTPUT_FORMAT, flag, format, ids_as_text};
use super::search::{BOTH_AS_OF, search};
use crate::encode::Format;
use crate::error::{Error, Result};
use crate::limits::HeldMemory;
use crate::query::{ActiveTime, RegionQuery, TimeKind, UnknownColumn};

static CREDIBLE_LEVEL: Argument = Argument {
    name: "credible_level",
    about: "How much of the probability of a map the region has, above 0 and at most 1: the cells of the highest densities. A map needs it; a \
            MOC or a polygon has none.",
    takes: Takes::NumberOrText,
    is_required: false,
    example: "0.9",
};

static DAYS_BEFORE: Argument = Argument {
    name: "n_day_before",
    about: "With a map that says when its event was (`DATE-OBS`): only objects whose first source is of so many days before it, 1 if it is \
            left out, at most 7, or after it. `startdate` and its kin take its place.",
    takes: Takes::NumberOrText,
    is_required: false,
    example: "1",
};

static DAYS_AFTER: Argument = Argument {
    name: "n_day_after",
    about: "The same of the days after it: 6 if it is left out, at most 14.",
    takes: Takes::NumberOrText,
    is_required: false,
    example: "6",
};

static MOST: Argument = Argument {
    name: "n",
    about: "At most so many objects, those of the smallest credible levels, or else ids: 10,000 if it is left out, at most 1,000,000. \
            `X-Diaflight-Warning` says where there are more.",
    takes: Takes::NumberOrText,
    is_required: false,
    example: "1000",
};

static COUNT: Argument = Argument {
    name: "count",
    about: "Instead of rows: how many objects there are, as `v:count`.",
    takes: Takes::Flag,
    is_required: false,
    example: "false",
};

const USUAL_MOST: usize = 10_000;
const MOST_MOST: usize = 1_000_000;
/// The usual days before and after an event, and the most of them.
const BEFORE: (f64, f64) = (1.0, 7.0);
const AFTER: (f64, f64) = (6.0, 14.0);

/// The arguments of `/api/v1/skymap`.
#[derive(Debug)]
pub struct SkymapRequest {
    /// What to look for.
    pub query: RegionQuery,
    /// Whether only the number of objects is asked for.
    pub count: bool,
    /// The format of the answer.
    pub format: Format,
    /// Whether ids are texts in JSON.
    pub ids_as_text: bool,
    ignored_arguments: Ignored,
}

impl SkymapRequest {
    /// The path of the endpoint.
    pub const PATH: &str = "/api/v1/skymap";
    /// The arguments.
    pub const ARGUMENTS: &[&Argument] = &[
        &SKYMAP,
        &BAYESTAR,
        &MOC,
        &POLYGON,
        &CREDIBLE_LEVEL,
        &DAYS_BEFORE,
        &DAYS_AFTER,
        &MOST,
        &COUNT,
        &START,
        &STOP,
        &WINDOW,
        &KIND,
        &COLUMNS,
        &OUTPUT_FORMAT,
        &IDS_AS,
        &BOTH_AS_OF,
    ];

    /// Reads the merged arguments of a request. The region takes memory, and up to seconds.
    pub fn parse(mut arguments: Arguments<'_>, memory: HeldMemory) -> Result<Self> {
        let arguments = &mut arguments;
        let level = arguments.remove(CREDIBLE_LEVEL.name).map(level).transpose()?;
        let days = [(&DAYS_BEFORE, BEFORE.1), (&DAYS_AFTER, AFTER.1)];
        let days = days.map(|(argument, most)| {
            let value = arguments.remove(argument.name);
            value.map(|value| days_of(argument, most, value)).transpose()
        });
        let [before, after] = days;
        let days = [before?, after?];
        let most = arguments.remove(MOST.name).map_or(Ok(USUAL_MOST), most)?;
        let (count, has_time) = (flag(&COUNT, arguments)?, has_time(arguments));
        let mut search = search(arguments)?;
        let format = arguments.remove(OUTPUT_FORMAT.name).map_or(Ok(Format::Json), format)?;
        let ids_as_text = ids_as_text(arguments)?;
        let found = region(arguments, level, memory);
        let (left, mut ignored_arguments) = std::mem::take(arguments).into_names();
        left.into_iter().for_each(|name| ignored_arguments.push(name));
        if ignored_arguments.lists("event_name") {
            return Err(Error::argument(
                "event_name: this server asks no other; get the map from https://gracedb.ligo.org/superevents/ and send it",
            ));
        }
        let found = found?;
        let event_mjd = found.observed.as_deref().map(event_mjd).transpose()?;
        if !has_time {
            search.time = event_mjd.map(|event| around(event, days));
        }
        if let [Some(_), _] | [_, Some(_)] = days
            && (has_time || event_mjd.is_none())
        {
            return Err(Error::argument(match has_time {
                true => {
                    "n_day_before and n_day_after are given beside other times: leave out either"
                }
                false => {
                    "n_day_before and n_day_after need a map that says when its event was (DATE-OBS): give startdate"
                }
            }));
        }
        let region = Arc::new(found.region);
        let query = RegionQuery { region, event_mjd, most, search };
        Ok(Self { query, count, format, ids_as_text, ignored_arguments })
    }

    /// What an answer says where it has not all objects: `2 of 4 objects, the first in this order; n=4 gives all`.
    pub fn cut(&self, total: usize) -> Option<String> {
        let answered = total.min(self.query.most);
        (answered < total).then(|| {
            format!("{answered} of {total} objects, the first in this order; n={total} gives all")
        })
    }

    /// The warning to send with the answer.
    pub fn warning(
        &self,
        unknown_columns: &[UnknownColumn],
        cut: Option<String>,
    ) -> Option<String> {
        let arguments = self.ignored_arguments.clone();
        let (columns, as_of) = (unknown_columns.into(), self.query.search.as_of.clone());
        Warning { columns, arguments, as_of, cut, ..Warning::default() }.text()
    }
}

fn level(value: Value<'_>) -> Result<f64> {
    let level = value.number().filter(|level| *level > 0.0 && *level <= 1.0);
    level.ok_or_else(|| wrong(CREDIBLE_LEVEL.name, "a number above 0 and at most 1", value))
}

fn days_of(argument: &Argument, most: f64, value: Value<'_>) -> Result<f64> {
    let days = value.number().filter(|days| (0.0..=most).contains(days));
    days.ok_or_else(|| wrong(argument.name, &format!("a number of days from 0 to {most}"), value))
}

fn most(value: Value<'_>) -> Result<usize> {
    let most = value.number().filter(|most| (1..=MOST_MOST).contains(most));
    most.ok_or_else(|| wrong(MOST.name, "an integer from 1 to 1000000", value))
}

fn event_mjd(observed: &str) -> Result<f64> {
    iso_mjd_tai(observed).ok_or_else(|| {
        Error::argument(format!("DATE-OBS of the map is `{observed:.40}`, which is no time in UTC"))
    })
}

/// The days around an event.
fn around(event_mjd: f64, [before, after]: [Option<f64>; 2]) -> ActiveTime {
    let from_mjd = event_mjd - before.unwrap_or(BEFORE.0);
    let to_mjd = event_mjd + after.unwrap_or(AFTER.0);
    ActiveTime { from_mjd, to_mjd, kind: TimeKind::First }
}
