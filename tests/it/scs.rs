//! Simple Cone Search: pyvo and STILTS, the clients of astronomers in Python and on the command line, find what `/api/v1/conesearch` finds.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::server::Server;
use crate::{program, python};

/// The rows that a task of STILTS prints as CSV, without their heading, and this.
fn stilts(arguments: &[&str]) -> (String, Vec<Vec<String>>) {
    let output =
        Command::new("stilts").args(arguments).args(["ofmt=csv", "out=-"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "stilts {arguments:?}: {said}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut lines = printed.lines();
    let heading = lines.next().unwrap_or_default().to_string();
    (heading, lines.map(|line| line.split(',').map(str::to_string).collect()).collect())
}

/// TOPCAT searches in the same way.
#[tokio::test(flavor = "multi_thread")]
async fn stilts_searches_one_place_and_those_of_a_table() {
    if !program::installed("stilts") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    program::run(["generate", "--warehouse", warehouse, "--objects", "300", "--seed", "7"])
        .succeeded();
    let server = Server::serve(warehouse, &[]).await;
    let text = "SELECT ra, dec, diaObjectId FROM newest_objects LIMIT 3";
    let places = program::run(["sql", "--warehouse", warehouse, "--format", "json", text]);
    let places: Vec<Value> = serde_json::from_str(&places.succeeded().stdout).unwrap();
    let service = format!("serviceurl={}/scs", server.url);

    let [ra, dec] = ["ra", "dec"].map(|name| &places[0][name]);
    let path = format!("/api/v1/conesearch?ra={ra}&dec={dec}&radius=18000&columns=r:diaObjectId");
    let expected = server.get(&path).await.bytes().await.unwrap();
    let expected: Vec<Value> = serde_json::from_slice(&expected).unwrap();
    assert!(expected.len() > 1);
    let position = [format!("lon={ra}"), format!("lat={dec}"), "radius=5".to_string()];
    let (heading, found) = stilts(&["cone", &service, &position[0], &position[1], &position[2]]);
    let id = heading.split(',').position(|name| name == "r:diaObjectId").unwrap();
    let found: Vec<_> = found.iter().map(|row| row[id].clone()).collect();
    let of_rest: Vec<_> = expected.iter().map(|row| row["r:diaObjectId"].to_string()).collect();
    assert_eq!(found, of_rest);

    let mut table = "name,ra,dec\nnowhere,1.5,-89.5\n".to_string();
    for place in &places {
        table += &format!("n{},{},{}\n", place["diaObjectId"], place["ra"], place["dec"]);
    }
    let file = folder.path().join("places.csv");
    std::fs::write(&file, table).unwrap();
    let file = format!("in={}", file.to_str().unwrap());
    let (heading, found) = stilts(&[
        "coneskymatch",
        &service,
        &file,
        "ifmt=csv",
        "ra=ra",
        "dec=dec",
        "sr=0.001",
        "find=best",
        "usefoot=false",
    ]);
    let id = heading.split(',').position(|name| name == "r:diaObjectId").unwrap();
    let named: Vec<_> = found.iter().map(|row| (row[0].clone(), format!("n{}", row[id]))).collect();
    assert_eq!(named.len(), places.len());
    assert!(named.iter().all(|(given, found)| given == found), "{named:?}");
}

#[tokio::test]
async fn pyvo_finds_objects_by_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    program::run(["generate", "--warehouse", warehouse, "--objects", "300", "--seed", "7"])
        .succeeded();
    let server = Server::serve(warehouse, &[]).await;
    let place = program::run([
        "sql",
        "--warehouse",
        warehouse,
        "--format",
        "json",
        "SELECT ra, dec FROM sources ORDER BY diaSourceId LIMIT 1",
    ]);
    let place: Value = serde_json::from_str(&place.succeeded().stdout).unwrap();
    let [ra, dec] = ["ra", "dec"].map(|name| place[0][name].to_string());
    let columns = "r:diaObjectId,r:ra,r:dec";
    let path =
        format!("/api/v1/conesearch?ra={ra}&dec={dec}&radius=18000&ids=text&columns={columns}");
    let expected = server.get(&path).await.bytes().await.unwrap();
    let expected: Vec<Value> = serde_json::from_slice(&expected).unwrap();
    assert!(expected.len() > 1, "{expected:?}");

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/scs.py");
    let said = python::run(&script, &[&server.url, &ra, &dec, "5.0"], &[]);
    let said: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let of_rows = |of: &dyn Fn(&Value) -> Value| expected.iter().map(of).collect::<Vec<_>>();
    assert_eq!(said["ids"], json!(of_rows(&|row| row["r:diaObjectId"].clone())));
    assert_eq!(said["places"], json!(of_rows(&|row| json!([row["r:ra"], row["r:dec"]]))));
    for (name, ucd, datatype) in [
        ("r:diaObjectId", "ID_MAIN", "char"),
        ("r:ra", "POS_EQ_RA_MAIN", "double"),
        ("r:dec", "POS_EQ_DEC_MAIN", "double"),
    ] {
        let field = &said["fields"][name];
        assert_eq!((&field["ucd"], &field["datatype"]), (&json!(ucd), &json!(datatype)), "{said}");
    }
    let main = |field: &&Value| field["ucd"].as_str().is_some_and(|ucd| ucd.contains("main"));
    assert_eq!(said["fields"].as_object().unwrap().values().filter(main).count(), 0, "{said}");
    assert_eq!(
        (&said["rows_without_radius"], &said["columns_without_radius"]),
        (&json!(0), &json!(16))
    );
    assert_eq!(said["rows_of_one"], 1);
    let few = server.get(&format!("/scs?ra={ra}&dec={dec}&sr=5&maxrec=1")).await;
    assert!(few.text().await.unwrap().contains(r#"name="QUERY_STATUS" value="OVERFLOW""#));
    // The service that a VOTable names gives the light curve of the object in a row.
    assert_eq!(said["services"], json!(["light_curve", "light_curve_plot"]));
    let path = format!(
        "/api/v1/sources?ids=text&columns=r:diaSourceId&diaObjectId={}",
        said["ids"][0].as_str().unwrap()
    );
    let light_curve = server.get(&path).await.bytes().await.unwrap();
    let light_curve: Vec<Value> = serde_json::from_slice(&light_curve).unwrap();
    let mut ids: Vec<_> = light_curve.iter().map(|row| row["r:diaSourceId"].clone()).collect();
    ids.sort_by_key(|id| id.as_str().map(str::to_string));
    assert_eq!(said["light_curve"], json!(ids));
    assert!(said["columns_of_all"].as_u64() > Some(150), "{said}");
    assert!(said["refused"].as_str().unwrap().contains("SR must be a number of degrees"), "{said}");

    let refused = server.get("/scs?RA=10&DEC=91&SR=1").await;
    assert_eq!(refused.status(), 200);
    assert_eq!(refused.headers()["content-type"], "application/x-votable+xml");
    let text = refused.text().await.unwrap();
    let error = r#"<INFO ID="Error" name="Error" value="DEC must be a number of degrees from -90 to 90, not `91`"/>"#;
    assert!(text.contains(error), "{text}");
}
