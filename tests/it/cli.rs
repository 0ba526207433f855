//! The command line as scripts rely on it: exit codes, one line per error that names its cause, one JSON
//! document where it is asked for, settings from flags over variables over a file.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};

use crate::alerts::Alert;
use crate::nights;
use crate::program::{Finished, diaflight, finish, run};
use crate::server::Server;

/// It failed with this code, printed nothing but one line on stderr, and that line names the cause.
pub fn assert_refused(finished: &Finished, code: i32, cause: &str) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    let lines: Vec<_> = finished.stderr.lines().collect();
    assert!(matches!(lines[..], [line] if line.starts_with("diaflight: ")), "{finished:?}");
    assert!(lines[0].contains(cause), "does not name {cause}: {finished:?}");
}

#[test]
fn wrong_arguments_are_refused_by_name() {
    let cases: [(&[&str], &str); 11] = [
        (&["frobnicate"], "frobnicate"),
        (&["serve"], "--warehouse"),
        (&["serve", "--warehouse", "w", "--colour", "red"], "--colour"),
        (&["serve", "--warehouse", "w", "--listen", "nowhere"], "--listen"),
        (&["serve", "--warehouse", "gopher://host/w"], "gopher"),
        (&["ingest", "--warehouse", "w"], "PATH_OR_URL"),
        (&["generate", "--warehouse", "w", "--objects", "0"], "--objects"),
        (&["generate", "--warehouse", "w", "--objects", "many"], "many"),
        (&["maintain", "--warehouse", "w"], "--warehouse"),
        (&["maintain", "keep", "--warehouse", "w"], "NAME"),
        (&["maintain", "vacuum", "--warehouse", "w", "--grace-hours", "-1"], "-1"),
    ];
    for (arguments, cause) in cases {
        assert_refused(&run(arguments), 2, cause);
    }
}

#[test]
fn a_warehouse_without_tables_is_not_maintained() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    assert_refused(&run(["maintain", "compact", "--warehouse", warehouse]), 2, warehouse);
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    assert_refused(&run(["serve", "--warehouse", warehouse, "--listen", &address]), 2, &address);
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = run(["--help"]).succeeded();
    for command in ["demo", "generate", "ingest", "serve", "sql", "maintain"] {
        assert!(help.stdout.contains(command), "{command}: {}", help.stdout);
    }
    let version = run(["--version"]).succeeded();
    assert_eq!(version.stdout.trim(), concat!("diaflight ", env!("CARGO_PKG_VERSION")));
    assert_eq!(help.stderr + &version.stderr, "");
}

#[test]
fn unknown_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("diaflight.toml");
    let mut variable = diaflight();
    variable.args(["serve", "--warehouse", "w"]).env("DIAFLIGHT_WEARHOUSE", "w");
    assert_refused(&finish(&mut variable), 2, "DIAFLIGHT_WEARHOUSE");
    for (text, cause) in [
        ("wearhouse = 'w'", "wearhouse"),
        ("listen = ['127.0.0.1:0']", "listen"),
        ("objects 3", "diaflight.toml"),
        ("refresh_ms = 'soon'", "soon"),
    ] {
        fs::write(&file, text).unwrap();
        let config = file.to_str().unwrap();
        assert_refused(&run(["serve", "--warehouse", "w", "--config", config]), 2, cause);
    }
    let absent = folder.path().join("absent.toml");
    let absent = absent.to_str().unwrap();
    assert_refused(&run(["serve", "--warehouse", "w", "--config", absent]), 2, absent);
}

/// The number of objects comes from the file, unless a variable says it, unless a flag does.
#[test]
fn flags_win_over_variables_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("diaflight.toml");
    fs::write(&file, "objects = 3\nseed = 11\njson = true\n").unwrap();
    let objects = |name: &str, variable: Option<&str>, flag: Option<&str>| {
        let mut generate = diaflight();
        generate.args(["generate", "--config"]).arg(&file);
        generate.arg("--warehouse").arg(folder.path().join(name));
        generate.envs(variable.map(|value| ("DIAFLIGHT_OBJECTS", value)));
        generate.args(flag.map(|value| ["--objects", value]).iter().flatten());
        let made = finish(&mut generate).succeeded().json();
        let tables = made["tables"].as_array().unwrap();
        tables.iter().find(|table| table["table"] == "objects").unwrap()["rows"].clone()
    };
    assert_eq!(objects("file", None, None), 3);
    assert_eq!(objects("variable", Some("4"), None), 4);
    assert_eq!(objects("flag", Some("4"), Some("5")), 5);
}

