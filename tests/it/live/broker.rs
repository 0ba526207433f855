//! A real broker of Kafka for the tests, on loopback, in a temporary folder, and what is produced to it by a client that is not ours:
//! noida-db, which keeps messages over a `kill -9`. See `login.rs` for another one.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::python;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Broker {
    /// The broker first.
    pub(super) children: Vec<Child>,
    pub(super) port: u16,
    pub(super) folder: TempDir,
    /// What clients have to be told besides its address, as librdkafka names it: `KEY=VALUE`.
    pub(super) settings: Vec<String>,
}

impl Broker {
    pub fn start() -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let children = vec![noida(port, folder.path())];
        Self { children, port, folder, settings: Vec::new() }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it with -9, and starts it again.
    pub fn kill_and_start(&mut self) {
        self.children[0].kill().unwrap();
        self.children[0].wait().unwrap();
        self.children[0] = noida(self.port, self.folder.path());
    }

    /// Produces the packets in a folder, and says how many messages they are.
    pub fn produce(
        &self,
        topic: &str,
        partitions: u32,
        framing: &str,
        folder: &Path,
        more: &[&str],
    ) -> i64 {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/produce.py");
        let (address, partitions) = (self.address(), partitions.to_string());
        let arguments = [&address, topic, &partitions, framing, folder.to_str().unwrap()];
        let settings = self.settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
        let arguments: Vec<_> =
            arguments.into_iter().chain(settings).chain(more.iter().copied()).collect();
        let printed = python::run(&script, &arguments, &[]);
        printed.trim().parse().unwrap()
    }
}

/// A program of a Python package itself, and not the script that starts it: so its process can be killed.
pub(super) fn program_in(package: &str, path: &str) -> PathBuf {
    let place = format!(
        "import {package} as it, pathlib; print(pathlib.Path(it.__file__).parent / '{path}')"
    );
    let told = Command::new(python::program("python")).args(["-c", &place]).output().unwrap();
    PathBuf::from(String::from_utf8(told.stdout).unwrap().trim())
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn noida(port: u16, folder: &Path) -> Child {
    let mut noida = Command::new(program_in("noida_db", "noida-db"));
    noida.args(["start", "--only", "kafka", "--host", "127.0.0.1"]);
    noida.arg("--kafka-port").arg(port.to_string()).arg("--data-dir").arg(folder.join("data"));
    started(&mut noida, port, folder)
}

/// Starts a server, with its log in a folder, and waits until it listens.
pub(super) fn started(server: &mut Command, port: u16, folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    server.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let child = server.spawn().unwrap();
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < PATIENCE, "{server:?} does not start: see {}", folder.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

impl Drop for Broker {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Fails only where it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
