//! Light curves as people mean them, over REST: what is no clean detection beside what is, told apart and held against the plain
//! answers; and the columns that the server computes.

use std::collections::HashSet;

use diaflight::survey::{Nights, SurveyOptions, generate};
use diaflight::warehouse::Warehouse;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::Server;

/// The flags that Fink's good quality excludes, as of 2026-05-19.
const FLAGS: [&str; 16] = [
    "isDipole",
    "shape_flag",
    "forced_PsfFlux_flag",
    "forced_PsfFlux_flag_edge",
    "psfFlux_flag",
    "apFlux_flag",
    "centroid_flag",
    "pixelFlags",
    "pixelFlags_bad",
    "pixelFlags_cr",
    "pixelFlags_edge",
    "pixelFlags_interpolated",
    "pixelFlags_nodata",
    "pixelFlags_saturated",
    "pixelFlags_streak",
    "pixelFlags_streakCenter",
];

struct Survey {
    server: Server,
    ids: Vec<i64>,
    _folder: TempDir,
}

impl Survey {
    async fn served() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = folder.path().join("warehouse").to_str().unwrap().to_string();
        let made = Warehouse::open(&warehouse).unwrap();
        let options = SurveyOptions { objects: 400, seed: 3, nights: Nights::ALL };
        let made = generate(&made, &options, &|_| {}).await.unwrap();
        let ids = made.examples.iter().map(|example| example.dia_object_id).collect();
        Self { server: Server::serve(&warehouse, &[]).await, ids, _folder: folder }
    }

    fn ids(&self) -> String {
        self.ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
    }

    async fn rows(&self, endpoint: &str, more: &str) -> Vec<Value> {
        let path = format!("/api/v1/{endpoint}?diaObjectId={}{more}", self.ids());
        let answer = self.server.get(&path).await;
        assert_eq!(answer.status(), 200, "{path}");
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

fn number(row: &Value, column: &str) -> f64 {
    row[column].as_f64().unwrap_or_else(|| panic!("{column} of {row}"))
}

fn visit(row: &Value) -> (i64, i64) {
    (row["r:diaObjectId"].as_i64().unwrap(), row["r:visit"].as_i64().unwrap())
}

/// Of a row of `sources`.
fn tag(source: &Value) -> &'static str {
    let flagged = FLAGS.iter().any(|flag| source[format!("r:{flag}")] == true);
    if flagged || !source["r:timeWithdrawnMjdTai"].is_null() { "badquality" } else { "valid" }
}

/// Of a row of `fp` at a visit without a detection.
fn tag_of_forced(forced: &Value) -> &'static str {
    let (flux, error) = (forced["r:psfFlux"].as_f64(), forced["r:psfFluxErr"].as_f64());
    let measured = flux.zip(error).filter(|(_, error)| *error > 0.0);
    match measured.filter(|_| forced["r:timeWithdrawnMjdTai"].is_null()) {
        None => "badforced",
        Some((flux, error)) if flux.abs() < 5.0 * error => "upperlim",
        Some(_) => "forced",
    }
}

