//! URLs of thousands of ids.

use super::attacker::Attacker;
use super::http2::{DATA, END_STREAM, Frames, HEADERS, head, preface};
use super::victim::Victim;

fn path(ids: usize) -> String {
    let ids: Vec<_> = (0..ids).map(|i| (170_921_384_374_435_915 + i).to_string()).collect();
    format!("/api/v1/objects?columns=r:ra&diaObjectId={}", ids.join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_url_is_answered_and_one_too_long_is_told_what_else_to_do() {
    let victim = Victim::with(&[]).await;
    for (ids, long) in [(900, false), (3300, false), (5000, true), (20_000, true)] {
        let mut client = Attacker::to(&victim.url).await;
        let head = format!("GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path(ids));
        client.send_if_taken(head).await;
        let answer = client.read_to_end().await;
        if !long {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{ids}: {answer}");
            continue;
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 414") || head.starts_with("HTTP/1.1 431"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let text = body["text"].as_str().unwrap();
        assert!(text.contains("65536") && text.contains("POST"), "{ids}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_told_what_would_be() {
    let victim = Victim::with(&[]).await;
    for path in ["/api/v1/sources?diaObjectId=1&filter=psfFlux>1", "/<1>", "/a b", "/\u{0}"] {
        let mut client = Attacker::to(&victim.url).await;
        client.send_if_taken(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let answer = client.read_to_end().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{path}: {head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(body["text"].as_str().unwrap().contains("%3E"), "{path}: {body}");
    }
}

/// The answer to a HEAD is written when its request has ended, as hyper's own refusals are.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_head_has_no_body_and_its_connection_goes_on() {
    let victim = Victim::with(&[]).await;
    let mut client = Attacker::to(&victim.url).await;
    let head = "HEAD /api/v1/sources?columns=r:ra HTTP/1.1\r\nHost: a\r\n\r\n";
    let get = "GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    client.send_if_taken(format!("{head}{get}")).await;
    let answers = client.read_to_end().await;
    let (refused, next) = answers.split_once("\r\n\r\n").unwrap();
    assert!(refused.starts_with("HTTP/1.1 400 ") && refused.contains("x-request-id"), "{refused}");
    assert!(next.starts_with("HTTP/1.1 200 "), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_takes_as_long_a_url() {
    let victim = Victim::with(&[]).await;
    for (ids, long) in [(900, false), (3300, false), (5000, true)] {
        let mut client = Attacker::to(&victim.url).await;
        client.send(preface()).await;
        client.send(head(1, END_STREAM, "GET", &path(ids), "a/b")).await;
        let mut frames = Frames::of(client);
        // h2 answers a head that is too long with a status alone.
        let headers = frames.next_of(HEADERS).await.unwrap_or_else(|| panic!("{ids}: no answer"));
        assert_eq!((headers.stream, headers.flags & END_STREAM != 0), (1, long), "{ids}");
        if !long {
            assert_eq!(frames.next_of(DATA).await.unwrap().payload, b"[]");
        }
    }
}
