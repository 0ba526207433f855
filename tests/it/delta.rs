//! Reading the warehouse with the `deltalake` package of Python: it finds the same rows that a server
//! returns.

use std::path::Path;

use serde_json::{Value, json};

use crate::program::{diaflight, finish, run};
use crate::seaweed::Bucket;
use crate::server::Server;
use crate::{nights, python, shared};

/// Compares all rows of all tables; returns how many there are of each.
async fn rows_read_by_deltalake(warehouse: &str, variables: &[(&str, String)]) -> Value {
    let server = Server::serve(warehouse, variables).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_delta.py");
    let said = python::run(&script, &[warehouse, &server.url], variables);
    serde_json::from_str(&said).unwrap()
}

#[tokio::test]
async fn deltalake_reads_real_alerts_from_a_folder() {
    let Some(alerts) = shared::path(shared::SET_A) else { return };
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    run(["ingest", "--warehouse", warehouse, alerts.to_str().unwrap()]).succeeded();
    let rows = rows_read_by_deltalake(warehouse, &[]).await;
    assert_eq!(rows, json!({ "sources": 5, "fp": 2321, "objects": 5 }));
}

/// Another packet layout adds columns, and a compaction rewrites the files.
#[tokio::test]
async fn deltalake_reads_two_compacted_nights_from_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = nights::write(folder.path());
    let bucket = Bucket::create("delta").await;
    let warehouse = bucket.url("warehouse");
    for arguments in [["ingest", &first], ["ingest", &second], ["maintain", "compact"]] {
        let mut command = diaflight();
        command.args(arguments).args(["--warehouse", &warehouse]).envs(bucket.variables());
        finish(&mut command).succeeded();
    }
    let rows = rows_read_by_deltalake(&warehouse, &bucket.variables()).await;
    let [sources, fp, objects] = [nights::SOURCES, nights::FORCED, nights::OBJECTS.len()];
    assert_eq!(rows, json!({ "sources": sources, "fp": fp, "objects": objects }));
}

#[tokio::test]
async fn deltalake_reads_a_generated_survey() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    run(["generate", "--warehouse", warehouse, "--objects", "30", "--seed", "7"]).succeeded();
    let rows = rows_read_by_deltalake(warehouse, &[]).await;
    assert_eq!(rows["objects"], 30);
    assert!(rows["sources"].as_u64() >= Some(30), "{rows}");
}

/// Units, UCDs and descriptions, as `deltalake` and pyarrow show them. A table of before has them after the next ingest.
#[test]
fn columns_are_described_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().join("w");
    let [first, second] = nights::write(folder.path());
    let ingest = |night: &str| {
        run(["ingest", "--warehouse", warehouse.to_str().unwrap(), night]).succeeded();
    };
    let script = nights::save(
        folder.path(),
        "described.py",
        b"import deltalake, json, sys
table = deltalake.DeltaTable(sys.argv[1])
fields = {field.name: field.metadata for field in table.schema().fields}
arrow = {field.name: field.metadata or {} for field in table.to_pyarrow_dataset().schema}
shown = {key.decode(): value.decode() for key, value in arrow['psfFlux'].items()}
print(json.dumps([fields['psfFlux'], fields['diaObjectId'], shown]))
",
    );
    let shown = |table: &str| -> Value {
        let table = warehouse.join(table);
        let said = python::run(Path::new(&script), &[table.to_str().unwrap()], &[]);
        serde_json::from_str(&said).unwrap()
    };
    ingest(&first);
    let described = shown("fp");
    assert_eq!(
        (&described[0]["unit"], &described[0]["ucd"]),
        (&json!("nJy"), &json!("phot.flux.density"))
    );
    let comment = described[0]["comment"].as_str().unwrap();
    assert!(comment.contains("forced at the position of the diaObject"), "{described}");
    assert!(described[1]["comment"].is_string(), "{described}");
    assert_eq!(described[2]["comment"], comment, "pyarrow: {described}");

    // As older releases made it: the families alone.
    let log = warehouse.join("fp/_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&log).unwrap();
    let lines = text.lines().map(|line| {
        let mut action: Value = serde_json::from_str(line).unwrap();
        if let Some(text) = action["metaData"]["schemaString"].as_str() {
            let mut schema: Value = serde_json::from_str(text).unwrap();
            for field in schema["fields"].as_array_mut().unwrap() {
                field["metadata"].as_object_mut().unwrap().retain(|key, _| key == "family");
            }
            action["metaData"]["schemaString"] = schema.to_string().into();
        }
        action.to_string()
    });
    std::fs::write(&log, lines.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(shown("fp")[0].get("comment"), None);
    ingest(&second);
    assert_eq!(shown("fp"), described);
}