#[tokio::test]
async fn upper_limits_stand_beside_tagged_sources() {
    let survey = Survey::served().await;
    let (sources, fp) = (survey.rows("sources", "").await, survey.rows("fp", "").await);
    let tagged = survey.rows("sources", "&withupperlim=True").await;

    let of = |wanted: &str| tagged.iter().filter(|row| row["v:tag"] == wanted).collect::<Vec<_>>();
    for quality in ["valid", "badquality"] {
        let want: Vec<_> = sources.iter().filter(|row| tag(row) == quality).collect();
        assert!(!want.is_empty(), "the survey has no {quality} source");
        let mut got = of(quality).into_iter().cloned().collect::<Vec<_>>();
        for row in &mut got {
            let row = row.as_object_mut().unwrap();
            for own in ["v:tag", "v:fluxLimit", "r:diaForcedSourceId"] {
                assert!(row.remove(own).is_some(), "{own}");
            }
        }
        assert_eq!(got.iter().collect::<Vec<_>>(), want, "{quality}");
    }

    let detected: HashSet<_> = sources.iter().map(visit).collect();
    let undetected: Vec<_> = fp.iter().filter(|row| !detected.contains(&visit(row))).collect();
    for tag in ["upperlim", "forced", "badforced"] {
        let want: Vec<_> =
            undetected.iter().copied().filter(|row| tag_of_forced(row) == tag).collect();
        assert!(!want.is_empty() || tag != "upperlim", "the survey has no telling {tag}");
        let got = of(tag);
        let id = |row: &&Value| row["r:diaForcedSourceId"].as_i64().unwrap();
        assert_eq!(got.iter().map(id).collect::<Vec<_>>(), want.iter().map(id).collect::<Vec<_>>());
        for (got, want) in got.iter().zip(want) {
            assert_eq!(got["r:psfFlux"], want["r:psfFlux"]);
            assert_eq!((&got["r:diaSourceId"], &got["r:snr"]), (&Value::Null, &Value::Null));
            if tag == "upperlim" {
                let (limit, five) =
                    (number(got, "v:fluxLimit"), 5.0 * number(want, "r:psfFluxErr"));
                assert!((limit / five - 1.0).abs() < 1e-6, "{got}");
            }
        }
    }
    let others = tagged.iter().filter(|row| row["v:tag"] != "upperlim");
    assert!(others.into_iter().all(|row| row["v:fluxLimit"].is_null()));
    assert!(
        tagged.is_sorted_by(|a, b| number(a, "r:midpointMjdTai") >= number(b, "r:midpointMjdTai"))
    );
    assert_eq!(tagged.len(), sources.len() + undetected.len());
}

#[tokio::test]
async fn upper_limits_take_the_arguments_of_sources() {
    let survey = Survey::served().await;
    let columns = "&columns=v:tag,r:midpointMjdTai,v:abMag";
    let tagged = survey.rows("sources", &format!("&withupperlim=true{columns}")).await;
    let names: Vec<_> = tagged[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["v:tag", "r:midpointMjdTai", "v:abMag"]);
    let limit = tagged.iter().find(|row| row["v:tag"] == "upperlim").unwrap();
    let time = &limit["r:midpointMjdTai"];
    let at = survey.rows("sources", &format!("&withupperlim=true&midpointMjdTai={time}")).await;
    assert!(at.iter().any(|row| row["v:tag"] == "upperlim" && row["r:midpointMjdTai"] == *time));
    assert!(at.len() < tagged.len());

    let untold = "&withupperlim=true&columns=r:diaSourceId";
    assert_eq!(
        survey.rows("sources", untold).await,
        survey.rows("sources", "&columns=r:diaSourceId").await,
        "rows that nothing would tell apart"
    );
    let path = format!("/api/v1/sources?diaObjectId={}{untold}", survey.ids());
    let answer = survey.server.get(&path).await;
    let warning = answer.headers()["x-diaflight-warning"].to_str().unwrap().to_string();
    assert!(warning.contains("withupperlim") && warning.contains("v:tag"), "{warning}");
    let plain = survey.rows("sources", "&withupperlim=False").await;
    assert_eq!(plain, survey.rows("sources", "").await);
    assert_eq!(survey.rows("fp", "&withupperlim=maybe").await, survey.rows("fp", "").await);

    let ids = survey.ids();
    let refused = |more: String| {
        let path = format!("/api/v1/sources?diaObjectId={ids}{more}");
        let server = &survey.server;
        async move {
            let answer = server.get(&path).await;
            assert_eq!(answer.status(), 400, "{path}");
            answer.text().await.unwrap()
        }
    };
    assert!(
        refused("&withupperlim=maybe".into()).await.contains("withupperlim must be true or false")
    );
    let version = refused("&withupperlim=true&as_of=0".into()).await;
    assert!(version.contains("as_of must be a time or both versions (`0; fp="), "{version}");
    let both = format!("&withupperlim=true&as_of=0%3B%20fp%3D0{columns}");
    assert_eq!(survey.rows("sources", &both).await, tagged, "as the header of the answer says it");
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let then = survey.rows("sources", &format!("&withupperlim=true&as_of={now}{columns}")).await;
    assert_eq!(then, tagged);

    let path = format!("/api/v1/sources?diaObjectId={ids}&withupperlim=true");
    let explained = survey.server.get(&format!("{path}&explain=true")).await.text().await.unwrap();
    for part in ["tagged_sources", "upperlim", "LookupExec: table=sources", "LookupExec: table=fp"]
    {
        assert!(explained.contains(part), "{part} is not in\n{explained}");
    }
    // One sort has all the memory; the join holds two columns.
    assert_eq!(explained.matches("SortUnlessSorted").count(), 1, "{explained}");
    let join = explained.split("join_type=RightAnti").nth(1).unwrap();
    let build_side = join.lines().nth(1).unwrap();
    assert!(build_side.contains("projection=[diaObjectId, visit]"), "{explained}");
    let unlike = survey.server.get(&format!("/api/v1/sources?diaObjectId={ids}")).await;
    let answer = survey.server.get(&path).await;
    assert_eq!(answer.headers()["x-diaflight-snapshot"], "0; fp=0");
    assert_ne!(answer.headers()["etag"], unlike.headers()["etag"]);
}

