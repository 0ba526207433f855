//! Runs a command that serves, with the built program, on a free port of loopback, and sends it requests. Dropping it
//! ends the process.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{diaflight, send};

/// How long anything may take before the test gives up. Nothing is expected to come near it.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Server {
    child: Child,
    stdout: Receiver<String>,
    /// Holds the log: a file, so that no pipe fills up.
    folder: TempDir,
    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub url: String,
    client: Client,
}

impl Server {
    /// Serves a warehouse, ready to answer.
    pub async fn serve(warehouse: &str, variables: &[(&str, String)]) -> Self {
        let mut command = diaflight();
        command.args(["serve", "--warehouse", warehouse, "--listen", "127.0.0.1:0"]);
        let server = Self::start(command.envs(variables.iter().cloned()));
        server.ready().await;
        server
    }

    /// Starts a command and waits for the line that names its address.
    pub fn start(command: &mut Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let (sender, stdout) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let mut server = Self { child, stdout, folder, url: String::new(), client };
        while server.url.is_empty() {
            let line = server.line().expect("the server ended without naming its address");
            if let Some(url) = line.strip_prefix("listening on ") {
                server.url = url.to_string();
            }
        }
        server
    }

    /// The next line of stdout; `None` at its end.
    pub fn line(&self) -> Option<String> {
        match self.stdout.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the server printed nothing for {PATIENCE:?}"),
        }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until it has logged a text: a thread of its own writes the log.
    pub async fn logged(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < PATIENCE, "{text} is not in the log: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The most memory that it had so far.
    pub fn peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    }

    /// Waits until the server says that it can answer.
    pub async fn ready(&self) {
        let start = Instant::now();
        while self.get("/health/ready").await.status() != 200 {
            assert!(start.elapsed() < PATIENCE, "never ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// A body of a media type.
    pub async fn post_body(&self, path: &str, media_type: &str, body: String) -> Response {
        let request = self.client.post(format!("{}{path}", self.url));
        request.header("content-type", media_type).body(body).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, arguments: &Value) -> Response {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header("Content-Type", "application/json");
        request.body(arguments.to_string()).send().await.unwrap()
    }

    /// Sends a signal by its name (`HUP`).
    pub fn signal(&self, signal: &str) {
        send(signal, &self.child);
    }

    /// Sends a signal by its name (`TERM`) and waits for the end.
    pub fn end(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.ended()
    }

    /// Waits for the end.
    pub fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "still running");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of the server:\n{}", self.log());
        }
    }
}
