//! `diaflight live`: what comes by Kafka gives what `ingest` makes of the same alerts, however either side ends.

mod broker;
mod ends;
mod fed;
mod login;
mod positions;
mod registry;
mod replayed;
mod slow;
mod steps;

use std::fs;
use std::path::Path;
use std::time::Duration;

use diaflight::schema::Table;

use crate::operations::monitoring::{has, named};
use crate::program::{Finished, run};
use broker::Broker;
use fed::{Alerts, Fed, PARTITIONS, free_address, wait_for_metrics};
use registry::Registry;

#[tokio::test(flavor = "multi_thread")]
async fn every_framing_gives_what_an_ingest_gives() {
    let (alerts, broker) = (Alerts::of(1200).await, Broker::start());
    let registry = Registry::start().await;
    for framing in ["confluent", "fink", "container"] {
        let fed = Fed::new(framing);
        let live = fed.live(&broker, &["--registry", &registry.url()]);
        // The topic is not there yet, then empty, then has some.
        let schema = registry.file(1100);
        let more = ["--schema-out", schema.to_str().unwrap()];
        let produced =
            broker.produce(framing, PARTITIONS as u32, framing, alerts.folder.path(), &more);
        assert_eq!(produced, alerts.count);
        fed.wait_for(produced).await;
        assert_eq!(live.stop(), Some(0), "{}", fed.log());
        fed.assert_same(&alerts.tables).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_kept_and_the_stream_goes_on() {
    let (alerts, broker, fed) = (Alerts::of(1200).await, Broker::start(), Fed::new("bad"));
    let more = ["--bad", "25"];
    let produced = broker.produce("bad", PARTITIONS as u32, "fink", alerts.folder.path(), &more);
    let bad = alerts.count / 25;
    assert_eq!(produced, alerts.count + bad);
    let live = fed.live(&broker, &[]);
    fed.wait_for(produced).await;
    // It has started itself again, so that the allocator returns what is free.
    let variables = fs::read(format!("/proc/{}/environ", live.0.id())).unwrap();
    assert!(String::from_utf8_lossy(&variables).contains("MIMALLOC_PURGE_DELAY=100"));
    assert_eq!(live.stop(), Some(0));
    fed.assert_same(&alerts.tables).await;
    let kept = Path::new(&fed.url()).join("_live/refused/bad");
    let names: Vec<_> = fs::read_dir(&kept).unwrap().map(|file| file.unwrap().path()).collect();
    let (reasons, files): (Vec<_>, Vec<_>) =
        names.iter().partition(|path| path.extension().unwrap() == "json");
    assert_eq!((reasons.len() as i64, files.len() as i64), (bad, bad));
    let reason: serde_json::Value = serde_json::from_slice(&fs::read(reasons[0]).unwrap()).unwrap();
    assert!(reason["reason"].as_str().unwrap().contains("damaged"), "{reason}");
    // An ingest says the same of them.
    let again = run(["ingest", "--warehouse", &fed.url(), kept.to_str().unwrap()]);
    assert_eq!(again.code, Some(4), "{again:?}");
    assert!(again.stderr.contains("damaged"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_without_a_schema_wait_in_a_folder_and_too_many_stop_it() {
    let (alerts, broker, fed) = (Alerts::of(1200).await, Broker::start(), Fed::new("unknown"));
    let registry = Registry::start().await;
    let produced =
        broker.produce("unknown", PARTITIONS as u32, "confluent", alerts.folder.path(), &[]);
    let stopped: Finished =
        run(fed.arguments(&broker, &["--registry", &registry.url(), "--max-refused", "50"]));
    assert_eq!(stopped.code, Some(4), "{stopped:?}");
    assert!(stopped.stderr.contains("schema 1100"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("messages in a row cannot be read"), "{}", stopped.stderr);
    assert_eq!(fed.read().await, 0, "they are read again when it is started again");
    let schema = registry.file(1100);
    let other = broker.produce(
        "elsewhere",
        1,
        "confluent",
        alerts.folder.path(),
        &["--schema-out", schema.to_str().unwrap()],
    );
    assert_eq!(other, produced);
    // A registry that is down is waited for.
    registry.set_down(true);
    let live = fed.live(&broker, &["--registry", &registry.url()]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fed.read().await, 0);
    registry.set_down(false);
    fed.wait_for(produced).await;
    assert_eq!(live.stop(), Some(0));
    fed.assert_same(&alerts.tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_came_and_alerts_and_dashboard_are_about_them() {
    let (alerts, broker, fed) = (Alerts::of(1200).await, Broker::start(), Fed::new("metrics"));
    let address = free_address();
    let live = fed.live(&broker, &["--metrics", &address]);
    let produced = broker.produce(
        "metrics",
        PARTITIONS as u32,
        "fink",
        alerts.folder.path(),
        &["--bad", "50"],
    );
    fed.wait_for(produced).await;
    let health = reqwest::get(format!("http://{address}/health")).await.unwrap();
    assert_eq!(health.text().await.unwrap(), "reading\n");
    let refused = alerts.count / 50;
    let lines = [
        format!("diaflight_live_messages_total {produced}\n"),
        "diaflight_live_state 1\n".to_string(),
        format!("diaflight_live_refused_total {refused}\n"),
        format!("diaflight_live_sources_total {}\n", alerts.tables[&Table::Sources].len()),
        r#"diaflight_live_lag{topic="metrics",partition="2"} 0"#.to_string(),
    ];
    let metrics = wait_for_metrics(&address, &lines).await;
    for file in ["live-alerts.yml", "live-dashboard.json"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
        let text = fs::read_to_string(path).unwrap();
        let names = named(&text);
        assert!(names.len() > 3, "{names:?}");
        let unknown: Vec<_> = names.iter().filter(|name| !has(&metrics, name)).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    assert_eq!(live.stop(), Some(0));
}
