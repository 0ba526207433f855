//! `examples/replay.py`, as its reader runs it: what it replays gives what an ingest of the same packets gives.

use std::path::Path;

use tempfile::tempdir;

use super::broker::Broker;
use super::fed::{Alerts, Fed};
use crate::python;

#[tokio::test(flavor = "multi_thread")]
async fn replayed_packets_give_what_an_ingest_gives() {
    let (alerts, broker, schemas) = (Alerts::of(400).await, Broker::start(), tempdir().unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/replay.py");
    let (address, packets) = (broker.address(), alerts.folder.path().to_str().unwrap());
    // Made by the example.
    let schemas = schemas.path().join("schemas").to_str().unwrap().to_string();
    for framing in ["confluent", "fink", "container"] {
        let fed = Fed::new(&format!("replayed-{framing}"));
        let topic = format!("replayed-{framing}");
        let asked = [&address, &topic, packets, "--schema-dir", &schemas, "--framing", framing];
        let said = python::run(&script, &[&asked[..], &["--rate", "2000"]].concat(), &[]);
        assert_eq!(said, format!("{} alerts in all\n", alerts.count));
        let live = fed.live(&broker, &["--schema-dir", &schemas]);
        fed.wait_for(alerts.count).await;
        assert_eq!(live.stop(), Some(0), "{}", fed.log());
        fed.assert_same(&alerts.tables).await;
    }
}
