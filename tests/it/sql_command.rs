//! `diaflight sql` as a maintainer uses it: a statement from anywhere, its rows in every format, a prompt, and the same
//! from a server.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::assert_refused;
use crate::program::{diaflight, finish, run};
use crate::server::Server;
use crate::{nights, python, tls};

const SOURCES: &str =
    "SELECT diaSourceId, band, psfFlux, isDipole FROM sources ORDER BY diaSourceId";

/// A folder with a warehouse of both nights.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for night in nights::write(folder.0.path()) {
            run(["ingest", "--warehouse", &folder.warehouse(), &night]).succeeded();
        }
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_string()
    }

    fn warehouse(&self) -> String {
        self.path("warehouse")
    }

    fn sql(&self, arguments: &[&str]) -> Command {
        let mut command = diaflight();
        command.args(["sql", "--warehouse", &self.warehouse()]).args(arguments);
        command
    }

    /// What a command prints, as the file `name`.
    fn printed(&self, command: &mut Command, name: &str) -> String {
        let file = self.path(name);
        finish(command.stdout(File::create(&file).unwrap())).succeeded();
        file
    }

    /// The rows of a statement and their types, as a reader that is not ours sees them.
    fn read(&self, format: &str, statement: &str) -> Value {
        let mut command = self.sql(&["--format", format, statement]);
        let file = self.printed(&mut command, format);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_rows.py");
        serde_json::from_str(&python::run(&script, &[format, &file], &[])).unwrap()
    }

    fn refused(&self, arguments: &[&str], code: i32, cause: &str) {
        assert_refused(&finish(&mut self.sql(arguments)), code, cause);
    }
}

#[test]
fn other_readers_find_the_same_rows_in_every_format() {
    let folder = Folder::new();
    let row = |id: i64, band: &str, flux: f64, dipole: bool| json!({ "diaSourceId": id, "band": band, "psfFlux": flux, "isDipole": dipole });
    let rows = json!([
        row(170094456251351059, "g", 59.25, false),
        row(170094456272322680, "r", 680.25, true),
        row(170098849600000001, "y", 1.25, false),
        row(170098849600000002, "u", 2.25, true),
    ]);
    for format in ["csv", "json", "parquet", "arrow"] {
        assert_eq!(folder.read(format, SOURCES)["rows"], rows, "{format}");
    }
    let table = finish(&mut folder.sql(&[SOURCES])).succeeded().stdout;
    let cells =
        |line: &str| line.split('|').map(|cell| cell.trim().to_string()).collect::<Vec<_>>();
    let lines: Vec<_> = table.lines().filter(|line| line.starts_with('|')).map(cells).collect();
    assert_eq!(lines[0], ["", "diaSourceId", "band", "psfFlux", "isDipole", ""]);
    assert_eq!(lines[2], ["", "170094456272322680", "r", "680.25", "true", ""]);
    assert_eq!(lines.len(), 5);
}

/// Parquet and Arrow keep what the other formats can only spell.
#[test]
fn values_of_any_type_are_printed() {
    let folder = Folder::new();
    let statement = "SELECT [1, NULL] AS list, CAST('1.5' AS DECIMAL(5, 2)) AS price, NULL AS nothing, \
                     INTERVAL '2 days' AS pause, CAST('2026-11-23' AS DATE) AS day";
    let text = json!({ "list": "[1, ]", "price": "1.50", "nothing": null, "pause": "2 days",
                       "day": "2026-11-23" });
    assert_eq!(folder.read("json", statement)["rows"], json!([text]));
    for format in ["parquet", "arrow"] {
        let read = folder.read(format, statement);
        assert_eq!(read["rows"][0]["list"], json!([1, null]), "{format}");
        assert_eq!(read["types"]["price"], "decimal128(5, 2)", "{format}");
        assert_eq!(read["types"]["day"], "date32[day]", "{format}");
    }
    assert_eq!(folder.read("parquet", statement)["rows"][0]["pause"], "2 days");
    assert_eq!(folder.read("arrow", statement)["types"]["pause"], "month_day_nano_interval");
}

/// An empty answer has its columns in every format that has any.
#[test]
fn no_rows_have_columns() {
    let folder = Folder::new();
    let statement = "SELECT ra, band FROM sources WHERE psfFlux < 0";
    for format in ["parquet", "arrow"] {
        let read = folder.read(format, statement);
        assert_eq!(read, json!({ "types": { "ra": "double", "band": "string" }, "rows": [] }));
    }
    let printed = |format| finish(&mut folder.sql(&["--format", format, statement])).succeeded();
    assert_eq!(printed("csv").stdout, "ra,band\n");
    assert_eq!(printed("json").stdout, "[]\n");
    assert!(printed("table").stdout.contains("| ra | band |"));
}

