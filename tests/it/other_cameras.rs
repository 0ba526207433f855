//! Folders of Parquet from other cameras: their pages and pictures show the columns that there are, in the types they have, and name those
//! that there are not.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use crate::program::diaflight;
use crate::server::Server;

/// Bands are numbers here, and no row says how good it is.
pub const FEW: i64 = 1;
/// An object without a flux.
pub const DARK: i64 = 2;
/// One that has more rows than a page shows.
pub const MANY: i64 = 3;
const MANY_ROWS: i64 = 12_345;
/// One that the table of objects does not have.
const ROWLESS: i64 = 4;

fn write(folder: &Path, table: &str, columns: Vec<(&str, ArrayRef)>) {
    let folder = folder.join(table);
    fs::create_dir_all(&folder).unwrap();
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let file = File::create(folder.join("rows.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
}

/// Of (object, time, flux, band).
type Row = (i64, f64, Option<f64>, Option<i32>);

fn measurements<'a>(id: &'a str, rows: &[Row]) -> Vec<(&'a str, ArrayRef)> {
    let objects = rows.iter().map(|row| row.0);
    let (fluxes, bands) = (rows.iter().map(|row| row.2), rows.iter().map(|row| row.3));
    vec![
        ("diaObjectId", Arc::new(Int64Array::from_iter_values(objects))),
        ("midpointMjdTai", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.1)))),
        (id, Arc::new(Int64Array::from_iter_values(0..rows.len() as i64))),
        ("psfFlux", Arc::new(fluxes.collect::<Float64Array>())),
        ("band", Arc::new(bands.collect::<Int32Array>())),
    ]
}

/// A server over the folders.
pub async fn served() -> (Server, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let few = [
        (FEW, 61_000.25, Some(1231.0), Some(3)),
        (FEW, 61_001.25, Some(-500.0), Some(3)),
        (FEW, 61_002.25, Some(800.0), None),
        (DARK, 61_000.25, None, Some(3)),
        (ROWLESS, 61_000.25, Some(1.0), Some(3)),
    ];
    let many = (0..MANY_ROWS).map(|n| (MANY, 61_000.0 + n as f64 / 1e3, Some(n as f64), Some(1)));
    let sources: Vec<Row> = few.into_iter().chain(many).collect();
    write(folder.path(), "sources", measurements("diaSourceId", &sources));
    let forced = [(FEW, 61_000.5, Some(20.0), Some(4))];
    write(folder.path(), "fp", measurements("diaForcedSourceId", &forced));
    let objects: ArrayRef = Arc::new(Int64Array::from(vec![FEW, DARK, MANY]));
    let positions: ArrayRef = Arc::new(Float64Array::from(vec![150.0; 3]));
    write(folder.path(), "objects", vec![("diaObjectId", objects), ("ra", positions)]);
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    for table in ["sources", "objects", "fp"] {
        command.arg(format!("--{table}-url")).arg(folder.path().join(table));
    }
    let server = Server::start(&mut command);
    server.ready().await;
    (server, folder)
}

#[tokio::test]
async fn a_page_shows_what_there_is_and_names_what_there_is_not() {
    let (server, _folder) = served().await;
    let page = async |id: i64| {
        let answer = server.get(&format!("/{id}")).await;
        let status = answer.status();
        let html = answer.text().await.unwrap();
        assert_eq!(status, 200, "{html}");
        html
    };
    let few = page(FEW).await;
    for part in [
        "3 detections",
        "#band-other",
        "value=\"3\"",
        "value=\"4\"",
        "value=\"\"",
        "no band",
        "-500.0 to 1231.0",
        "sources r:visit, sources r:psfFluxErr",
        "the columns of the quality cuts and upper limits",
    ] {
        assert!(few.contains(part), "{part} is not in {few}");
    }
    assert!(!few.contains("withupperlim"), "{few}");
    assert!(page(DARK).await.contains("1 detection<"));
    let rowless = page(ROWLESS).await;
    let told = "The table objects has no row of it";
    assert!(rowless.contains("1 detection<") && rowless.contains(told), "{rowless}");
    assert!(!few.contains(told));
    assert_eq!(server.get("/5").await.status(), 404);
    let many = page(MANY).await;
    assert!(many.contains("12\u{202f}345 detections"), "{many:.3000}");
    assert!(many.contains("The newest 10\u{202f}000 of them"));
    assert_eq!(many.matches("<tr><td>").count(), 10_000);
    let list = server.get(&format!("/objects?diaObjectId={FEW},{MANY}")).await;
    assert_eq!(list.status(), 200);
}

#[tokio::test]
async fn a_picture_shows_what_there_is_and_names_what_there_is_not() {
    let (server, _folder) = served().await;
    let picture = async |id: i64, quantity: &str| {
        let path = format!("/api/v1/plot?diaObjectId={id}&quantity={quantity}");
        let answer = server.get(&path).await;
        let (status, tag) = (answer.status(), answer.headers().get("etag").cloned());
        let svg = answer.text().await.unwrap();
        assert_eq!(status, 200, "{svg}");
        (svg, tag.unwrap())
    };
    let (few, tag) = picture(FEW, "flux").await;
    for part in [
        "other or no band",
        "not in the tables: sources r:psfFluxErr, fp r:psfFluxErr, the columns of the quality cuts and upper limits",
        "2025-11-",
    ] {
        assert!(few.contains(part), "{part} is not in {few}");
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let path = format!("{}/api/v1/plot?diaObjectId={FEW}", server.url);
    let again = client.get(&path).header("If-None-Match", tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    let other = client.get(&path).header("If-Match", "\"0-another\"").send().await.unwrap();
    assert_eq!(other.status(), 412);
    let (magnitudes, _) = picture(FEW, "magnitude").await;
    assert!(
        magnitudes
            .contains("1 negative, or forced and below 3 sigma, without a magnitude: not drawn"),
        "{magnitudes}"
    );
    let (dark, _) = picture(DARK, "flux").await;
    assert!(dark.contains("There is nothing to draw here."), "{dark}");
    assert!(dark.contains("1 without a time or a flux: not drawn") && !dark.contains("1858"));
    assert_eq!(server.get("/api/v1/plot?diaObjectId=9").await.status(), 404);
}