/// Every refusal of an input leaves the warehouse as it was: here, without any table.
#[test]
fn inputs_that_are_no_alerts_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut inputs = vec![
        nights::save(folder.path(), "text.avro", b"These are no alerts."),
        nights::save(folder.path(), "empty.avro", b""),
        nights::save(folder.path(), "magic.parquet", b"PAR1PAR1"),
        folder.path().join("absent.avro").to_str().unwrap().to_string(),
    ];
    let whole = fs::read(&nights::write(folder.path())[0]).unwrap();
    inputs.push(nights::save(folder.path(), "truncated.avro", &whole[..whole.len() - 20]));
    for input in &inputs {
        let warehouse = folder.path().join("warehouse");
        let arguments = ["ingest", "--json", "--warehouse", warehouse.to_str().unwrap(), input];
        assert_refused(&run(arguments), 4, input);
        assert_eq!(files(&warehouse), Vec::<String>::new(), "left behind by {input}");
    }
}

/// All files below a folder, which need not exist.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(
            |path| if path.is_dir() { files(&path) } else { vec![path.display().to_string()] },
        )
        .collect()
}

#[test]
fn an_ingest_tells_what_it_did_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().join("warehouse");
    let [first, second] = nights::write(folder.path());
    let ingest = |inputs: &[&str]| {
        let mut command = diaflight();
        command.args(["ingest", "--json", "--warehouse"]).arg(&warehouse).args(inputs);
        finish(&mut command).succeeded().json()
    };
    let one = ingest(&[&first]);
    assert_eq!((&one["packets"], &one["solar_system"]), (&json!(3), &json!(1)), "{one}");
    assert_eq!(
        (&one["sources"]["added"], &one["refused"]["count"]),
        (&json!(2), &json!(0)),
        "{one}"
    );
    let both = ingest(&[&first, &second]);
    assert_eq!((&both["files"], &both["packets"]), (&json!(2), &json!(5)), "{both}");
    assert_eq!(both["sources"]["added"], nights::SOURCES - 2, "{both}");
    assert_eq!(both["sources"]["present"], 2, "{both}");
}

/// One bad packet does not stop the rest.
#[test]
fn refused_packets_are_listed_and_told_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let [good, mut bad] = [1, 2].map(|id| Alert::new(id, 10 * id, 61000.5).packet());
    bad["diaSource"]["diaSourceId"] = json!(0);
    let file = nights::write_packets(folder.path(), "night.avro", &[good, bad]);
    let warehouse = folder.path().join("warehouse");
    let done = run(["ingest", "--json", "--warehouse", warehouse.to_str().unwrap(), &file]);
    assert_eq!(done.code, Some(3), "{done:?}");
    let summary = done.json();
    assert_eq!((&summary["packets"], &summary["sources"]["added"]), (&json!(2), &json!(1)));
    let refused = &summary["refused"]["first"][0];
    assert_eq!(refused["record"], 1, "{summary}");
    assert!(refused["file"].as_str().unwrap().ends_with("night.avro"), "{summary}");
    assert!(refused["reason"].as_str().unwrap().contains("diaSourceId"), "{summary}");
}

#[tokio::test]
async fn the_demo_prints_urls_that_work_and_ends_when_told() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(diaflight().args(["demo", "--listen", "127.0.0.1:0"]));
        let mut urls = Vec::new();
        while urls.len() < 3 {
            let line = server.line().expect("the demo ended by itself");
            let words = line.split_whitespace();
            urls.extend(words.filter(|word| word.starts_with("http://")).map(str::to_string));
        }
        for url in &urls {
            let path = url.strip_prefix(&server.url).expect("a URL of another server");
            let answer = server.get(path).await;
            assert_eq!(answer.status(), 200, "{url}");
            let body = answer.bytes().await.unwrap();
            assert!(body.len() > 100, "{url} has an empty answer: {body:?}");
        }
        assert_eq!(server.end(signal).code(), Some(0), "after {signal}");
    }
}

/// A terminal gets text; a file, as here, gets one JSON object a line.
#[tokio::test]
async fn a_server_logs_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    run(["generate", "--warehouse", warehouse, "--objects", "2"]).succeeded();
    let mut server = Server::serve(warehouse, &[("DIAFLIGHT_LOG", "debug".to_string())]).await;
    server.end("TERM");
    let log = server.log();
    assert!(!log.is_empty());
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(event["level"].is_string() && event["timestamp"].is_string(), "{line}");
    }
}