#[test]
fn a_statement_comes_from_the_command_line_a_file_or_standard_input() {
    let folder = Folder::new();
    let statement = "SELECT count(*) AS n\n  FROM fp; -- all\n";
    let file = nights::save(folder.0.path(), "count.sql", statement.as_bytes());
    let answer = format!("n\n{}\n", nights::FORCED);
    let csv = |arguments: &[&str]| folder.sql(&[&["--format", "csv"], arguments].concat());
    assert_eq!(finish(&mut csv(&[statement])).succeeded().stdout, answer);
    assert_eq!(finish(&mut csv(&["--file", &file])).succeeded().stdout, answer);
    assert_eq!(finish(csv(&[]).stdin(File::open(&file).unwrap())).succeeded().stdout, answer);
}

#[test]
fn what_is_asked_wrongly_is_named() {
    let folder = Folder::new();
    for (statement, cause) in [
        ("SELECT psfFluss FROM sources", "psfFluss"),
        ("SELECT psfflux FROM sources", "psfflux"),
        ("SELECT * FROM sourcs", "sourcs"),
        ("SELEKT 1", "SELEKT"),
        ("SELECT 1; SELECT 2", "single"),
        ("SELECT $1", "$1"),
        ("DROP TABLE sources", "only statements that read"),
        ("CREATE TABLE t AS SELECT 1", "only statements that read"),
        ("COPY sources TO 'sources.csv'", "only statements that read"),
        ("SET datafusion.execution.batch_size = 1", "only statements that read"),
        (" \n", "no statement"),
    ] {
        folder.refused(&[statement], 2, cause);
    }
    folder.refused(&[], 2, "no statement");
    folder.refused(&["SELECT 1", "--file", "one.sql"], 2, "--file");
    folder.refused(&["--file", &folder.path("absent.sql")], 2, "absent.sql");
    folder.refused(&["--format", "yaml", "SELECT 1"], 2, "yaml");
    folder.refused(&["--server", "http://localhost:1", "SELECT 1"], 2, "one of --warehouse");
    let join = "SELECT * FROM sources s JOIN objects o ON s.diaObjectId = o.diaObjectId";
    folder.refused(&["--format", "json", join], 2, "rename");
}

#[test]
fn a_place_without_tables_is_named() {
    let refused = |arguments: &[&str], code, cause| {
        assert_refused(&run([&["sql"], arguments].concat()), code, cause);
    };
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    refused(&["SELECT 1"], 2, "--warehouse");
    refused(&["--warehouse", empty, "SELECT 1"], 2, empty);
    refused(&["--warehouse", "gopher://host/w", "SELECT 1"], 2, "gopher");
    refused(&["--server", "ftp://host", "SELECT 1"], 2, "grpc");
    refused(&["--server", "localhost:8080", "SELECT 1"], 2, "grpc");
    // Port 1 is nobody's.
    refused(&["--server", "grpc://127.0.0.1:1", "SELECT 1"], 1, "127.0.0.1:1");
}

