//! `docker-compose.yml`: its file as docker-compose reads it, and its services as plain processes of this machine, until
//! an id is looked up over S3, alerts have come by a broker, and Prometheus has read the counts.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::program::{finish, installed};
use crate::python;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_compose_file_is_one() {
    if installed("docker-compose") {
        let mut config = Command::new("docker-compose");
        config.current_dir(REPOSITORY).args(["--profile", "live", "config", "--services"]);
        let mut services: Vec<_> =
            finish(&mut config).succeeded().stdout.lines().map(str::to_string).collect();
        services.sort_unstable();
        let wanted = ["broker", "data", "live", "producer", "prometheus", "server", "storage"];
        assert_eq!(services, wanted);
    }
}

#[test]
fn its_services_work_together() {
    let script = Path::new(REPOSITORY).join("tests/python/compose.py");
    let mut arguments = vec![REPOSITORY, env!("CARGO_BIN_EXE_diaflight")];
    let watched = installed("prometheus");
    if !watched {
        arguments.push("prometheus");
    }
    let seen: Value = serde_json::from_str(&python::run(&script, &arguments, &[])).unwrap();
    assert!(seen["detections"].as_u64() > Some(100), "{seen}");
    assert!(seen["after"].as_f64() > seen["before"].as_f64(), "{seen}");
    for job in ["diaflight", "diaflight-live"] {
        assert_eq!(seen["prometheus"][job].as_str(), watched.then_some("up"), "{seen}");
    }
}
