//! The pages of places: what is typed into the search box leads to them, and what they list and draw is what the API finds there.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{Field, Schema};
use diaflight::schema::{Family, Table, stored_field};
use diaflight::warehouse::{Change, DataFile, Operation, SortedWriter, Warehouse};
use reqwest::redirect::Policy;
use serde_json::Value;

use super::pages::{BROWSER, page, visit};
use super::survey::{Server, fill_table, header, warehouse};

const ARCSEC: f64 = 1.0 / 3600.0;

async fn commit(warehouse: &Warehouse, table: Table, rows: RecordBatch, has_places: bool) {
    let mut writer = SortedWriter::new(warehouse, table, rows.schema());
    writer.write(&rows).await.unwrap();
    let mut add: Vec<DataFile> = writer.finish().await.unwrap();
    if has_places {
        warehouse.add_places(&mut add, &std::env::temp_dir()).await.unwrap();
    }
    let (operation, schema) = (Operation::Ingest, rows.schema());
    let change = Change { operation, schema, add, remove: vec![] };
    warehouse.commit(table, None, change).await.unwrap();
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let field = |(name, column): &(&str, ArrayRef)| {
        stored_field(Family::Rubin, name, column.data_type().clone())
    };
    let fields: Vec<Field> = columns.iter().map(field).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// A server of objects from 1 on at these places, each with one source; of 100 nJy for the first, and ten times as much for each that
/// follows. `has_places`: whether there is a table of places.
async fn sky(places: &[[f64; 2]], has_places: bool) -> Server {
    let warehouse = warehouse();
    let ids: Vec<i64> = (1..=places.len() as i64).collect();
    let flux = |at: usize| 100.0 * 10f32.powi(at.min(4) as i32);
    let longs = || Arc::new(Int64Array::from(ids.clone())) as ArrayRef;
    let axis = |axis: usize| -> ArrayRef {
        Arc::new(places.iter().map(|place| Some(place[axis])).collect::<Float64Array>())
    };
    let sources = rows(vec![
        ("diaObjectId", longs()),
        ("diaSourceId", longs()),
        ("midpointMjdTai", Arc::new(Float64Array::from(vec![61105.25; ids.len()]))),
        ("ra", axis(0)),
        ("dec", axis(1)),
        ("band", Arc::new(StringArray::from(vec!["g"; ids.len()]))),
        ("psfFlux", Arc::new((0..ids.len()).map(|at| Some(flux(at))).collect::<Float32Array>())),
        ("psfFluxErr", Arc::new(Float32Array::from(vec![7.0; ids.len()]))),
    ]);
    commit(&warehouse, Table::Sources, sources, has_places).await;
    let counts = Arc::new(Int32Array::from(vec![41; ids.len()]));
    let objects = rows(vec![("diaObjectId", longs()), ("nDiaSources", counts)]);
    commit(&warehouse, Table::Objects, objects, false).await;
    fill_table(&warehouse, Table::Fp, &ids[..1]).await;
    Server::over(&warehouse).await
}

/// Types a text into the search box, and returns where that leads.
async fn search(server: &Server, typed: &str) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let mut form = form_urlencoded::Serializer::new(String::new());
    let form = form.append_pair("diaObjectId", typed).finish();
    let request = client.post(server.url("/objects")).header("Accept", BROWSER);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    request.body(form).send().await.unwrap()
}

/// The texts between two others.
fn between<'a>(html: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    html.split(start).skip(1).map(|rest| rest.split(end).next().unwrap()).collect()
}

/// The ids of the list, in its order.
fn listed(html: &str) -> Vec<&str> {
    between(html, "<th scope=\"row\" class=\"numbers\"><a href=\"", "\"")
}

/// The mark of an object in the chart: the middle and the side of its symbol.
fn mark(html: &str, id: &str) -> [f64; 3] {
    let mark = between(html, &format!("<a href=\"{id}\"><title>"), "</a>")[0];
    let number = |name: &str| -> f64 {
        between(mark, &format!(" {name}=\""), "\"").last().unwrap().parse().unwrap()
    };
    let symbol = between(mark, "<use ", "/>")[0];
    let of_symbol =
        |name: &str| -> f64 { between(symbol, &format!(" {name}=\""), "\"")[0].parse().unwrap() };
    let [x, y, side] = ["x", "y", "width"].map(of_symbol);
    let middle = [x + side / 2.0, y + side / 2.0];
    assert!(number("x") == 240.0 && symbol.contains("#band-g"), "{mark}");
    [middle[0], middle[1], side]
}