/// Rows come before the last one is made, and no more are made than are read.
#[test]
fn a_reader_that_has_seen_enough_ends_the_statement() {
    let folder = Folder::new();
    let endless = "SELECT value FROM range(100000000000000)";
    for format in ["csv", "json", "arrow"] {
        let mut command = folder.sql(&["--format", format, endless]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        assert!(!out.fill_buf().unwrap().is_empty(), "{format}");
        drop(out);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{format}");
    }
}

#[test]
fn the_token_is_never_shown() {
    let secret = "swordfish";
    let folder = tempfile::tempdir().unwrap();
    let config = nights::save(folder.path(), "diaflight.toml", b"token = 'swordfish'");
    for arguments in [
        &["sql", "--help"][..],
        &["sql", "--format", "yaml", "SELECT 1"],
        &["sql", "--server", "grpc://127.0.0.1:1", "SELECT 1"],
        &["sql", "--server", "nowhere", "SELECT 1"],
    ] {
        let mut by_variable = diaflight();
        by_variable.args(arguments).env("DIAFLIGHT_TOKEN", secret);
        let mut by_file = diaflight();
        by_file.args(arguments).args(["--config", &config]);
        let mut by_flag = diaflight();
        by_flag.args(["--log", "trace"]).args(arguments).args(["--token", secret]);
        for command in [&mut by_variable, &mut by_file, &mut by_flag] {
            let said = finish(command);
            assert!(!(said.stdout + &said.stderr).contains(secret), "{arguments:?}");
        }
    }
}

/// What a person sees at the prompt that these arguments open.
fn use_prompt(state: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/prompt.py");
    let command = [state, env!("CARGO_BIN_EXE_diaflight"), "sql"];
    python::run(&script, &[&command, arguments].concat(), &[]);
    let history = fs::read_to_string(Path::new(state).join("diaflight/sql_history")).unwrap();
    assert!(history.contains("for later"), "{history}");
}

#[test]
fn a_prompt_answers_statements_and_commands() {
    let folder = Folder::new();
    use_prompt(&folder.path("state"), &["--warehouse", &folder.warehouse()]);
}

#[tokio::test]
async fn a_server_answers_as_its_warehouse_does() {
    let folder = Folder::new();
    let server = Server::serve(&folder.warehouse(), &[]).await;
    let remote = |arguments: &[&str]| {
        let mut command = diaflight();
        command.args(["sql", "--server", &server.url]).args(arguments);
        command
    };
    let odd = "SELECT [1, NULL] AS list, NULL AS nothing, INTERVAL '2 days' AS pause WHERE true";
    let fp = "SELECT * FROM fp ORDER BY diaForcedSourceId";
    for statement in [SOURCES, odd, "SELECT * FROM objects WHERE ra > 360", fp] {
        for format in ["table", "csv", "json", "parquet", "arrow"] {
            let arguments = ["--format", format, statement];
            let here = folder.printed(&mut folder.sql(&arguments), "here");
            let there = folder.printed(&mut remote(&arguments), "there");
            assert!(fs::read(here).unwrap() == fs::read(there).unwrap(), "{format}: {statement}");
        }
    }
    for (statement, cause) in [
        ("SELECT psfFluss FROM sources", "psfFluss"),
        ("DROP TABLE sources", "only statements that read"),
        ("SELECT 1 / (diaSourceId - diaSourceId) FROM sources", "zero"),
        ("SELECT $1", "parameter"),
    ] {
        assert_refused(&finish(&mut remote(&[statement])), 2, cause);
        folder.refused(&[statement], 2, cause);
    }
    use_prompt(&folder.path("state"), &["--server", &server.url.replace("http", "grpc")]);
}

#[tokio::test]
async fn a_token_opens_a_server_with_a_certificate() {
    let folder = Folder::new();
    tls::certificate(folder.0.path());
    let (certificate, key) = (folder.path("cert.pem"), folder.path("key.pem"));
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--warehouse", &folder.warehouse()]);
    command.args(["--tls-cert", &certificate, "--tls-key", &key]);
    let server = Server::start(command.env("DIAFLIGHT_TOKEN", "swordfish"));
    let ask = |url: &str, arguments: &[&str]| {
        let url = url.replace("127.0.0.1", "localhost");
        let mut command = diaflight();
        command.args(["sql", "--format", "csv", "--server", &url, "SELECT 1 AS x"]);
        finish(command.args(arguments).env("SSL_CERT_FILE", &certificate))
    };
    for url in [&server.url, &server.url.replace("https", "grpc+tls")] {
        assert_eq!(ask(url, &["--token", "swordfish"]).succeeded().stdout, "x\n1\n");
        assert_refused(&ask(url, &[]), 2, "a token is needed");
        assert_refused(&ask(url, &["--token", "sword"]), 2, "the token is wrong");
        assert_refused(&ask(url, &["--token", "two words"]), 2, "ASCII");
    }
    assert_refused(&ask(&server.url.replace("https", "http"), &[]), 1, "localhost");
}

/// The listings of the prompt, where a statement may stand.
#[test]
fn a_listing_is_printed_in_place_of_rows() {
    let folder = Folder::new();
    let relations = finish(&mut folder.sql(&["--format", "csv", r"\d"])).succeeded().stdout;
    assert!(relations.contains("sources") && relations.contains("light_curves"), "{relations}");
    let columns = folder.read("json", r"\d sources");
    assert!(columns["rows"].to_string().contains("psfFlux"), "{columns}");
    folder.refused(&[r"\timing"], 2, "works only at the prompt");
    folder.refused(&[r"\nothing"], 2, r"\nothing");
}
