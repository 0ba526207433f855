//! The Python of the tests: a virtual environment with `tests/python/requirements.txt`, made once per machine
//! and content of that file, and shared by all tests.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("../python/requirements.txt");

/// A program of the environment, such as `python` or `weed`.
pub fn program(name: &str) -> PathBuf {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(environment).join("bin").join(name)
}

/// Runs a Python script and returns what it printed. Panics with its output if it fails.
pub fn run(script: &Path, arguments: &[&str], variables: &[(&str, String)]) -> String {
    let mut python = Command::new(program("python"));
    python.arg(script).args(arguments).envs(variables.iter().cloned());
    printed(&mut python)
}

/// Makes the environment unless it is there. Whoever comes first builds it under a lock, beside its
/// place, and moves it there when complete: what has the name is whole.
fn environment() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{}", fingerprint()));
    let lock = File::create(place.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !place.exists() {
        let building = place.with_extension("building");
        if building.exists() {
            fs::remove_dir_all(&building).unwrap();
        }
        build(&building);
        fs::rename(&building, &place).unwrap();
    }
    place
}

fn build(place: &Path) {
    let venv = Command::new("python3").args(["-m", "venv"]).arg(place).output();
    let venv = venv.unwrap();
    assert!(
        venv.status.success(),
        "the tests need Python's venv (Debian: apt-get install python3-venv):\n{}",
        text(&venv)
    );
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/requirements.txt");
    let mut pip = Command::new(place.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"]);
    pip.args(["--disable-pip-version-check", "--only-binary", ":all:", "--requirement"]);
    printed(pip.arg(requirements));
}

/// Tells one content of the requirements, and one Python, from another.
fn fingerprint() -> String {
    let version = Command::new("python3").arg("--version").output();
    let version = version.unwrap_or_else(|error| panic!("the tests need python3: {error}"));
    let mut hasher = DefaultHasher::new();
    (REQUIREMENTS, version.stdout).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{:?} failed:\n{}", command.get_program(), text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn text(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b));
    format!("{stdout}{stderr}")
}