#[tokio::test]
async fn one_place_in_four_notations_is_one_page() {
    let server = sky(&[[52.5, -27.75], [52.5, -27.75 + 40.0 * ARCSEC]], true).await;
    let mut pages = Vec::new();
    for typed in [
        "52.5 -27.75",
        " 52.5, -27.75 ",
        "03h30m00.00s -27d45m00.00s",
        "03:30:00.00 -27:45:00.00",
        "03 30 00.00 -27 45 00.00",
        "03h30m00.000s −27°45′00.00″",
        "52.5 -27.75 r=60",
    ] {
        let answer = search(&server, typed).await;
        let to = header(&answer, "location").to_string();
        assert_eq!(answer.status(), 303, "{typed}");
        assert!(to.starts_with("cone?ra=") && to.ends_with("&radius=60"), "{typed}: {to}");
        pages.push(page(visit(&server, &format!("/{to}")).await, 200).await);
    }
    assert!(pages.windows(2).all(|two| two[0] == two[1]));
    let html = &pages[0];
    assert_eq!(listed(html), ["1", "2"]);
    for part in [
        "<h1>2 objects within 60″",
        "03h30m00.000s −27°45′00.00″",
        "52.5000000 -27.7500000",
        "<td>40.00</td><td>0</td>",
        "</svg>g</td><td>1000.0</td><td>7.0</td><td>2026-03-06 05:59:23</td><td>41</td>",
        "api/v1/conesearch?ra=52.5&amp;dec=-27.75&amp;radius=60&amp;n=1000000&amp;output-format=votable",
        r#"name="diaObjectId" value="1,2">"#,
        r#"formaction="objects/sources""#,
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    let answer = search(&server, "52.5 -27.75 r=30").await;
    let html = page(visit(&server, &format!("/{}", header(&answer, "location"))).await, 200).await;
    assert_eq!(listed(&html), ["1"]);
    drop(answer);
    server.stop().await;
}

#[tokio::test]
async fn ids_are_not_taken_for_places() {
    let server = sky(&[[10.0, 20.0], [10.0, 20.0]], true).await;
    for (typed, to) in
        [("1 2", "objects?diaObjectId=1,2"), ("1,2", "objects?diaObjectId=1,2"), ("2", "./2")]
    {
        assert_eq!(header(&search(&server, typed).await, "location"), to, "{typed}");
    }
    let several = page(search(&server, "1 313897383979122767 20.5").await, 200).await;
    assert!(
        several.contains("1 of 3 objects") && several.contains("<code>20.5</code>"),
        "{several}"
    );
    let typed = "10.5 20.5&as_of=3";
    let asked = format!("/objects?diaObjectId={}", typed.replace(' ', "+"));
    let told = page(visit(&server, &asked).await, 400).await;
    assert!(told.contains("A place takes no other arguments: as_of"), "{told}");
    server.stop().await;
}

/// East is to the left and north up, at the beginning of right ascension and at a pole, too.
#[tokio::test]
async fn the_marks_are_those_of_the_list_and_the_list_that_of_the_api() {
    let from_pole = |ra: f64, arcsec: f64| [ra, 90.0 - arcsec * ARCSEC];
    for (centre, places) in [
        // North, east, west, south, outside.
        (
            [0.0, 0.0],
            [[0.0, 10.0], [20.0, 0.0], [-30.0, 0.0], [0.0, -40.0], [61.0, 0.0]]
                .map(|[ra, dec]: [f64; 2]| [(ra * ARCSEC).rem_euclid(360.0), dec * ARCSEC]),
        ),
        (
            [0.0, 90.0],
            [(0.0, 0.0), (90.0, 20.0), (270.0, 30.0), (0.0, 40.0), (0.0, 61.0)]
                .map(|(ra, arcsec)| from_pole(ra, arcsec)),
        ),
    ] {
        let server = sky(&places, true).await;
        let [ra, dec] = centre;
        let asked = format!("ra={ra}&dec={dec}&radius=60");
        let html = page(visit(&server, &format!("/cone?{asked}")).await, 200).await;
        let found = server.get(&format!("/api/v1/conesearch?{asked}")).await.bytes().await.unwrap();
        let found: Vec<Value> = serde_json::from_slice(&found).unwrap();
        let found: Vec<_> = found.iter().map(|row| row["r:diaObjectId"].to_string()).collect();
        assert_eq!(found, ["1", "2", "3", "4"]);
        assert_eq!(listed(&html), found);
        let marks = html.split("\"><title>").collect::<Vec<_>>();
        let before = marks[..marks.len() - 1].iter();
        let mut drawn: Vec<_> = before.map(|html| html.rsplit('"').next().unwrap()).collect();
        drawn.sort_unstable();
        assert_eq!(drawn, found);
        let [north, east, west, south] = ["1", "2", "3", "4"].map(|id| mark(&html, id));
        assert!(east[0] < 239.0 && west[0] > 241.0, "{east:?} {west:?}");
        assert!(north[1] < south[1] && south[1] > 241.0, "{north:?} {south:?}");
        let straight = [north[0], south[0], east[1], west[1]];
        assert!(straight.iter().all(|at| (at - 240.0).abs() < 0.2), "{straight:?}");
        // The radius of 60″ is 204 long.
        assert!((240.0 - east[0] - 68.0).abs() < 0.2, "{east:?}");
        let sides = [north, east, west, south].map(|mark| mark[2]);
        assert_eq!(sides, [7.2, 13.2, 19.2, 25.2]);
        assert!(
            html.contains("role=\"group\"") && html.contains("<desc id=\"field-about\">"),
            "{html}"
        );
        server.stop().await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_named_and_never_a_part_of_the_page() {
    let server = sky(&[[10.0, 20.0]], true).await;
    for (path, status, said) in [
        ("/cone", 400, "Ra is missing: give degrees (ICRS)"),
        ("/cone?ra=10&dec=20", 400, "Radius is missing: give arcseconds, at most 18000"),
        ("/cone?ra=10&dec=95&radius=5", 400, "Dec must be from -90 to 90 degrees, not 95"),
        ("/cone?ra=x&dec=20&radius=5", 400, "Ra must be degrees, such as 53.2501"),
        ("/cone?ra=10&dec=20&radius=0", 400, "Radius must be a number of arcseconds above 0"),
        ("/cone?ra=10&dec=20&radius=18001", 400, "cannot be bigger than 18,000 arcseconds"),
        (
            "/objects?diaObjectId=M31",
            404,
            "neither an object nor a place `M31`: type a diaObjectId",
        ),
        ("/objects?diaObjectId=53.25", 404, "such as 53.25 -27.86, 03h33m00.33s"),
    ] {
        let html = page(visit(&server, path).await, status).await;
        assert!(html.contains(said) && html.contains("role=\"search\""), "{path}: {html}");
    }
    let script = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27";
    for path in [
        format!("/cone?ra={script}&dec=20&radius=5"),
        format!("/cone?ra=10&dec=20&radius={script}"),
        format!("/cone?ra=10&dec=20&radius=5&{script}=1"),
        format!("/objects?diaObjectId=10.5+{script}"),
    ] {
        let html = visit(&server, &path).await.text().await.unwrap();
        assert!(html.contains("script") && !html.contains("<script>"), "{path}: {html}");
    }
    let html = page(visit(&server, "/cone?ra=10&dec=20&radius=5&n=1").await, 200).await;
    assert!(html.contains("takes no arguments but ra, dec and radius: n."), "{html}");
    let html = page(visit(&server, "/cone?ra=190&dec=20&radius=5").await, 200).await;
    assert!(html.contains("<h1>0 objects within 5″") && !html.contains("<figure"), "{html}");
    let posted = server.request("POST", "/cone").header("Accept", BROWSER).send().await.unwrap();
    assert_eq!((posted.status().as_u16(), header(&posted, "allow")), (405, "GET,HEAD"));
    drop(posted);
    server.stop().await;
}

#[tokio::test]
async fn a_list_that_has_not_all_says_so() {
    let server = sky(&[[10.0, 20.0]; 1001], true).await;
    let html = page(visit(&server, "/cone?ra=10&dec=20&radius=1").await, 200).await;
    let told = "1 000 of 1 001 objects are listed and drawn, the nearest; the download of this search has all.";
    assert!(html.replace('\u{202f}', " ").contains(told), "{html:.3000}");
    assert_eq!((listed(&html).len(), between(&html, "<use class", "/>").len()), (1000, 1000));
    let url = between(&html, "<a href=\"api/v1/conesearch?", "\"")[1].replace("&amp;", "&");
    let rows = server.get(&format!("/api/v1/conesearch?{url}")).await.text().await.unwrap();
    assert_eq!(rows.lines().count(), 1 + 1001, "{rows:.300}");
    server.stop().await;
}

#[tokio::test]
async fn the_page_of_an_object_lists_what_is_near() {
    let north = |arcsec: f64| [10.0, 20.0 + arcsec * ARCSEC];
    let three = [0.0, 2.0, 5.0].map(north);
    let server = sky(&[&three[..], &[north(3600.0)]].concat(), true).await;
    let html = page(visit(&server, "/2").await, 200).await;
    assert_eq!(listed(&html), ["1", "3"]);
    assert!(
        html.contains("<td>2.00</td><td>180</td>") && html.contains("<td>3.00</td><td>0</td>"),
        "{html}"
    );
    assert!(
        html.contains(&format!("<a href=\"cone?ra=10&#38;dec={}&#38;radius=60\">", three[1][1])),
        "{html}"
    );
    let alone = page(visit(&server, "/4").await, 200).await;
    assert!(alone.contains("No other object is there.") && listed(&alone).is_empty(), "{alone}");
    server.stop().await;

    let server = sky(&(0..25).map(|at| north(2.0 * f64::from(at))).collect::<Vec<_>>(), true).await;
    let html = page(visit(&server, "/1").await, 200).await;
    let expected: Vec<_> = (2..=21).map(|id| id.to_string()).collect();
    assert_eq!(listed(&html), expected);
    assert!(html.contains("And 4 more: <a href=\"cone?"), "{html}");
    server.stop().await;

    // Without a table of places, all sources would be looked at.
    let server = sky(&three, false).await;
    let html = page(visit(&server, "/2").await, 200).await;
    assert!(html.contains("Look for what else is there</a>") && listed(&html).is_empty(), "{html}");
    let link = between(&html, "<a href=\"cone?", "\"")[0].replace("&#38;", "&");
    let html = page(visit(&server, &format!("/cone?{link}")).await, 200).await;
    assert_eq!(listed(&html), ["2", "1", "3"]);
    server.stop().await;
}
