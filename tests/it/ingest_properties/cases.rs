//! Sets of alerts in several copies, and ways to ingest them.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::alerts::{Alert, Measurement};

/// From the oldest on; as texts they sort otherwise.
pub const VERSIONS: [&str; 3] = ["8.39", "9.0", "10.0"];
/// What some packets have in place of an MJD.
const UNIX_TIME: f64 = 1480360995.0;

/// One copy of an alert.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Its number.
    pub alert: usize,
    pub enriched: bool,
    /// `timeProcessedMjdTai` of its source.
    processed_mjd: Option<f64>,
    broker: &'static str,
    science: &'static str,
    /// Tells copies apart that differ in nothing else.
    content: u8,
    unix_time: bool,
}

/// Packets that are written together.
pub type File = Vec<Packet>;

/// One ingest, whether it leaves objects as updates, and whether the tables are compacted after it.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub files: Vec<File>,
    pub leaves_updates: bool,
    pub compact: bool,
}

/// Times are multiples of 1/64 day, exact in every encoding.
fn mjd(visit: i64) -> f64 {
    61000.0 + visit as f64 / 64.0
}

/// A measurement as one of the alerts states it, which half of the others state otherwise; few have a time that is none.
fn restated(id: i64, visit: i64, alert: usize) -> Measurement {
    let unix_time = (id + alert as i64) % 9 == 0;
    let midpoint_mjd = if unix_time { UNIX_TIME } else { mjd(visit) };
    Measurement { flux: (alert % 2) as f32 + 0.5, ..Measurement::new(id, midpoint_mjd) }
}

impl Packet {
    /// With every section, whatever a raw file has of them.
    pub fn json(&self, alerts: &[Alert]) -> Value {
        let alert = &alerts[self.alert];
        let mut packet = alert.packet();
        packet["fink_broker_version"] = json!(self.broker);
        packet["fink_science_version"] = json!(self.science);
        let source = &mut packet["diaSource"];
        source["timeProcessedMjdTai"] = json!(self.processed_mjd);
        source["psfFlux"] = json!(alert.source.flux + f32::from(self.content / 2) / 4.0);
        if self.unix_time {
            source["midpointMjdTai"] = json!(UNIX_TIME);
        }
        if let Some(object) = packet["diaObject"].as_object_mut() {
            object["r_psfFluxMean"] = json!(f32::from(self.content % 2));
        }
        for (section, id) in
            [("prvDiaSources", "diaSourceId"), ("prvDiaForcedSources", "diaForcedSourceId")]
        {
            for entry in packet[section].as_array_mut().into_iter().flatten() {
                let processed = [None, Some(mjd(1)), Some(mjd(2)), Some(UNIX_TIME)];
                let turn = entry[id].as_u64().unwrap() as usize + self.alert / 2;
                entry["timeProcessedMjdTai"] = json!(processed[turn % 4]);
            }
        }
        packet
    }
}

/// Alerts whose sources have the ids 1000, 1001, ... and whose histories and forced photometry overlap with
/// each other and with those sources, under one object or several.
fn alerts() -> impl Strategy<Value = Vec<Alert>> {
    let history = prop::collection::btree_set(996i64..1012, 0..5);
    let forced = prop::collection::btree_set(1i64..12, 0..6);
    let alert = (0i64..6, 0i64..5, history, forced);
    prop::collection::vec(alert, 1..10).prop_map(|alerts| {
        let made = alerts.into_iter().enumerate().map(|(n, (object, visit, history, forced))| {
            let id = 1000 + n as i64;
            let alert = match object {
                0 => Alert::of_solar_system(id, mjd(visit)),
                object => Alert::new(313_897_383_979_122_000 + object, id, mjd(visit)),
            };
            let history = history.into_iter().filter(|past| *past != id);
            Alert {
                history: history.map(|id| restated(id, id % 5, n)).collect(),
                forced: forced.into_iter().map(|id| restated(id, id % 7, n)).collect(),
                ..alert
            }
        });
        made.collect()
    })
}

/// The copies of one alert.
fn copies(alert: usize) -> impl Strategy<Value = Vec<Packet>> {
    let processed = prop::sample::select(vec![None, Some(mjd(1)), Some(mjd(2)), Some(UNIX_TIME)]);
    let version = || prop::sample::select(VERSIONS.to_vec());
    let copy = (any::<bool>(), processed, version(), version(), 0..4u8, prop::bool::weighted(0.2));
    let copy =
        copy.prop_map(move |(enriched, processed_mjd, broker, science, content, unix_time)| {
            Packet { alert, enriched, processed_mjd, broker, science, content, unix_time }
        });
    prop::collection::vec(copy, 1..4)
}

/// Every packet at least once, some more often, in any order, cut into files and ingests anywhere.
fn calls(packets: Vec<Packet>) -> impl Strategy<Value = Vec<Call>> {
    let repeats = prop::sample::subsequence(packets.clone(), 0..=packets.len());
    let order = repeats.prop_map(move |repeats| [packets.clone(), repeats].concat()).prop_shuffle();
    // None, between two files, between two ingests, and with a compaction.
    let cut = prop_oneof![6 => Just(0), 2 => Just(1), 1 => Just(2), 1 => Just(3)];
    order.prop_flat_map(move |order| {
        let cuts = prop::collection::vec(cut.clone(), order.len());
        (Just(order), cuts).prop_map(|(order, cuts)| {
            let (mut calls, mut call, mut file) = (vec![], Call::default(), vec![]);
            for (n, (packet, cut)) in order.into_iter().zip(cuts).enumerate() {
                file.push(packet);
                if cut > 0 {
                    call.files.push(std::mem::take(&mut file));
                }
                if cut > 1 {
                    call.compact = cut == 3;
                    call.leaves_updates = n % 4 > 0;
                    calls.push(std::mem::take(&mut call));
                }
            }
            call.files.push(file);
            call.files.retain(|file| !file.is_empty());
            calls.extend((!call.files.is_empty()).then_some(call));
            calls
        })
    })
}

/// Alerts, and two ways to ingest all copies of them.
pub fn cases() -> impl Strategy<Value = (Vec<Alert>, bool, Vec<Call>, Vec<Call>)> {
    let with_copies = alerts().prop_flat_map(|alerts| {
        let packets: Vec<_> = (0..alerts.len()).map(copies).collect();
        (Just(alerts), packets.prop_map(|packets| packets.concat()))
    });
    with_copies.prop_flat_map(|(alerts, packets)| {
        (Just(alerts), any::<bool>(), calls(packets.clone()), calls(packets))
    })
}
