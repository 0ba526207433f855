//! The tables that packets give, taken one by one from their JSON: a plain model of what an ingest promises. Of copies that differ
//! in nothing but their content any may stay, as long as it is always the same.

use std::collections::BTreeMap;

use diaflight::schema::{KEY, Table};
use serde_json::{Map, Value, json};

use super::cases::{Packet, VERSIONS};
use super::{Identity, Row, identity};
use crate::alerts::Alert;

/// What decides between copies, the weightiest first: the greater stays, nothing is less than anything.
type Rank = Vec<Option<i64>>;

/// By table and identity, the rows that may stay.
pub type Candidates = BTreeMap<Table, BTreeMap<Identity, Vec<Row>>>;

/// The rows of all packets; which of the others they leave depends on no order.
pub fn candidates<'a>(
    alerts: &[Alert],
    history: bool,
    packets: impl Iterator<Item = &'a Packet>,
) -> Candidates {
    let mut best: BTreeMap<(Table, Identity), (Rank, Vec<Row>)> = BTreeMap::new();
    for packet in packets {
        let Some(object) = alerts[packet.alert].object else { continue };
        for (table, mut row, rank) in rows(&packet.json(alerts), packet.enriched, history) {
            row.insert(KEY.into(), json!(object));
            row.retain(|_, value| !value.is_null());
            let held = best.entry((table, identity(table, &row))).or_default();
            if held.0 < rank {
                *held = (rank, vec![row]);
            } else if held.0 == rank && !held.1.contains(&row) {
                held.1.push(row);
            }
        }
    }
    let mut tables: Candidates = Table::ALL.map(|table| (table, BTreeMap::new())).into();
    for ((table, id), (_, rows)) in best {
        tables.entry(table).or_default().insert(id, rows);
    }
    tables
}

fn rows(packet: &Value, enriched: bool, history: bool) -> Vec<(Table, Row, Rank)> {
    let pick = |names: &[&str]| -> Value {
        names.iter().map(|name| (name.to_string(), packet[*name].clone())).collect()
    };
    let about = pick(&["observation_reason", "target_name"]);
    let own = &packet["diaSource"];
    let mut source = vec![("", &about), ("", own)];
    let mut state = vec![("", &about), ("", &packet["diaObject"])];
    let versions = pick(&["fink_broker_version", "fink_science_version", "lsst_schema_version"]);
    let alert = json!({
        "alertMidpointMjdTai": own["midpointMjdTai"], "alertDiaSourceId": own["diaSourceId"], "alertEnriched": enriched,
    });
    let mut alert_of_state = json!({ "alertTimeProcessedMjdTai": own["timeProcessedMjdTai"] });
    if enriched {
        source.extend([("", &versions), ("clf_", &packet["clf"]), ("xm_", &packet["xm"])]);
        state.extend([("", &packet["pred"]), ("", &packet["misc"])]);
        alert_of_state["alertFinkBrokerVersion"] = versions["fink_broker_version"].clone();
        alert_of_state["alertFinkScienceVersion"] = versions["fink_science_version"].clone();
    }
    source.push(("", &alert));
    state.extend([("", &alert), ("", &alert_of_state)]);

    let time = &own["midpointMjdTai"];
    let copy = [
        Some(enriched.into()),
        plausible(&own["timeProcessedMjdTai"]),
        version(&versions["fink_broker_version"]).filter(|_| enriched),
        version(&versions["fink_science_version"]).filter(|_| enriched),
    ];
    let of_source = [&[is_plausible(time), Some(1)], &copy[..]].concat();
    let of_alert = [is_plausible(time), sixty_fourths(time), own["diaSourceId"].as_i64()];
    let mut rows = vec![
        (Table::Sources, joined(&source), of_source),
        (Table::Objects, joined(&state), [&of_alert[..], &copy[..]].concat()),
    ];
    let entries = |section: &str| packet[section].as_array().cloned().unwrap_or_default();
    for entry in entries("prvDiaForcedSources") {
        let rank =
            vec![is_plausible(&entry["midpointMjdTai"]), plausible(&entry["timeProcessedMjdTai"])];
        rows.push((Table::Fp, joined(&[("", &entry)]), rank));
    }
    for entry in entries("prvDiaSources").into_iter().filter(|_| history) {
        let rank = vec![
            is_plausible(&entry["midpointMjdTai"]),
            Some(0),
            Some(0),
            plausible(&entry["timeProcessedMjdTai"]),
            None,
            None,
        ];
        rows.push((Table::Sources, joined(&[("", &entry)]), rank));
    }
    rows
}

fn joined(sections: &[(&str, &Value)]) -> Row {
    let mut row = Map::new();
    for (prefix, section) in sections {
        for (name, value) in section.as_object().unwrap() {
            row.insert(format!("{prefix}{name}"), value.clone());
        }
    }
    row
}

fn sixty_fourths(mjd: &Value) -> Option<i64> {
    mjd.as_f64().map(|mjd| (mjd * 64.0) as i64)
}

fn plausible(mjd: &Value) -> Option<i64> {
    sixty_fourths(mjd).filter(|_| (40_000.0..=100_000.0).contains(&mjd.as_f64().unwrap()))
}

fn is_plausible(mjd: &Value) -> Option<i64> {
    Some(plausible(mjd).is_some().into())
}

fn version(version: &Value) -> Option<i64> {
    VERSIONS.iter().position(|known| version == known).map(|place| place as i64)
}