#[tokio::test]
async fn computed_columns_are_there_by_name() {
    let survey = Survey::served().await;
    let all = survey.rows("sources", "").await;
    assert!(all[0].as_object().unwrap().keys().all(|name| !name.starts_with("v:")));
    let columns = "&columns=r:psfFlux,r:psfFluxErr,r:scienceFlux,r:scienceFluxErr,r:midpointMjdTai,\
                   v:abMag,v:abMagErr,v:totalAbMag,v:totalAbMagErr,v:dateUtc,v:tag";
    for endpoint in ["sources", "fp"] {
        let rows = survey.rows(endpoint, columns).await;
        let (bright, faint): (Vec<_>, Vec<_>) =
            rows.iter().partition(|row| number(row, "r:psfFlux") > 0.0);
        assert!(!bright.is_empty() && !faint.is_empty());
        for row in bright {
            let (flux, error) = (number(row, "r:psfFlux"), number(row, "r:psfFluxErr"));
            assert!((number(row, "v:abMag") - (31.4 - 2.5 * flux.log10())).abs() < 1e-6, "{row}");
            let relative = number(row, "v:abMagErr") * flux / error / 1.0857362 - 1.0;
            assert!(relative.abs() < 1e-5, "{row}");
        }
        for row in faint {
            assert_eq!(
                (&row["v:abMag"], &row["v:abMagErr"]),
                (&Value::Null, &Value::Null),
                "{row}"
            );
        }
        for row in rows.iter().filter(|row| !row["r:scienceFlux"].is_null()) {
            let (flux, error) = (number(row, "r:scienceFlux"), number(row, "r:scienceFluxErr"));
            let total = row["v:totalAbMag"].as_f64().zip(row["v:totalAbMagErr"].as_f64());
            assert_eq!(total.is_some(), flux > 0.0, "{row}");
            if let Some((magnitude, uncertainty)) = total {
                assert!((magnitude - (31.4 - 2.5 * flux.log10())).abs() < 1e-6, "{row}");
                assert!((uncertainty * flux / error / 1.0857362 - 1.0).abs() < 1e-5, "{row}");
            }
        }
        for row in &rows {
            let days = number(row, "r:midpointMjdTai") - 37.0 / 86400.0 - 40587.0;
            let date: chrono::NaiveDateTime = row["v:dateUtc"].as_str().unwrap().parse().unwrap();
            let late_ms = date.and_utc().timestamp_millis() as f64 - days * 86_400_000.0;
            assert!(late_ms.abs() <= 1.0, "{row}");
            assert!(row.get("v:tag").is_none(), "it comes with withupperlim alone");
        }
    }
}

