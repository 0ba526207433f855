//! Servers of the same tables: each continues what another has begun, with the same entity tags, also after a restart and with other
//! settings.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use arrow_flight::{FlightClient, FlightDescriptor};
use futures::TryStreamExt;
use reqwest::Client;
use tempfile::{TempDir, tempdir};
use tonic::transport::Endpoint;

use crate::nights;
use crate::program::{diaflight, run};
use crate::server::Server;

/// A survey, and the id of an object in it.
fn survey() -> (TempDir, String) {
    let folder = tempdir().unwrap();
    let warehouse = folder.path().join("w");
    let generate = ["generate", "--json", "--objects", "300", "--warehouse"];
    let generate = generate.into_iter().chain(warehouse.to_str());
    let made = run(generate).succeeded().json();
    (folder, made["examples"][0]["diaObjectId"].to_string())
}

async fn serve(arguments: &[&str]) -> Server {
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--refresh-ms", "50"]).args(arguments);
    // VOTables name the address by which clients reach all of them.
    command.args(["--public-url", "https://example.org/lsst/"]);
    let server = Server::start(&mut command);
    server.ready().await;
    server
}

/// A question to each endpoint that has tags, in each way to ask that may change them.
fn questions(id: &str) -> Vec<String> {
    let formats = ["json", "csv", "votable", "parquet", "arrow"];
    let tables = ["sources", "objects", "fp"];
    let rows = tables.iter().flat_map(|table| {
        formats.map(|format| format!("/api/v1/{table}?diaObjectId={id}&output-format={format}"))
    });
    let others = [
        format!("/api/v1/sources?diaObjectId={id}&withupperlim=true"),
        format!("/api/v1/sources?diaObjectId={id}&columns=r:band,r:psfFlux,v:abMag"),
        format!("/api/v1/sources?diaObjectId={id}&as_of=0"),
        format!("/api/v1/objects?diaObjectId={id},12,13"),
        format!("/api/v1/plot?diaObjectId={id}"),
        format!("/api/v1/plot?diaObjectId={id}&quantity=magnitude&output-format=png"),
    ];
    rows.chain(others).collect()
}

/// The tag and the bytes of each answer.
async fn answered(server: &Server, questions: &[String]) -> Vec<(String, Vec<u8>)> {
    let mut answers = Vec::new();
    for question in questions {
        let answer = server.get(question).await;
        assert_eq!(answer.status(), 200, "{question}");
        let tag = answer.headers()["etag"].to_str().unwrap().to_string();
        answers.push((tag, answer.bytes().await.unwrap().to_vec()));
    }
    answers
}

#[tokio::test]
async fn servers_of_the_same_tables_agree_on_what_a_client_has() {
    let (folder, id) = survey();
    let warehouse = folder.path().join("w");
    let warehouse = warehouse.to_str().unwrap();
    let first = serve(&["--warehouse", warehouse]).await;
    let other = ["--warehouse", warehouse, "--index-mib", "1", "--memory-mib", "256"];
    let limit = ["--time-limit-ms", "60000"];
    let second = serve(&[&other[..], &limit].concat()).await;
    let questions = questions(&id);
    let answers = answered(&first, &questions).await;
    assert_eq!(answered(&second, &questions).await, answers);
    let mut tags: Vec<_> = answers.iter().map(|(tag, _)| tag).collect();
    tags.sort();
    tags.dedup();
    // All other questions have other tags; version 0 is the newest one.
    assert_eq!(tags.len(), questions.len() - 1);

    let client = Client::builder().no_proxy().build().unwrap();
    for (question, (tag, bytes)) in questions.iter().zip(&answers) {
        let ask = |name: &str| client.get(format!("{}{question}", second.url)).header(name, tag);
        assert_eq!(ask("If-None-Match").send().await.unwrap().status(), 304, "{question}");
        if !question.contains("plot") {
            let piece = ask("If-Match").header("Range", "bytes=1-9").send().await.unwrap();
            assert_eq!(piece.status(), 206, "{question}");
            assert_eq!(piece.bytes().await.unwrap(), bytes[1..10], "{question}");
        }
    }
    drop((first, second));
    let restarted = serve(&["--warehouse", warehouse]).await;
    assert_eq!(answered(&restarted, &questions).await, answers);
    for path in ["/openapi.json", "/api/v1/schema?endpoint=/api/v1/fp&computed=true"] {
        let here = restarted.get(path).await.bytes().await.unwrap();
        let there = serve(&other).await.get(path).await.bytes().await.unwrap();
        assert_eq!(here, there, "{path}");
    }

    let [night, _] = nights::write(folder.path());
    run(["ingest", "--warehouse", warehouse, &night]).succeeded();
    let newer = serve(&["--warehouse", warehouse]).await;
    for ((question, new), old) in
        questions.iter().zip(answered(&newer, &questions).await).zip(&answers)
    {
        let is_old = question.contains("as_of=0");
        assert_eq!(new.0 == old.0, is_old, "{question}");
    }
}

