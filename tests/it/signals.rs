//! A server that is told to stop: first it says so, then it closes its port and drains; told twice, it ends at once.

use std::time::{Duration, Instant};

use crate::program::diaflight;
use crate::server::Server;

/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

fn server(flags: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--warehouse"]).arg(folder.path());
    let server = Server::start(command.args(flags));
    (folder, server)
}

/// Waits until the server says that it stops.
async fn stopping(server: &Server) {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let answer = server.get("/health/ready").await;
        let text = answer.text().await.unwrap();
        if text.contains("stopping") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never says that it stops");
}

#[tokio::test]
async fn the_port_stays_open_while_a_load_balancer_notices() {
    let (_folder, mut server) = server(&["--drain-delay-ms", "1500"]);
    server.signal("TERM");
    stopping(&server).await;
    let answer = reqwest::get(format!("{}/health/live", server.url)).await.unwrap();
    assert_eq!(answer.status(), 200, "a new connection is answered");
    assert_eq!(server.ended().code(), Some(0));
}

#[tokio::test]
async fn told_twice_it_ends_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let (_folder, mut server) = server(&["--drain-delay-ms", "600000"]);
        server.signal("INT");
        stopping(&server).await;
        assert_eq!(server.end(signal).code(), Some(code));
    }
}

#[tokio::test]
async fn a_hangup_does_not_end_it() {
    let (_folder, mut server) = server(&[]);
    for _ in 0..2 {
        server.signal("HUP");
    }
    server.logged("SIGHUP").await;
    assert_eq!(server.get("/health/live").await.status(), 200);
    assert_eq!(server.end("TERM").code(), Some(0));
}