#[tokio::test]
async fn computed_columns_are_described_everywhere() {
    let survey = Survey::served().await;
    let asked = json!({"endpoint": "/api/v1/sources", "computed": true});
    let schema: Value = serde_json::from_slice(
        &survey.server.post("/api/v1/schema", &asked).await.bytes().await.unwrap(),
    )
    .unwrap();
    let block = schema["Computed by the server (v:)"].as_object().unwrap();
    let names: Vec<_> = block.keys().cloned().collect();
    assert_eq!(
        names,
        ["abMag", "abMagErr", "dateUtc", "fluxLimit", "tag", "totalAbMag", "totalAbMagErr"]
    );
    assert_eq!(
        block["abMag"],
        json!({"type": "double", "doc": "AB magnitude of psfFlux, the flux on the difference image; null where it is not positive.", "unit": "mag", "ucd": "phot.mag"})
    );
    let asked = json!({"endpoint": "/api/v1/objects", "computed": true});
    let objects = survey.server.post("/api/v1/schema", &asked).await.text().await.unwrap();
    assert!(objects.contains("\"Computed by the server (v:)\":{}"), "{objects}");

    let path = format!(
        "/api/v1/sources?diaObjectId={}&withupperlim=true&output-format=votable",
        survey.ids()
    );
    let votable = survey.server.get(&path).await.text().await.unwrap();
    let field = "<FIELD ID=\"v_fluxLimit\" name=\"v:fluxLimit\" datatype=\"float\" unit=\"nJy\"";
    assert!(votable.contains(field), "{}", &votable[..2000]);
    let abmag = format!("{path}&columns=v:abMag");
    let votable = survey.server.get(&abmag).await.text().await.unwrap();
    assert!(votable.contains("unit=\"mag\" ucd=\"phot.mag\""), "{}", &votable[..1000]);
}

#[tokio::test]
async fn a_light_curve_is_drawn() {
    let survey = Survey::served().await;
    let path = format!("/api/v1/plot?diaObjectId={}", survey.ids[0]);
    let svg = survey.server.get(&path).await;
    assert_eq!(
        (svg.status().as_u16(), &svg.headers()["content-type"]),
        (200, &"image/svg+xml".parse().unwrap())
    );
    let tag = svg.headers()["etag"].clone();
    let svg = svg.text().await.unwrap();
    // At least a line for each part of its marker, and one for its error.
    let of_object = |row: &&Value| row["r:diaObjectId"] == survey.ids[0];
    let measured = survey.rows("sources", "").await.iter().filter(of_object).count();
    let drawn = svg.matches("<poly").count();
    assert!(svg.contains("forced photometry") && drawn > 2 * measured, "{drawn}, {measured}");
    assert!(svg.contains("(synthetic)"), "it is not told to be made up");
    let tagged = survey.rows("sources", "&withupperlim=true").await;
    let limit = tagged.iter().find(|row| row["v:tag"] == "upperlim").unwrap();
    let limited = format!("/api/v1/plot?diaObjectId={}&quantity=magnitude", limit["r:diaObjectId"]);
    let magnitude = survey.server.get(&limited).await;
    assert_ne!(magnitude.headers()["etag"], tag);
    assert!(magnitude.text().await.unwrap().contains("5 sigma limit"));
    let png = survey.server.get(&format!("{path}&output-format=png")).await;
    assert_eq!(png.headers()["content-type"], "image/png");
    assert!(png.bytes().await.unwrap().starts_with(b"\x89PNG"));

    let client = reqwest::Client::new();
    let again = client.get(format!("{}{path}", survey.server.url)).header("If-None-Match", &tag);
    assert_eq!(again.send().await.unwrap().status(), 304);
    let odd = survey.server.get(&format!("{path}&colour=red&as_of=0")).await;
    assert_eq!(odd.headers()["x-diaflight-warning"], "ignored arguments: colour, as_of");
    let unknown = survey.server.get("/api/v1/plot?diaObjectId=7").await;
    assert_eq!(unknown.status(), 404);
    assert!(unknown.text().await.unwrap().contains("diaObjectId 7"));
    let several = survey.server.get(&format!("/api/v1/plot?diaObjectId={}", survey.ids())).await;
    assert_eq!(several.status(), 400);
}
