//! What an operator meets at the start of a server: settings of the environment it runs in, names of hosts, a mistyped prefix.

use std::path::Path;
use std::process::Command;

use crate::cli::assert_refused;
use crate::program::{diaflight, finish, run};
use crate::server::Server;

fn serve(warehouse: &Path) -> Command {
    let mut command = diaflight();
    command.args(["serve", "--warehouse"]).arg(warehouse);
    command
}

/// Variables of a service called `diaflight`, as the kubelet makes them.
#[tokio::test]
async fn variables_of_kubernetes_do_not_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve(folder.path());
    command.args(["--listen", "localhost:0"]).envs([
        ("DIAFLIGHT_SERVICE_HOST", "10.96.0.10"),
        ("DIAFLIGHT_SERVICE_PORT", "80"),
        ("DIAFLIGHT_SERVICE_PORT_HTTP", "80"),
        ("DIAFLIGHT_PORT", "tcp://10.96.0.10:80"),
        ("DIAFLIGHT_PORT_80_TCP", "tcp://10.96.0.10:80"),
        ("DIAFLIGHT_PORT_80_TCP_PROTO", "tcp"),
        ("DIAFLIGHT_PORT_80_TCP_PORT", "80"),
        ("DIAFLIGHT_PORT_80_TCP_ADDR", "10.96.0.10"),
        ("DIAFLIGHT_SOURCES_SERVICE_HOST", "10.96.0.11"),
    ]);
    let server = Server::start(&mut command);
    assert_eq!(server.get("/health/live").await.status(), 200);
    let mistyped = finish(serve(folder.path()).env("DIAFLIGHT_PORT", "8080"));
    assert_refused(&mistyped, 2, "DIAFLIGHT_PORT");
}

#[test]
fn addresses_are_a_host_and_a_port() {
    let folder = tempfile::tempdir().unwrap();
    for (listen, why) in [
        ("localhost", "HOST:PORT"),
        (":8080", "HOST:PORT"),
        ("localhost:http", "HOST:PORT"),
        ("no-such-host.invalid:0", "--listen no-such-host.invalid:0"),
    ] {
        assert_refused(&finish(serve(folder.path()).args(["--listen", listen])), 2, why);
    }
}

#[test]
fn an_endpoint_without_encryption_has_to_be_allowed() {
    let mut command = serve(Path::new("s3://bucket/prefix"));
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    assert_refused(&finish(&mut command), 2, "AWS_ALLOW_HTTP=true");
}

/// The number of objects of `generate` is no setting of a server, whoever else reads the same file.
#[test]
fn a_name_is_not_taken_and_ignored() {
    let flag = ["serve", "--warehouse", "w", "--objects", "3"];
    assert_refused(&run(flag), 2, "--objects");
    let flag = ["ingest", "--warehouse", "w", "--memory-mib", "64", "x.avro"];
    assert_refused(&run(flag), 2, "--memory-mib");
}

#[tokio::test]
async fn a_warehouse_without_tables_is_told_with_the_one_that_was_perhaps_meant() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("survey");
    run(["generate", "--objects", "2", "--warehouse", made.to_str().unwrap()]).succeeded();
    let meant = format!("file://{}/", made.display());
    for (mistyped, said) in [
        (made.join("sources"), meant.as_str()),
        (folder.path().to_path_buf(), meant.as_str()),
        (folder.path().join("surveys"), "diaflight ingest"),
    ] {
        let server = Server::start(serve(&mistyped).args(["--listen", "127.0.0.1:0"]));
        server.logged("has no tables").await;
        assert!(server.log().contains(said), "{said}: {}", server.log());
    }
    let right = Server::start(serve(&made).args(["--listen", "127.0.0.1:0"]));
    assert!(!right.log().contains("has no tables"), "{}", right.log());
}

/// Plans are shown to everyone: they say nothing of where the storage is.
#[tokio::test]
async fn plans_name_files_below_their_table() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().join("secret-place");
    let warehouse = warehouse.to_str().unwrap();
    run(["generate", "--objects", "20", "--warehouse", warehouse]).succeeded();
    let server = Server::serve(warehouse, &[]).await;
    let lookup = "/api/v1/objects?diaObjectId=1,169566735469379614&explain=true";
    let mut told = vec![server.get(lookup).await.text().await.unwrap()];
    for statement in [
        "EXPLAIN SELECT count(*) FROM sources WHERE psfFlux > 1",
        "EXPLAIN VERBOSE SELECT psfFlux FROM sources",
        "EXPLAIN ANALYZE SELECT count(*) FROM sources WHERE psfFlux > 1",
        "EXPLAIN ANALYZE VERBOSE SELECT max(psfFlux) FROM sources",
        "EXPLAIN SELECT * FROM objects WHERE diaObjectId = 169566735469379614",
    ] {
        let printed = run(["sql", "--format", "csv", "--server", &server.url, statement]);
        told.push(printed.succeeded().stdout);
    }
    for text in &told {
        assert!(!text.contains("secret-place"), "{text}");
    }
    assert!(told[1].contains(".parquet"), "{}", told[1]);
    let counted = [
        "sql",
        "--format",
        "csv",
        "--warehouse",
        warehouse,
        "SELECT count(*) > 0 AS some FROM sources WHERE psfFlux > -1e9",
    ];
    assert_eq!(run(counted).succeeded().stdout, "some\nTrue\n");
}
