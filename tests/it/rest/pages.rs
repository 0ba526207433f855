//! The pages, without a browser: who gets which, and that nothing a client sends becomes a part of them.

use std::time::Duration;

use diaflight::server::ServerOptions;
use reqwest::Response;
use reqwest::redirect::Policy;

use super::survey::{ONE, Server, TWO, header, warehouse};

pub const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Checks what every page has, and returns it.
pub async fn page(answer: Response, status: u16) -> String {
    assert_eq!(answer.status(), status);
    assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
    let policy = header(&answer, "content-security-policy");
    assert!(policy.contains("default-src 'self'") && !policy.contains("script-src"), "{policy}");
    assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    assert!(header(&answer, "vary").contains("accept"));
    assert!(!header(&answer, "x-request-id").is_empty());
    let html = answer.text().await.unwrap();
    for part in ["<!doctype html>", "<html lang=\"en\">", "<title>", "<main", "<h1>"] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    html
}

pub async fn visit(server: &Server, path: &str) -> Response {
    server.request("GET", path).header("Accept", BROWSER).send().await.unwrap()
}

#[tokio::test]
async fn a_browser_gets_pages_and_a_program_gets_text() {
    let server = Server::filled().await;
    let home = page(visit(&server, "/").await, 200).await;
    for part in [
        "action=\"objects\"",
        "href=\"docs/\"",
        "href=\"openapi.json\"",
        "version 0",
        "MJD 61105.09364",
    ] {
        assert!(home.contains(part), "{part} is not in {home}");
    }
    assert!(home.contains(&format!("href=\"{ONE}\"")), "{home}");
    let text = server.get("/").await;
    assert_eq!(header(&text, "content-type"), "text/plain; charset=utf-8");
    assert!(text.text().await.unwrap().contains("/api/v1/sources"));

    for answer in [visit(&server, &format!("/{ONE}")).await, server.get(&format!("/{ONE}")).await] {
        let html = page(answer, 200).await;
        for part in ["61105.093643", "2026-03-06 02:14:", "main_label_classifier", "a, &#34;b&#34;"]
        {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(html.contains("output-format=votable") && html.contains("<noscript>"), "{html}");
        // What the tables of a test lack is named, and what they have is shown; nobody made it up.
        assert!(html.contains("3 detections") && html.contains("no band"), "{html}");
        assert!(html.contains("sources r:band, sources r:visit"), "{html}");
        assert!(!html.contains("synthetic"), "{html}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_form_that_the_client_reads() {
    let server = Server::filled().await;
    for (path, said) in [
        ("/12", "no diaObjectId 12 in the table objects, as of its version 0"),
        ("/abc", "There is no /abc"),
        ("/-5", "up to 19 digits"),
        ("/99999999999999999999", "up to 19 digits"),
        ("/objects?diaObjectId=x-y", "There is neither an object nor a place `x-y`"),
    ] {
        let html = page(visit(&server, path).await, 404).await;
        assert!(html.contains(said) && html.contains("role=\"search\""), "{path}: {html}");
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "content-type")),
            (404, "application/json")
        );
    }
    // Only pages have errors in this form: TOPCAT, for one, sends a browser's Accept to the API.
    for path in ["/api/v1/nothing", "/api/v1/sources?columns=r:ra", "/assets/1/nothing.js"] {
        assert_eq!(
            header(&visit(&server, path).await, "content-type"),
            "application/json",
            "{path}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn nothing_that_a_client_sends_becomes_a_part_of_a_page() {
    let server = Server::filled().await;
    let script = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27";
    for path in [
        format!("/{script}"),
        format!("/objects?diaObjectId={script}"),
        format!("/objects?diaObjectId={ONE},{script}"),
    ] {
        let html = visit(&server, &path).await.text().await.unwrap();
        assert!(html.contains("&#60;script&#62;") && !html.contains("<script>"), "{path}: {html}");
    }
    for host in ["a.b\"'><script>", "a b", "$(touch x)"] {
        for path in ["/".to_string(), format!("/{ONE}")] {
            let request = server.request("GET", &path).header("Accept", BROWSER);
            let answer = request.header("Host", host).send().await.unwrap();
            if answer.status() != 400 {
                let html = page(answer, 200).await;
                assert!(
                    html.contains("localhost:8080") && !html.contains("touch"),
                    "{host}: {html}"
                );
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn the_search_box_leads_to_one_object_or_to_several() {
    let server = Server::filled().await;
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    for (typed, to) in [(format!("+{ONE}+"), format!("./{ONE}")), (String::new(), "./".into())] {
        let asked = client.get(server.url(&format!("/objects?diaObjectId={typed}")));
        let answer = asked.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, &to[..]));
    }
    let several = format!("/objects?diaObjectId={TWO}+{ONE},17%0Axyz");
    let html = page(visit(&server, &several).await, 200).await;
    let place =
        |text: String| html.find(&text).unwrap_or_else(|| panic!("{text} is not in {html}"));
    assert!(place(format!("<a href=\"{TWO}\"")) < place(format!("<a href=\"{ONE}\"")));
    assert!(html.contains("2 of 4 objects") && html.contains("<code>xyz</code>"), "{html}");
    assert!(html.contains(">17</span>"), "{html}");
    let search = |typed: &str| {
        let form = format!("diaObjectId={}", typed.replace(' ', "+"));
        let request = client.post(server.url("/objects")).header("Accept", BROWSER);
        request.header("Content-Type", "application/x-www-form-urlencoded").body(form).send()
    };
    for (typed, to) in [
        (String::new(), "./".to_string()),
        (ONE.to_string(), format!("./{ONE}")),
        (format!("{ONE} {TWO},{ONE}"), format!("objects?diaObjectId={ONE},{TWO}")),
    ] {
        let answer = search(&typed).await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, &to[..]));
    }
    let unknown: String = (1..=9_000).map(|id| format!(" {id}")).collect();
    let junk = "x ".repeat(100);
    let html = page(search(&format!("{TWO}{unknown} {ONE} {junk}")).await.unwrap(), 200).await;
    assert!(html.contains("2 of 9102 objects") && html.contains("and 80 more"), "{html:.2000}");
    assert!(html.contains(">9000</span>"), "all that are unknown are named");
    let hidden = format!(r#"name="diaObjectId" value="{TWO},{ONE}">"#);
    assert!(html.contains(&hidden) && html.contains(r#"formaction="objects/fp""#), "{html:.2000}");
    let html = page(search(&format!("{ONE}&as_of=3")).await.unwrap(), 200).await;
    assert!(html.contains("takes no arguments but ids: as_of."), "{html}");
    let more: String = (1..=10_001).map(|id| format!(" {id}")).collect();
    let html = page(search(&more).await.unwrap(), 413).await;
    assert!(html.contains("10000 objects") && html.contains("/api/v1/objects"), "{html}");
    drop(client);
    server.stop().await;
}

/// What the buttons of the list send. The API takes JSON alone.
#[tokio::test]
async fn the_list_is_downloaded_by_a_form() {
    let server = Server::filled().await;
    let arguments = format!("diaObjectId={ONE},{TWO}&output-format=csv");
    let got = server.get(&format!("/api/v1/objects?{arguments}")).await.text().await.unwrap();
    let sent = async |path: &str| {
        let form = server.request("POST", path).body(arguments.clone());
        let form = form.header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
        form.send().await.unwrap()
    };
    assert_eq!(sent("/api/v1/objects").await.status(), 415);
    let answer = sent("/objects/objects").await;
    assert_eq!(answer.status(), 200);
    assert!(header(&answer, "content-disposition").contains("objects-2-objects.csv"));
    assert_eq!(answer.text().await.unwrap(), got);
    assert_eq!(got.lines().count(), 3, "{got}");
    server.stop().await;
}

/// Behind a proxy that takes away the beginning of a path, only what is relative leads back to the server.
#[tokio::test]
async fn no_page_names_a_path_from_the_root() {
    let server = Server::filled().await;
    let several = format!("/objects?diaObjectId={ONE},{TWO},x");
    let cone = "/cone?ra=53.25&dec=-27.86&radius=60";
    for path in ["/", &format!("/{ONE}"), &several, cone, "/12", "/cone", "/docs/"] {
        let html = visit(&server, path).await.text().await.unwrap();
        for attribute in
            ["href", "src", "action", "data-sources", "data-fp", "data-stream", "data-document"]
        {
            let absolute = format!("{attribute}=\"/");
            assert!(!html.contains(&absolute), "{path} has {absolute}: {html}");
        }
    }
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let answer = client.get(server.url("/docs")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "docs/"));
    drop((answer, client));
    server.stop().await;
}

#[tokio::test]
async fn assets_are_kept_for_ever_and_compressed_once() {
    let server = Server::filled().await;
    let home = visit(&server, "/").await.text().await.unwrap();
    let style = home.split('"').find(|part| part.ends_with("/style.css")).unwrap();
    let style = style.strip_prefix('.').unwrap();
    let answer = server.get(style).await;
    assert_eq!(header(&answer, "content-type"), "text/css; charset=utf-8");
    assert!(header(&answer, "cache-control").contains("immutable"));
    let plain = answer.bytes().await.unwrap();
    let request = server.request("GET", style).header("Accept-Encoding", "gzip, br");
    let answer = request.send().await.unwrap();
    assert_eq!(header(&answer, "content-encoding"), "gzip");
    let mut read = Vec::new();
    let compressed = answer.bytes().await.unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(&compressed[..]), &mut read).unwrap();
    assert_eq!(read, plain);
    let other = server.get("/assets/of-another-release/style.css").await;
    assert_eq!((other.status().as_u16(), header(&other, "cache-control")), (200, "no-cache"));
    server.stop().await;
}

#[tokio::test]
async fn a_head_has_no_body_and_a_page_no_other_method() {
    let server = Server::filled().await;
    for path in ["/".to_string(), format!("/{ONE}")] {
        let answer = server.request("HEAD", &path).header("Accept", BROWSER).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "content-type")),
            (200, "text/html; charset=utf-8")
        );
        assert!(answer.bytes().await.unwrap().is_empty());
        let answer = server.request("POST", &path).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, "GET,HEAD"));
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_keep_to_the_limits_and_home_is_always_there() {
    let warehouse = warehouse();
    let options = ServerOptions {
        max_concurrent_requests: 0,
        queue_limit: Duration::ZERO,
        ..ServerOptions::DEFAULT
    };
    let server = Server::with(&warehouse, options).await;
    let busy = page(visit(&server, "/12").await, 429).await;
    assert!(busy.contains("Over capacity"), "{busy}");
    let home = page(visit(&server, "/").await, 200).await;
    assert!(home.contains("the table sources does not exist yet"), "{home}");
    server.stop().await;
    let server = Server::over(&warehouse).await;
    let unready = page(visit(&server, "/12").await, 503).await;
    assert!(unready.contains("ingest alerts first"), "{unready}");
    server.stop().await;
}
