//! What stands around the program: manual pages, completions, units of systemd, the example for Kubernetes, and the profile of releases.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::tempdir;

use crate::program::{finish, installed, run};
use crate::python;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempdir().unwrap();
    let pages = folder.path().join("man/man1");
    run(["man", pages.to_str().unwrap()]).succeeded();
    let names = fs::read_dir(&pages).unwrap().map(|page| page.unwrap().file_name());
    let names: BTreeSet<_> = names.map(|name| name.into_string().unwrap()).collect();
    for name in ["diaflight.1", "diaflight-serve.1", "diaflight-maintain-vacuum.1"] {
        assert!(names.contains(name), "{names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
    let serve = fs::read_to_string(pages.join("diaflight-serve.1")).unwrap();
    assert!(serve.contains(r"\-\-refresh\-ms") && serve.contains("default: 2000"), "{serve}");
    let printed = run(["man"]).succeeded().stdout;
    assert!(printed.contains(".TH diaflight 1") && printed.contains("diaflight\\-serve(1)"));
    assert!(printed.contains("DIAFLIGHT_REFRESH_MS"), "{printed}");
    if !installed("groff") {
        return;
    }
    for name in names {
        let mut groff = Command::new("groff");
        groff.args(["-man", "-Tutf8", "-ww", "-z"]).arg(pages.join(&name));
        assert_eq!(finish(&mut groff).succeeded().stderr, "", "{name}");
    }
}

#[test]
fn a_shell_completes_commands_and_flags() {
    let script = r#"source <("$0" completions bash)
COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_diaflight diaflight "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
echo "${COMPREPLY[*]}""#;
    for (typed, completed) in [
        ("diaflight ing", "ingest"),
        ("diaflight serve --refr", "--refresh-ms"),
        ("diaflight maintain vacuum --gr", "--grace-hours"),
        ("diaflight completions f", "fish"),
    ] {
        let mut bash = Command::new("bash");
        bash.args(["-c", script, env!("CARGO_BIN_EXE_diaflight"), typed]);
        assert_eq!(finish(&mut bash).succeeded().stdout.trim(), completed, "{typed}");
    }
    for shell in ["zsh", "fish"] {
        let script = run(["completions", shell]).succeeded().stdout;
        assert!(script.contains("grace-hours"), "{shell}: {script:.500}");
    }
}

#[test]
fn help_names_a_command() {
    let help = run(["help", "maintain", "vacuum"]).succeeded().stdout;
    assert!(help.contains("--grace-hours"), "{help}");
}

/// The units as systemd reads them, with the built program in place of the installed one.
#[test]
fn systemd_takes_the_units() {
    if !installed("systemd-analyze") {
        return;
    }
    let folder = tempdir().unwrap();
    let units = ["diaflight.service", "diaflight-maintenance.service", "diaflight-live.service"];
    let placed = units.map(|name| {
        let unit = fs::read_to_string(deploy(name)).unwrap();
        let program = env!("CARGO_BIN_EXE_diaflight");
        let place = folder.path().join(name);
        fs::write(&place, unit.replace("/usr/local/bin/diaflight", program)).unwrap();
        for line in unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            let command = line.split_whitespace().skip(1).chain(["--help"]);
            run(command).succeeded();
        }
        place
    });
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(&placed);
    assert_eq!(finish(&mut verify).succeeded().stderr, "");
    for service in &placed {
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--threshold=20"]).arg(service);
        finish(&mut security).succeeded();
    }
}

/// The program that answers is the one that was tested: the profile of releases keeps what tests rely on.
#[test]
fn releases_unwind_and_check_sums() {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let release = &manifest["profile"]["release"];
    assert_eq!(release["panic"].as_str(), Some("unwind"));
    assert_eq!(release["overflow-checks"].as_bool(), Some(true));
    let dockerfile = fs::read_to_string(deploy("../Dockerfile")).unwrap();
    assert!(dockerfile.contains("cargo build --locked --release"), "{dockerfile}");
}

#[test]
fn the_objects_for_kubernetes_fit_each_other() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/kubernetes.py");
    let file = deploy("kubernetes.yaml");
    python::run(&script, &[file.to_str().unwrap(), env!("CARGO_BIN_EXE_diaflight")], &[]);
}
