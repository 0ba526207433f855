//! Sources as other people keep them, by REST, Flight and SQL, held against other readers of the same folder: the ways to keep them,
//! and the rows of each, are in `tests/python/folders.py`.

use std::path::Path;

use tempfile::{TempDir, tempdir};

use crate::program::{diaflight, run};
use crate::python;
use crate::server::Server;

fn script(name: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    python::run(&script, arguments, &[])
}

/// A place with a folder of sources of its own, and a warehouse for the other tables.
fn written(way: &str) -> (TempDir, String) {
    let place = tempdir().unwrap();
    let [warehouse, sources] = ["w", "sources"].map(|name| place.path().join(name));
    std::fs::create_dir(&sources).unwrap();
    let warehouse = warehouse.to_str().unwrap();
    run(["generate", "--warehouse", warehouse, "--objects", "5", "--seed", "1"]).succeeded();
    let sources = sources.to_str().unwrap().to_string();
    script("folders.py", &["write", way, &sources]);
    (place, sources)
}

async fn serve(place: &TempDir, sources: &str) -> Server {
    let mut command = diaflight();
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--refresh-ms",
        "50",
        "--sources-url",
        sources,
    ]);
    let server = Server::start(command.arg("--warehouse").arg(place.path().join("w")));
    server.ready().await;
    server
}

async fn read_right(way: &str) {
    let (place, sources) = written(way);
    let server = serve(&place, &sources).await;
    script("folders.py", &["read", way, &sources, &server.url]);
}

#[tokio::test]
async fn files_and_row_groups_without_rows_stand_in_nobodys_way() {
    read_right("empty").await;
}

#[tokio::test]
async fn a_folder_without_rows_is_a_table_without_rows() {
    read_right("nothing").await;
}

#[tokio::test]
async fn columns_of_the_path_are_columns() {
    read_right("hive").await;
}

#[tokio::test]
async fn a_hats_catalogue_has_each_row_once() {
    read_right("hats").await;
}

#[tokio::test]
async fn a_delta_table_is_its_live_files() {
    read_right("delta").await;
}

#[tokio::test]
async fn types_that_fit_are_served_and_others_are_named() {
    read_right("types").await;
}

#[tokio::test]
async fn numbers_of_several_types_are_served_exactly_or_named() {
    read_right("numbers").await;
}

#[tokio::test]
async fn times_of_several_units_are_served_exactly_or_named() {
    read_right("times").await;
}

#[tokio::test]
async fn times_that_readers_let_overflow_are_named() {
    read_right("int96").await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let (place, _) = written("bare");
    let nowhere = place.path().join("nowhere");
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--sources-url"]).arg(&nowhere);
    let server = Server::start(command.arg("--warehouse").arg(place.path().join("w")));
    for path in ["/health/ready", "/api/v1/sources?diaObjectId=1"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 503, "{path}");
        let text = answer.text().await.unwrap();
        assert!(
            text.contains("its folder holds no Parquet") && !text.contains("nowhere"),
            "{text}"
        );
    }
    server.logged("/nowhere/").await;
}

/// Of a large answer, which is compressed, too.
#[tokio::test]
async fn rows_without_an_object_are_among_those_of_a_whole_table() {
    read_right("keyless").await;
}

#[tokio::test]
async fn files_without_statistics_are_read_right() {
    read_right("bare").await;
}

#[tokio::test]
async fn nan_is_found_at_every_door_or_at_none() {
    read_right("nan").await;
}

#[tokio::test]
async fn a_ticket_of_a_folder_is_of_its_files_and_no_others() {
    let (place, sources) = written("bare");
    let [one, other] = [serve(&place, &sources).await, serve(&place, &sources).await];
    let urls = [&one, &other].map(|server| server.url.replacen("http", "grpc", 1));
    script("folder_tickets.py", &[&sources, &urls[0], &urls[1]]);
}
