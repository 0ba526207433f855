//! Runs the built program with arguments, as a script would: gives its exit code and what it printed.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The program, with nothing of the environment that could change what it does.
pub fn diaflight() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diaflight"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["DIAFLIGHT_", "AWS_", "RUST_LOG"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name.as_ref());
        }
    }
    command.stdin(Stdio::null());
    command
}

/// What a run left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The one JSON document on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one JSON document: {error}: {self:?}"))
    }

    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }
}

pub fn finish(command: &mut Command) -> Finished {
    let output = command.output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
    Finished { code: output.status.code(), stdout, stderr }
}

/// Runs the program to its end.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Finished {
    finish(diaflight().args(arguments))
}

/// Sends a signal by its name (`TERM`).
pub fn send(signal: &str, to: &Child) {
    let kill = ["-c", "kill -s \"$0\" \"$1\"", signal, &to.id().to_string()];
    assert!(Command::new("sh").args(kill).status().unwrap().success(), "cannot send {signal}");
}

/// Whether a program of Debian's is there. `.ci/run` installs it, so where `CI` is true it has to be.
pub fn installed(name: &str) -> bool {
    let found = Command::new(name).arg("--version").output().is_ok();
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "{name} is not installed");
    if !found {
        // Not `eprintln!`, which is shown for tests that fail alone.
        let _ = writeln!(io::stderr(), "SKIPPED: {name} is not installed (Debian: {name})");
    }
    found
}
