//! Clients that keep connections open while the server is told to stop.

use std::time::Duration;

use super::attacker::{Attacker, PATIENCE};
use super::http2::{
    DATA, END_STREAM, Frames, WINDOW_UPDATE, frame, head, preface, preface_with_window,
};
use super::victim::Victim;
use crate::server::Server;

/// No limit but this ends a connection here: what outlasts it was not ended for having no request.
const FLAGS: [&str; 6] =
    ["--drain-limit-ms", "60000", "--receive-limit-ms", "600000", "--idle-limit-ms", "600000"];

fn stops(server: &mut Server) {
    assert!(server.end("TERM").success());
    assert!(!server.log().contains("aborted at the drain limit"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_request_does_not_hold_it() {
    let mut victim = Victim::with(&FLAGS).await;
    let mut held = Vec::new();
    for beginning in [
        vec![],
        b"PRI * HT".to_vec(),
        preface(),
        b"GET /health/live HTTP/1.1\r\nHos".to_vec(),
        b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
    ] {
        let mut attacker = Attacker::to(&victim.url).await;
        attacker.send(beginning).await;
        held.push(attacker);
    }
    stops(&mut victim.server);
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_begins_tls_does_not_hold_it() {
    let folder = tempfile::tempdir().unwrap();
    crate::tls::certificate(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let mut command = crate::program::diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--warehouse", &file("w")]).args(FLAGS);
    command.args(["--tls-cert", &file("cert.pem"), "--tls-key", &file("key.pem")]);
    let mut server = Server::start(&mut command);
    let silent = Attacker::to(&server.url).await;
    let mut halfway = Attacker::to(&server.url).await;
    halfway.send([0x16, 3, 1]).await;
    stops(&mut server);
    drop((silent, halfway));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_begins_tls_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    crate::tls::certificate(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let mut command = crate::program::diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--warehouse", &file("w")]);
    command.args(["--tls-cert", &file("cert.pem"), "--tls-key", &file("key.pem")]);
    let server = Server::start(command.args(["--receive-limit-ms", "300"]));
    for beginning in [&[][..], &[0x16, 3, 1]] {
        let mut attacker = Attacker::to(&server.url).await;
        attacker.send(beginning).await;
        attacker.read_to_end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_way_is_finished_first() {
    let mut victim = Victim::with(&FLAGS).await;
    let body = victim.survey.everything().to_string();
    let mut reader = Attacker::to(&victim.url).await;
    let head = super::attacker::post("/api/v1/sources", body.len() as u64);
    reader.send(head + &body).await;
    assert!(reader.read_some(12).await.starts_with(b"HTTP/1.1 200"));
    let reading = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        reader.read_to_end().await
    });
    tokio::task::block_in_place(|| stops(&mut victim.server));
    let answer = tokio::time::timeout(PATIENCE, reading).await.unwrap().unwrap();
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "cut short");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_bytes_of_an_answer_are_not_cut_off() {
    let mut victim = Victim::with(&FLAGS).await;
    let mut reader = Attacker::to(&victim.url).await;
    let request = head(1, END_STREAM, "GET", "/openapi.json", "a/b");
    reader.send([preface_with_window(1000), request].concat()).await;
    let mut frames = Frames::of(reader);
    assert_eq!(frames.next_of(DATA).await.unwrap().payload.len(), 1000);
    let reading = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let more = 1_000_000_u32.to_be_bytes();
        let windows = [0, 1].map(|stream| frame(WINDOW_UPDATE, 0, stream, &more)).concat();
        frames.attacker.send_if_taken(windows).await;
        while let Some(data) = frames.next_of(DATA).await {
            if data.flags & END_STREAM != 0 {
                return true;
            }
        }
        false
    });
    tokio::task::block_in_place(|| stops(&mut victim.server));
    assert!(tokio::time::timeout(PATIENCE, reading).await.unwrap().unwrap(), "cut short");
}
