//! Who may follow, how many at once, and how it ends.

use super::Night;
use super::events::{Events, ask};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_are_refused_by_name() {
    let night = Night::begun().await;
    let server = night.served(&[]).await;
    for (arguments, status, said) in [
        ("since=7", 400, "since: sources has no version 7 (yet); the newest is 0"),
        ("since=yesterday", 400, "since"),
        ("since=0-0000000000000000", 410, "created anew"),
        ("filter=psfFlux%20%3E", 400, "filter"),
        ("filter=nothing%20%3E%201", 400, "nothing"),
        ("diaobjectid=1", 400, "diaobjectid (perhaps diaObjectId)"),
    ] {
        let answer = ask(&server, arguments, None).await;
        assert_eq!(answer.status(), status, "{arguments}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(said), "{arguments}: {text}");
    }
    let answer = ask(&server, "diaObjectId=1", Some("12")).await;
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("Last-Event-ID"));
    let warned = ask(&server, "diaObjectId=1,x&columns=r:ra,r:nothing", None).await;
    let warning = warned.headers()["x-diaflight-warning"].to_str().unwrap();
    assert!(warning.contains("x;") && warning.contains("r:nothing"), "{warning}");
    // A client that takes events need not name arguments.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v1/stream", server.url);
    for (accept, answered) in
        [("*/*", "text/plain; charset=utf-8"), ("text/event-stream, */*", "text/event-stream")]
    {
        let answer = client.get(&url).header("accept", accept).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], answered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sources_of_all_objects_need_the_token_and_places_are_counted() {
    let night = Night::begun().await;
    let server =
        night.served(&[("DIAFLIGHT_TOKEN", "s3same"), ("DIAFLIGHT_MAX_STREAMS", "2")]).await;
    let refused = ask(&server, "columns=r:ra", None).await;
    assert_eq!(refused.status(), 401);
    let mut first = Events::open(&server, "diaObjectId=1", None).await;
    first.version().await;
    // One address has half of the places.
    let refused = ask(&server, "diaObjectId=1", None).await;
    assert_eq!(refused.status(), 429);
    let said = refused.text().await.unwrap();
    assert!(said.contains("streams of new sources") && said.contains("--max-streams"), "{said}");
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("streams of new sources"), "{metrics}");
    drop(first);
    while ask(&server, "diaObjectId=1", None).await.status() != 200 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_its_streams() {
    let night = Night::begun().await;
    let mut server = night.served(&[]).await;
    let mut events = Events::open(&server, "diaObjectId=1", None).await;
    events.version().await;
    server.signal("TERM");
    let last = events.next().await;
    assert_eq!(last.name, "failed");
    assert!(last.data["text"].as_str().unwrap().contains("the server stops"), "{last:?}");
    assert_eq!(events.try_next().await, None);
    assert!(server.ended().success());
}

/// A client that reads nothing loses its place, so that others can follow.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_loses_the_place() {
    let night = Night::begun().await;
    let alerts: Vec<_> = (0..60_000).map(|n| (n % 1000, 10_000 + n)).collect();
    night.ingest(&alerts).await;
    let more = [("DIAFLIGHT_TIME_LIMIT_MS", "500"), ("DIAFLIGHT_MAX_STREAMS", "1")];
    let server = night.served(&more).await;
    // All rows are more than the system's buffers take.
    let stuck = ask(&server, "since=0", None).await;
    assert_eq!(stuck.status(), 200);
    while ask(&server, "diaObjectId=1", None).await.status() != 200 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    drop(stuck);
}
