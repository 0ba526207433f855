//! `/health/ready` and `diaflight health` say whether a server can answer.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{a_file_of, serve, survey};
use crate::program::{diaflight, finish, run};
use crate::seaweed::Bucket;
use crate::server::Server;

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the server is not ready, and gives its text.
async fn not_ready(server: &Server) -> String {
    let start = Instant::now();
    loop {
        let answer = server.get("/health/ready").await;
        if answer.status() == 503 {
            let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            return body["text"].as_str().unwrap().to_string();
        }
        assert!(start.elapsed() < PATIENCE, "still ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_that_lacks_a_file_is_not_ready_until_it_is_back() {
    let place = tempdir().unwrap();
    let warehouse = survey(place.path());
    let server = Server::start(&mut serve(&warehouse));
    server.ready().await;
    let ready = run(["health", &server.url]).succeeded();
    assert_eq!(ready.stdout, "ready\n");

    let file = a_file_of(&warehouse, "fp");
    let away = place.path().join("away");
    fs::rename(&file, &away).unwrap();
    let said = not_ready(&server).await;
    assert!(said.starts_with("fp: 1 of its files"), "{said}");
    assert!(!said.contains(&warehouse), "{said}");
    let name = file.file_name().unwrap().to_str().unwrap();
    server.logged(name).await;
    let refused = run(["health", &server.url]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("fp: 1 of its files"), "{}", refused.stderr);

    fs::rename(&away, &file).unwrap();
    server.ready().await;
}

#[test]
fn health_asks_the_server_of_its_settings_or_of_a_url() {
    // Nobody listens on port 1.
    for (arguments, address) in [
        (vec!["health"], "http://127.0.0.1:1"),
        (vec!["health", "http://localhost:1/lsst/"], "http://localhost:1/lsst/"),
    ] {
        let refused = finish(diaflight().args(arguments).env("DIAFLIGHT_LISTEN", "0.0.0.0:1"));
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let begin = format!("diaflight: {address}: ");
        assert!(refused.stderr.starts_with(&begin), "{}", refused.stderr);
        assert!(refused.stderr.contains("refused"), "{}", refused.stderr);
    }
    assert_eq!(run(["health", "no url"]).code, Some(2));
}

/// A way to a store that can be frozen: connections stay, and nothing passes.
async fn frozen_on_demand(store: SocketAddr) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, frozen) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
    let is_frozen = frozen.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(store).await.unwrap();
            let ((client_reads, client_writes), (server_reads, server_writes)) =
                (client.into_split(), server.into_split());
            tokio::spawn(pass(client_reads, server_writes, is_frozen.clone()));
            tokio::spawn(pass(server_reads, client_writes, is_frozen.clone()));
        }
    });
    (address, frozen)
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    is_frozen: Arc<AtomicBool>,
) {
    let mut bytes = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        while is_frozen.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

// The way to the store needs a thread while this one waits for the server to start.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_store_hangs_is_not_ready() {
    let bucket = Bucket::create("hangs").await;
    let warehouse = bucket.url("survey");
    let generate = ["generate", "--warehouse", &warehouse, "--objects", "3", "--seed", "1"];
    finish(diaflight().args(generate).envs(bucket.variables())).succeeded();
    let endpoint = bucket.variables().into_iter().find(|(name, _)| *name == "AWS_ENDPOINT_URL");
    let store = endpoint.unwrap().1.trim_start_matches("http://").parse().unwrap();
    let (address, frozen) = frozen_on_demand(store).await;
    let mut command = serve(&warehouse);
    command.envs(bucket.variables()).env("AWS_ENDPOINT_URL", format!("http://{address}"));
    let server = Server::start(&mut command);
    server.ready().await;
    frozen.store(true, Ordering::Relaxed);
    let said = not_ready(&server).await;
    assert!(said.contains("could not be checked for changes for"), "{said}");
    frozen.store(false, Ordering::Relaxed);
    server.ready().await;
}
