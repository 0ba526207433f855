//! One client that tries to use all of the server's capacity.

use std::time::Duration;

use super::attacker::{Attacker, ELSEWHERE, post};
use super::http2::{DATA, Frames, HEADERS, SETTINGS, frame, head, preface};
use super::victim::Victim;

const SOURCES: &str = "/api/v1/sources";
const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_do_not_come_take_no_places() {
    let flags = ["--max-concurrent-requests", "2", "--receive-limit-ms", "3000"];
    let victim = Victim::with(&flags).await;
    let mut attackers = Vec::new();
    for address in [[127, 0, 0, 2], [127, 0, 0, 3]] {
        for _ in 0..40 {
            let mut attacker = Attacker::from(address, &victim.url).await;
            attacker.send(post(SOURCES, 10) + "{").await;
            attackers.push(attacker);
        }
    }
    victim.answers_others().await;
    for attacker in &mut attackers {
        let answer = attacker.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("the body came too slowly: 1 bytes in 3."), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_of_http2_takes_no_places_either() {
    let flags = ["--max-concurrent-requests", "2", "--receive-limit-ms", "3000"];
    let victim = Victim::with(&flags).await;
    let mut attacker = Attacker::to(&victim.url).await;
    attacker.send(preface()).await;
    let message = "/arrow.flight.protocol.FlightService/GetFlightInfo";
    for stream in (0..80).map(|i| 2 * i + 1) {
        let (path, kind) =
            if stream % 4 == 1 { (SOURCES, JSON) } else { (message, "application/grpc") };
        let head = head(stream, 0, "POST", path, kind);
        attacker.send([head, frame(DATA, 0, stream, b"{")].concat()).await;
    }
    victim.answers_others().await;
    let mut frames = Frames::of(attacker);
    let settings = frames.next_of(SETTINGS).await.unwrap();
    let most = settings.payload.chunks(6).find(|setting| setting[..2] == [0, 3]).unwrap();
    assert_eq!(most[2..], 100_u32.to_be_bytes());
    let mut answered = 0;
    while answered < 80 {
        assert!(frames.next_of(HEADERS).await.is_some(), "closed after {answered} answers");
        answered += 1;
    }
    victim.answers_others().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_stop_have_their_share_and_no_more() {
    let flags = ["--memory-mib", "768", "--time-limit-ms", "20000"];
    let victim = Victim::with(&flags).await;
    let body = victim.survey.everything().to_string();
    let asked = post(SOURCES, body.len() as u64) + &body;
    let mut readers = Vec::new();
    for _ in 0..4 {
        let mut reader = Attacker::to(&victim.url).await;
        reader.send(&asked).await;
        assert!(reader.read_some(12).await.starts_with(b"HTTP/1.1 200"));
        readers.push(reader);
    }
    let mut fifth = Attacker::from(ELSEWHERE, &victim.url).await;
    fifth.send(asked.replace("Host", "Connection: close\r\nHost")).await;
    let refused = fifth.read_to_end().await;
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert!(refused.contains("4 large answers at once from one address is the limit"), "{refused}");
    victim.answers_others().await;
    // Nobody reads on: the server ends them all.
    victim.has_connections(2).await;
    drop(readers);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_gets_everything() {
    let victim = Victim::with(&["--receive-limit-ms", "300", "--idle-limit-ms", "300"]).await;
    let body = victim.survey.everything().to_string();
    let mut reader = Attacker::to(&victim.url).await;
    let close = post(SOURCES, body.len() as u64).replace("Host", "Connection: close\r\nHost");
    reader.send(close + &body).await;
    let (mut answer, mut paused) = (Vec::new(), false);
    loop {
        let more = reader.read_some(1 << 20).await;
        if more.is_empty() {
            break;
        }
        answer.extend(more);
        let pause_ms = if !paused && answer.len() > 4 << 20 { 1000 } else { 2 };
        paused |= pause_ms > 2;
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
    assert!(answer.len() > 8 << 20, "{}", answer.len());
    assert!(answer.ends_with(b"\r\n0\r\n\r\n"), "cut short");
}
