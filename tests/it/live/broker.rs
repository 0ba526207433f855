//! A real broker of Kafka for the tests: noida-db, on loopback, in a temporary folder, and what is produced to it by a client that is not
//! ours. It keeps messages over a `kill -9`.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::python;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Broker {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Broker {
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(port, folder.path());
        Self { child, port, folder }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it with -9, and starts it again.
    pub fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(self.port, self.folder.path());
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
        let printed = python::run(&script, &[&arguments[..], more].concat(), &[]);
        printed.trim().parse().unwrap()
    }
}

/// The program itself, and not the script that starts it: so its process can be killed.
fn program() -> String {
    let place =
        "import noida_db, pathlib; print(pathlib.Path(noida_db.__file__).parent / 'noida-db')";
    let told = Command::new(python::program("python")).args(["-c", place]).output().unwrap();
    String::from_utf8(told.stdout).unwrap().trim().to_string()
}

fn spawn(port: u16, folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut noida = Command::new(program());
    noida.args(["start", "--only", "kafka", "--host", "127.0.0.1"]);
    noida.arg("--kafka-port").arg(port.to_string()).arg("--data-dir").arg(folder.join("data"));
    noida.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let child = noida.spawn().unwrap();
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < PATIENCE, "the broker does not start: see {}", folder.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
