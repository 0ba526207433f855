//! Bodies that are too long, too slow, or full of unknown arguments.

use super::attacker::{Attacker, post};
use super::victim::Victim;

const SOURCES: &str = "/api/v1/sources";
const MIB: usize = 1 << 20;
/// Far more than a server of a small survey has, far less than what is sent at it.
const BOUND_MIB: u64 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_length_over_the_limit_is_refused_before_any_byte() {
    let victim = Victim::with(&[]).await;
    for length in [10_u64.pow(12), (4 << 20) + 1] {
        let mut attacker = Attacker::to(&victim.url).await;
        let head = post(SOURCES, length).replace("Host", "Expect: 100-continue\r\nHost");
        attacker.send(head).await;
        let answer = attacker.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains(&format!("the body has {length} bytes")), "{answer}");
        assert!(answer.contains("the limit is 4194304"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_on_gets_to_read_why_not() {
    let victim = Victim::with(&["--max-body-mib", "1"]).await;
    for head in [
        post(SOURCES, 8 << 20),
        post(SOURCES, 0).replace("Content-Length: 0", "Transfer-Encoding: chunked"),
    ] {
        let mut attacker = Attacker::to(&victim.url).await;
        attacker.send(&head).await;
        let chunk = format!("{:x}\r\n{}\r\n", MIB, " ".repeat(MIB));
        for _ in 0..8 {
            attacker.send_if_taken(&chunk).await;
        }
        let answer = attacker.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("the limit is 1048576"), "{answer}");
    }
    victim.answers_others().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_ids_are_a_small_body() {
    let victim = Victim::with(&[]).await;
    let ids: Vec<_> = (0..20_000_i64).map(|i| 170_921_384_374_435_915 + i).collect();
    let asked = serde_json::json!({"diaObjectId": ids, "columns": "r:diaObjectId"});
    assert!(asked.to_string().len() < MIB);
    assert_eq!(victim.server.post("/api/v1/objects", &asked).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_stall_hold_a_bounded_memory() {
    let victim = Victim::with(&["--receive-limit-ms", "10000"]).await;
    victim.answers_others().await;
    let before = victim.server.peak_mib();
    let most = " ".repeat(4 * MIB - 1);
    let mut attackers = Vec::new();
    for address in [[127, 0, 0, 2], [127, 0, 0, 3]] {
        for _ in 0..100 {
            let (url, most) = (victim.url.clone(), most.clone());
            attackers.push(tokio::spawn(async move {
                let mut attacker = Attacker::from(address, &url).await;
                attacker.send(post(SOURCES, most.len() as u64 + 1)).await;
                attacker.send_if_taken(most).await;
                attacker.read_to_end().await
            }));
        }
    }
    let mut statuses = Vec::new();
    for attacker in attackers {
        let answer = attacker.await.unwrap();
        statuses.push(answer.get(9..12).unwrap_or_default().to_string());
    }
    assert!(
        victim.server.peak_mib() - before < BOUND_MIB,
        "{before} to {} MiB",
        victim.server.peak_mib()
    );
    // Who is refused while it sends may find the connection reset.
    assert!(statuses.iter().all(|one| ["408", "429", ""].contains(&one.as_str())), "{statuses:?}");
    assert!(statuses.iter().any(|one| one == "429"), "{statuses:?}");
    victim.answers_others().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asked_for_is_not_kept() {
    let victim = Victim::with(&[]).await;
    victim.answers_others().await;
    let before = victim.server.peak_mib();
    let zeros = format!("{{\"x\": [{}0]}}", "0,".repeat(2 * MIB - 100));
    let nested = format!("{{\"x\": {}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let names = (0..200_000).map(|i| format!("\"{i}\":[0],")).collect::<String>();
    let names = format!("{{{names}\"a\": 0}}");
    let mut attackers = Vec::new();
    for body in [zeros, nested, names].into_iter().cycle().take(24) {
        let url = victim.url.clone();
        attackers.push(tokio::spawn(async move {
            let mut attacker = Attacker::to(&url).await;
            let head =
                post(SOURCES, body.len() as u64).replace("Host", "Connection: close\r\nHost");
            attacker.send(head + &body).await;
            attacker.read_to_end().await
        }));
    }
    victim.answers_others().await;
    for attacker in attackers {
        let answer = attacker.await.unwrap();
        let refused = answer.contains("diaObjectId is missing") || answer.contains("over capacity");
        assert!(refused, "{answer}");
    }
    assert!(
        victim.server.peak_mib() - before < BOUND_MIB,
        "{before} to {} MiB",
        victim.server.peak_mib()
    );
}