/// The data files of a table, last changed so many seconds after 1970.
fn copy(from: &Path, to: &Path, seconds: u64) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if entry.path().extension().is_some_and(|extension| extension == "parquet") {
            fs::copy(entry.path(), to.join(&name)).unwrap();
            let copied = File::options().write(true).open(to.join(&name)).unwrap();
            copied.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
    }
}

/// What stands for the version of a folder is what its listing says of its files, so a copy of them has other tags.
#[tokio::test]
async fn a_folder_has_the_same_tags_at_each_server_and_its_copy_has_others() {
    let (folder, id) = survey();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    for table in ["sources", "objects", "fp"] {
        for (name, seconds) in [("a", 1), ("b", 2)] {
            let [from, to] = ["w", name].map(|name| folder.path().join(name).join(table));
            copy(&from, &to, seconds);
        }
    }
    let of = async |name: &str, more: &[&str]| {
        let [sources, objects, fp] =
            ["sources", "objects", "fp"].map(|table| place(&format!("{name}/{table}")));
        let tables = ["--sources-url", &sources, "--objects-url", &objects, "--fp-url", &fp];
        serve(&[&tables[..], more].concat()).await
    };
    let questions: Vec<_> =
        questions(&id).into_iter().filter(|question| !question.contains("as_of")).collect();
    let answers = answered(&of("a", &[]).await, &questions).await;
    assert_eq!(answered(&of("a", &["--index-mib", "1"]).await, &questions).await, answers);
    let copied = answered(&of("b", &[]).await, &questions).await;
    for ((question, (tag, _)), (copied, _)) in questions.iter().zip(&answers).zip(&copied) {
        assert_ne!(tag, copied, "{question}");
    }
}

/// A picture shows forced photometry, too: without columns to tag detections by, only its own version says that it has changed.
#[tokio::test]
async fn a_picture_has_another_tag_when_only_forced_photometry_has_changed() {
    let (server, folder) = crate::other_cameras::served().await;
    let path = format!("/api/v1/plot?diaObjectId={}", crate::other_cameras::FEW);
    let before = server.get(&path).await.headers()["etag"].clone();
    let forced = folder.path().join("fp/rows.parquet");
    fs::copy(&forced, folder.path().join("fp/again.parquet")).unwrap();
    let again = serve_same(&folder).await;
    assert_ne!(again.get(&path).await.headers()["etag"], before);
}

async fn serve_same(folder: &TempDir) -> Server {
    let [sources, objects, fp] = ["sources", "objects", "fp"]
        .map(|table| folder.path().join(table).to_str().unwrap().to_string());
    serve(&["--sources-url", &sources, "--objects-url", &objects, "--fp-url", &fp]).await
}

#[tokio::test]
async fn a_ticket_of_one_server_is_answered_by_another() {
    let (folder, id) = survey();
    let warehouse = folder.path().join("w");
    let arguments = ["--warehouse", warehouse.to_str().unwrap()];
    let servers = [serve(&arguments).await, serve(&arguments).await];
    let mut clients = Vec::new();
    for server in &servers {
        let endpoint = Endpoint::from_shared(server.url.clone()).unwrap();
        clients.push(FlightClient::new(endpoint.connect().await.unwrap()));
    }
    for path in [vec!["sources".to_string(), id], vec!["fp".to_string()]] {
        let mut infos = Vec::new();
        for client in &mut clients {
            let descriptor = FlightDescriptor::new_path(path.clone());
            infos.push(client.get_flight_info(descriptor).await.unwrap());
        }
        assert_eq!(infos[0].endpoint, infos[1].endpoint, "{path:?}");
        for endpoint in infos.remove(0).endpoint {
            let ticket = endpoint.ticket.unwrap();
            let rows = clients[1].do_get(ticket).await.unwrap();
            let rows: Vec<_> = rows.try_collect().await.unwrap();
            assert!(rows.iter().any(|batch| batch.num_rows() > 0), "{path:?}");
        }
    }
}
