//! Starts a command of the program with the standard output and standard error that a test chooses. Dropping it ends the process.

use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use reqwest::{Client, Response};

use super::attacker::PATIENCE;
use crate::program::diaflight;

pub struct Process {
    pub child: Child,
    url: String,
    client: Client,
}

impl Process {
    /// Starts a command that serves, with pipes for standard output and standard error, at a port of its own.
    pub fn start(arguments: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let mut command = diaflight();
        command.args(arguments).args(["--listen", &address]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { child, url: format!("http://{address}"), client }
    }

    pub async fn get(&self, path: &str) -> reqwest::Result<Response> {
        self.client.get(format!("{}{path}", self.url)).send().await
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) {
        let start = Instant::now();
        loop {
            match self.get("/health/ready").await {
                Ok(answer) if answer.status() == 200 => return,
                _ => assert!(start.elapsed() < PATIENCE, "never ready"),
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    pub fn end(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill $0", &id]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
