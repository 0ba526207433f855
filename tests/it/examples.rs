//! The examples, each run as its reader would, on a survey made for them. What they print and write is held against
//! what was made.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use diaflight::survey::{Generated, Nights, SurveyOptions, generate};
use diaflight::warehouse::Warehouse;
use parquet::file::reader::{FileReader, SerializedFileReader};
use tempfile::TempDir;

use crate::program::{diaflight, finish};
use crate::python;
use crate::seaweed::Bucket;
use crate::server::Server;

const OBJECTS: u64 = 500;
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// A survey in a folder, the server of it, and the examples that have run.
struct Served {
    folder: TempDir,
    made: Generated,
    server: Server,
    ran: BTreeSet<String>,
}

impl Served {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("warehouse").to_str().unwrap().to_string();
        let warehouse = Warehouse::open(&url).unwrap();
        let options = SurveyOptions { objects: OBJECTS, seed: 1, nights: Nights::ALL };
        let made = generate(&warehouse, &options, &|_| {}).await.unwrap();
        let server = Server::serve(&url, &[]).await;
        Self { folder, made, server, ran: BTreeSet::new() }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }

    fn rows(&self, table: &str) -> u64 {
        self.made.tables.iter().find(|made| made.table == table).unwrap().rows
    }

    /// Runs an example, whose words have to stand in what it prints.
    fn run(&mut self, name: &str, arguments: &[&str], words: &[&str]) -> String {
        self.ran.insert(name.to_string());
        let script = Path::new(FOLDER).join(name).with_extension("py");
        let printed = python::run(&script, arguments, &[]);
        for words in words {
            assert!(printed.contains(words), "{name} does not say {words}: {printed}");
        }
        printed
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_say_what_the_survey_has() {
    let mut served = Served::new().await;
    let http = served.server.url.clone();
    let grpc = http.replacen("http", "grpc", 1);
    let [sources, fp] = ["sources", "fp"].map(|table| served.rows(table));
    let example = |what: &str| {
        let found = served.made.examples.iter().find(|example| example.what.contains(what));
        found.unwrap_or_else(|| panic!("{} has none", served.made)).clone()
    };
    let (longest, transient) = (example("longest"), example("transient"));
    let (id, other) = (longest.dia_object_id.to_string(), transient.dia_object_id.to_string());
    let both = format!("{} detections of 2 objects", longest.sources + transient.sources);

    served.run("lookup", &[&grpc, &id], &[&format!("{} sources of 1 objects", longest.sources)]);
    served.run("bulk", &[&grpc], &["sources in band r"]);
    served.run("parallel", &[&grpc], &[&format!("{sources} rows of sources")]);
    let (asked, forced) =
        (format!("{OBJECTS} objects asked for"), format!("{fp} forced measurements"));
    served.run("exchange", &[&grpc], &[&asked, &forced]);
    served.run("adbc_sql", &[&grpc], &["measurements"]);
    served.run("polars_frame", &[&grpc], &["diaObjectId"]);

    let picture = served.file("light_curve.png");
    let said = format!("object {id}: {} detections", longest.sources);
    served.run("pandas_light_curve", &[&http, &id, &picture], &[&said, "upper limits"]);
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    let said = format!("object {other}: {} detections of positive flux", transient.sources);
    served.run("astropy_table", &[&http, &other], &[&said, "psfFlux [nJy]", "mag(AB)"]);
    let table = served.file("sources.vot");
    served.run("topcat", &[&http, &table, &id, &other], &[&both, "a valid VOTable"]);
    served.run("polars_rest", &[&http, &id, &other], &[&both, "nights with a colour"]);
    let warehouse = served.file("warehouse");
    let said = format!("{sources} sources in all");
    served.run("duckdb_files", &[&warehouse, &http], &[&said, "the server says the same"]);
    let target = format!("LSST {other}");
    served.run("tom_harvester", &[&http, &other], &[&target, "photometric points", "\"filter\""]);

    let features = served.file("features.parquet");
    let printed = served.run("features", &[&grpc, "200", &features], &["of 200 objects"]);
    let file = SerializedFileReader::new(File::open(&features).unwrap()).unwrap();
    let rows = file.metadata().file_metadata().num_rows();
    assert!(rows >= 200 && printed.contains(&format!("{rows} light curves")), "{rows}: {printed}");

    let there = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let there = there.map(|path| path.file_stem().unwrap().to_str().unwrap().to_string());
    // It needs a broker: see live/replayed.rs.
    served.ran.insert("replay".to_string());
    assert_eq!(there.collect::<BTreeSet<_>>(), served.ran, "an example is not run");
}

/// Without an id, they find one themselves.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_find_objects() {
    let mut served = Served::new().await;
    let http = served.server.url.clone();
    let grpc = http.replacen("http", "grpc", 1);
    served.run("lookup", &[&grpc], &["sources of 3 objects"]);
    served.run("astropy_table", &[&http], &["detections of positive flux"]);
    let table = served.file("sources.vot");
    served.run("topcat", &[&http, &table], &["of 20 objects", "a valid VOTable"]);
    served.run("polars_rest", &[&http], &["of 100 objects"]);
    served.run("tom_harvester", &[&http], &["\"filter\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_reads_a_bucket_beside_the_server() {
    let bucket = Bucket::create("beside").await;
    let (warehouse, variables) = (bucket.url("survey"), bucket.variables());
    let mut command = diaflight();
    command.args(["generate", "--objects", "50", "--warehouse", &warehouse]);
    finish(command.envs(variables.clone())).succeeded();
    let server = Server::serve(&warehouse, &variables).await;
    let script = Path::new(FOLDER).join("duckdb_files.py");
    let printed = python::run(&script, &[&warehouse, &server.url], &variables);
    assert!(printed.contains("in s3://beside/survey"), "{printed}");
    assert!(printed.contains("the server says the same"), "{printed}");
}
