//! Where it reads on, and what it does where messages are missing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use diaflight::schema::Table;
use diaflight::survey::{SurveyOptions, write_packets};
use tempfile::tempdir;
use tokio_util::sync::CancellationToken;

use super::broker::Broker;
use super::fed::{Alerts, Fed, PARTITIONS, PATIENCE, free_address, wait_for_metrics};
use super::login::{PASSWORD, USER};
use crate::ingest_properties::stored;
use crate::program::run;

/// What came while it did not run is read, also in partitions of which it had read nothing.
#[tokio::test(flavor = "multi_thread")]
async fn latest_is_where_it_began_and_reread_is_from_the_start() {
    let (alerts, broker, fed) = (Alerts::of(1200).await, Broker::start(), Fed::new("latest"));
    let before = fed.produce(&broker, &alerts);
    let live = fed.live(&broker, &["--from", "latest"]);
    fed.wait_for_log("\"reading\"").await;
    // Without a table there is no place for positions yet.
    let few = tempdir().unwrap();
    let options = SurveyOptions { objects: 300, seed: 12, nights: "300..304".parse().unwrap() };
    write_packets(few.path(), &options, false, &CancellationToken::new(), &|_| ()).unwrap();
    // To the first partition alone.
    let new = broker.produce("latest", 1, "fink", few.path(), &[]);
    fed.wait_for(before + new).await;
    assert_eq!(live.stop(), Some(0));
    let sources = stored(&fed.warehouse()).await.rows[&Table::Sources].len();
    assert!(sources < alerts.tables[&Table::Sources].len(), "{sources} of before were read");
    let after = fed.produce(&broker, &alerts);
    let live = fed.live(&broker, &["--from", "latest"]);
    fed.wait_for(before + new + after).await;
    assert_eq!(live.stop(), Some(0));
    let twice = stored(&fed.warehouse()).await.rows;
    let address = free_address();
    let live = fed.live(&broker, &["--reread", "--metrics", &address]);
    let all = format!("diaflight_live_messages_total {}\n", before + new + after);
    wait_for_metrics(&address, &[all]).await;
    assert_eq!(live.stop(), Some(0));
    fed.assert_same(&twice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_the_broker_lost_stop_it_unless_it_is_told_to_go_on() {
    let (alerts, fed) = (Alerts::of(1200).await, Fed::new("lost"));
    let produced = {
        let broker = Broker::start();
        let produced = broker.produce("lost", PARTITIONS as u32, "fink", alerts.folder.path(), &[]);
        let live = fed.live(&broker, &[]);
        fed.wait_for(produced).await;
        assert_eq!(live.stop(), Some(0));
        produced
    };
    // A new broker, whose topic has one message.
    let (broker, few) = (Broker::start(), tempdir().unwrap());
    let options = SurveyOptions { objects: 60, seed: 12, nights: "300..304".parse().unwrap() };
    write_packets(few.path(), &options, false, &CancellationToken::new(), &|_| ()).unwrap();
    let new = broker.produce("lost", PARTITIONS as u32, "fink", few.path(), &[]);
    assert!(new < produced);
    let stopped = run(fed.arguments(&broker, &[]));
    assert_eq!(stopped.code, Some(5), "{stopped:?}");
    assert!(stopped.stderr.contains("of lost"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("--on-gap continue"), "{}", stopped.stderr);
    let live = fed.live(&broker, &["--on-gap", "continue"]);
    let start = Instant::now();
    while fed.read().await != new {
        assert!(start.elapsed() < PATIENCE, "{}", fed.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(live.stop(), Some(0));
    let gaps = fs::read_dir(Path::new(&fed.url()).join("_live/gaps/lost")).unwrap();
    assert!(gaps.count() > 0);
}

/// Its messages are others, though it has one of each number that was read.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_is_not_read_on_as_if_it_were_the_one_before() {
    let (alerts, fed) = (Alerts::of(1200).await, Fed::new("anew"));
    // Not all brokers give topics an id; this one does.
    let broker = Broker::with_login(false);
    let login = ["--sasl-user", USER, "--sasl-password", PASSWORD];
    let nights = fs::read_dir(alerts.folder.path()).unwrap().map(|night| night.unwrap().path());
    let partitions = PARTITIONS as u32;
    let produced = broker.produce("anew", partitions, "fink", &nights.min().unwrap(), &[]);
    let live = fed.live(&broker, &login);
    fed.wait_for(produced).await;
    assert_eq!(live.stop(), Some(0), "{}", fed.log());
    let new = broker.produce("anew", partitions, "fink", alerts.folder.path(), &["--anew"]);
    assert!(new > produced && new == alerts.count, "{new} of {}, after {produced}", alerts.count);
    let stopped = run(fed.arguments(&broker, &login));
    assert_eq!(stopped.code, Some(5), "{stopped:?}");
    assert!(stopped.stderr.contains("the topic was made anew"), "{}", stopped.stderr);
    let live = fed.live(&broker, &[&login[..], &["--on-gap", "continue"]].concat());
    fed.wait_for(new).await;
    assert_eq!(live.stop(), Some(0), "{}", fed.log());
    fed.assert_same(&alerts.tables).await;
    // It is known now.
    let live = fed.live(&broker, &login);
    assert_eq!(fed.produce(&broker, &alerts), new);
    fed.wait_for(2 * new).await;
    assert_eq!(live.stop(), Some(0), "{}", fed.log());
}
