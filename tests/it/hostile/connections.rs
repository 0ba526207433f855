//! Connections that send nothing, half a request, or nothing after a request.

use super::attacker::{Attacker, ELSEWHERE, post};
use super::http2::{END_STREAM, Frames, GOAWAY, HEADERS, head, preface, preface_with_window};
use super::victim::Victim;

/// What a client can begin with and not go on.
fn beginnings() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nothing", vec![]),
        ("half a preface", b"PRI * HT".to_vec()),
        ("a preface and no request", preface()),
        ("half a line", b"GET /hea".to_vec()),
        ("half a head", b"GET /health/live HTTP/1.1\r\nHos".to_vec()),
    ]
}

/// Requests that wait for their client, for as long as it may take its time.
fn waiting() -> Vec<(&'static str, Vec<u8>)> {
    let unread = head(1, END_STREAM, "GET", "/openapi.json", "a/b");
    vec![
        ("a head without its body", post("/api/v1/sources", 10).into_bytes()),
        ("an answer that is not taken", [preface_with_window(0), unread].concat()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_sends_a_request_is_closed() {
    let victim = Victim::with(&["--receive-limit-ms", "500"]).await;
    let mut attackers = Vec::new();
    for (_, beginning) in beginnings() {
        let mut attacker = Attacker::to(&victim.url).await;
        attacker.send(beginning).await;
        attackers.push(attacker);
    }
    victim.answers_others().await;
    for attacker in &mut attackers {
        attacker.read_to_end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_trickle_in_are_no_request() {
    let victim = Victim::with(&["--receive-limit-ms", "500"]).await;
    let mut attacker = Attacker::to(&victim.url).await;
    attacker.send("GET /health/live HTTP/1.1\r\nX: ").await;
    let mut closed = false;
    while !closed {
        attacker.send_if_taken("x").await;
        let wait = tokio::time::Duration::from_millis(50);
        let read = tokio::time::timeout(wait, attacker.read_some(1));
        closed = read.await.is_ok_and(|bytes| bytes.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_more_requests_is_closed() {
    let victim = Victim::with(&["--idle-limit-ms", "500"]).await;
    let mut attacker = Attacker::to(&victim.url).await;
    attacker.send("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(attacker.read_to_end().await.ends_with("live\n"));

    let mut attacker = Attacker::to(&victim.url).await;
    let head = head(1, END_STREAM, "GET", "/health/live", "a/b");
    attacker.send([preface(), head].concat()).await;
    let mut frames = Frames::of(attacker);
    assert!(frames.next_of(GOAWAY).await.is_some(), "it is told that the connection ends");
    while frames.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_keeps_nobody_out() {
    let victim = Victim::with(&["--max-connections", "8", "--receive-limit-ms", "100000"]).await;
    let mut attackers = Vec::new();
    for address in [[127, 0, 0, 2], [127, 0, 0, 3], [127, 0, 0, 4]] {
        for (_, beginning) in beginnings().into_iter().chain(waiting()).cycle().take(21) {
            let mut attacker = Attacker::from(address, &victim.url).await;
            attacker.send_if_taken(beginning).await;
            attackers.push(attacker);
            victim.answers_others().await;
        }
    }
    assert!(victim.metric("diaflight_connections_evicted_total").await >= 48);
    victim.has_connections(8).await;
    drop(attackers);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_evicted_is_gone_whatever_is_sent() {
    let victim = Victim::with(&["--max-connections", "8", "--receive-limit-ms", "100000"]).await;
    let mut attackers = std::collections::VecDeque::new();
    let mut gone = Vec::new();
    for stream in 0..40 {
        let mut attacker = Attacker::to(&victim.url).await;
        attacker.send_if_taken(preface()).await;
        attackers.push_back(attacker);
        // Four are its share: the fifth evicts the first, which begins a request now.
        if let Some(mut first) = attackers.pop_front_if(|_| stream >= 4) {
            let request = head(1, 0, "POST", "/api/v1/sources", "application/json");
            first.send_if_taken(request).await;
            gone.push(first);
        }
    }
    victim.has_connections(8).await;
    victim.answers_others().await;
    drop((attackers, gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nothing_comes_on_ends() {
    let victim = Victim::with(&["--receive-limit-ms", "500"]).await;
    let mut attacker = Attacker::to(&victim.url).await;
    let path = "/arrow.flight.protocol.FlightService/DoPut";
    let head = head(1, 0, "POST", path, "application/grpc");
    attacker.send([preface(), head].concat()).await;
    assert!(Frames::of(attacker).next_of(HEADERS).await.is_some(), "it is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_flight_find_their_way_back() {
    let victim = Victim::with(&["--idle-limit-ms", "300"]).await;
    let script = std::path::Path::new("tests/python/flight_idle.py");
    let printed = crate::python::run(script, &[victim.url.as_str()], &[]);
    assert_eq!(printed, "closed and asked again\n");
}

/// The defaults, as an operator has them who sets nothing.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes the default of the limit: half a minute"]
async fn hundreds_of_silent_connections_are_gone_by_default() {
    let victim = Victim::with(&[]).await;
    let mut attackers = Vec::new();
    for (_, beginning) in beginnings().into_iter().cycle().take(1000) {
        let mut attacker = Attacker::from(ELSEWHERE, &victim.url).await;
        attacker.send_if_taken(beginning).await;
        attackers.push(attacker);
    }
    victim.answers_others().await;
    victim.has_connections(512).await;
    for attacker in &mut attackers {
        attacker.read_to_end().await;
    }
    victim.answers_others().await;
}
