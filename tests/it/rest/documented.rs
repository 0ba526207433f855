//! The OpenAPI document and its page, held against the server that gives them.

use serde_json::{Value, json};

use super::survey::{ONE, Server, header};

const METHODS: [&str; 2] = ["get", "post"];

async fn document(server: &Server) -> Value {
    let answer = server.get("/openapi.json").await;
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "content-type")),
        (200, "application/json")
    );
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

fn operations(document: &Value) -> Vec<(&String, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| METHODS.map(|method| (path, method, &item[method]))).collect()
}

/// The value of an argument as the document shows it.
fn example(parameter: &Value) -> String {
    let told = || {
        let about = parameter["description"].as_str()?;
        about
            .rsplit_once("For example `")?
            .1
            .split_once('`')
            .map(|(example, _)| example.to_string())
    };
    match &parameter["example"] {
        Value::String(text) => text.clone(),
        _ => told().unwrap_or_else(|| panic!("{parameter} has no example")),
    }
}

#[tokio::test]
async fn every_path_and_argument_is_there() {
    let server = Server::filled().await;
    let document = document(&server).await;
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        paths,
        [
            "/api/v1/conesearch",
            "/api/v1/crossmatch",
            "/api/v1/fp",
            "/api/v1/objects",
            "/api/v1/plot",
            "/api/v1/schema",
            "/api/v1/skymap",
            "/api/v1/sources",
            "/api/v1/stream"
        ]
    );
    let about = server.get("/").await.text().await.unwrap();
    let api = include_str!("../../../API.md");
    for (path, _, operation) in operations(&document) {
        assert!(about.contains(&format!("POST {path} ")), "/ does not tell of {path}");
        let told = server.get(path).await.text().await.unwrap();
        assert_eq!(operation["summary"], told.trim_end(), "{path}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            assert!(api.contains(&format!("| `{name}`")), "API.md does not tell of {name}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn every_path_that_the_text_of_the_root_tells_is_a_route() {
    let server = Server::filled().await;
    let about = server.get("/").await.text().await.unwrap();
    let paths: Vec<_> =
        about.split([' ', ',', '\n']).filter(|word| word.starts_with('/')).collect();
    assert!(paths.len() >= 11, "{about}");
    for path in paths {
        let path = path.replace("<diaObjectId>", &ONE.to_string());
        assert_eq!(server.get(&path).await.status(), 200, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_value_that_no_argument_takes_is_refused_as_documented() {
    let server = Server::filled().await;
    let document = document(&server).await;
    for (path, method, operation) in operations(&document) {
        if method != "post" {
            continue;
        }
        let body = &operation["requestBody"]["content"]["application/json"];
        let asked = body["example"].as_object().unwrap();
        for name in body["schema"]["properties"].as_object().unwrap().keys() {
            let mut asked = asked.clone();
            asked.insert(name.clone(), json!({"no": "value"}));
            let answer = server.post(path, &Value::from(asked).to_string()).await;
            let status = answer.status().as_u16();
            let text = answer.text().await.unwrap();
            assert_eq!(status, 400, "{path} {name}: {text}");
            assert!(text.contains(name.as_str()), "{path} {name}: {text}");
            assert!(operation["responses"].get("400").is_some(), "{path}");
        }
    }
    server.stop().await;
}

/// What has to be given beside an argument, where that is not what is required.
fn needed_beside(path: &str, argument: &str) -> Option<&'static [&'static str]> {
    match (path, argument) {
        ("/api/v1/skymap", "moc" | "polygon") => Some(&[]),
        ("/api/v1/skymap", "skymap" | "bayestar") => Some(&["credible_level"]),
        ("/api/v1/skymap", "credible_level") => Some(&["skymap"]),
        ("/api/v1/skymap", _) => Some(&["skymap", "credible_level"]),
        _ => None,
    }
}

#[tokio::test]
async fn every_example_is_answered_and_in_a_documented_type() {
    let server = Server::filled().await;
    let document = document(&server).await;
    assert!(document["info"]["version"] == env!("CARGO_PKG_VERSION"));
    for (path, _, operation) in operations(&document).into_iter().filter(|(_, m, _)| *m == "get") {
        let types = operation["responses"]["200"]["content"].as_object().unwrap();
        let parameters = operation["parameters"].as_array().unwrap();
        let name = |parameter: &Value| parameter["name"].as_str().unwrap().to_string();
        let pair = |name: &str, value: &str| {
            let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            format!("{name}={value}&")
        };
        let pairs = |needed: &dyn Fn(&Value) -> bool| {
            let needed = parameters.iter().filter(|parameter| needed(parameter));
            needed.map(|needed| pair(&name(needed), &example(needed))).collect::<String>()
        };
        // Without any argument, an endpoint tells what it is.
        let required = pairs(&|parameter| parameter["required"] == true);
        let mut queries: Vec<_> =
            Some(required).filter(|required| !required.is_empty()).into_iter().collect();
        for parameter in parameters.iter().filter(|parameter| parameter["required"] != true) {
            let needed = needed_beside(path, &name(parameter));
            let asked = pairs(&|other| match needed {
                Some(needed) => needed.contains(&name(other).as_str()),
                None => other["required"] == true,
            });
            let words = parameter["schema"]["enum"].as_array().into_iter().flatten();
            let words = words.map(|word| word.as_str().unwrap().to_string());
            let values = words.chain([example(parameter)]);
            queries.extend(values.map(|value| asked.clone() + &pair(&name(parameter), &value)));
        }
        for query in queries {
            let answer = server.get(&format!("{path}?{query}")).await;
            let status = answer.status().as_u16();
            // Tables of a test have few columns: with upper limits or a filter, that is refused by name. So is a window without its start.
            let needs_more =
                ["withupperlim", "filter", "window"].into_iter().find(|of| query.contains(of));
            if let Some(argument) = needs_more
                && status == 400
            {
                assert!(answer.text().await.unwrap().contains(argument), "{path}?{query}");
                continue;
            }
            assert_eq!(status, 200, "{path}?{query}");
            let content_type = header(&answer, "content-type").to_string();
            assert!(types.contains_key(&content_type), "{path}?{query}: {content_type}");
        }
    }
    assert_eq!(document["paths"]["/api/v1/fp"]["get"]["parameters"][0]["example"], ONE.to_string());
    server.stop().await;
}

/// What the form of the page sends when it is opened and nothing is changed.
#[tokio::test]
async fn the_examples_together_give_rows() {
    let server = Server::filled().await;
    let document = document(&server).await;
    assert_eq!(document["servers"], json!([{"url": "."}]));
    for table in ["sources", "objects", "fp"] {
        let path = format!("/api/v1/{table}");
        let parameters = document["paths"][&path]["get"]["parameters"].as_array().unwrap();
        let prefilled = parameters.iter().filter_map(|parameter| {
            Some((parameter["name"].as_str()?, parameter["example"].as_str()?))
        });
        let asked: Vec<_> = prefilled.map(|(name, value)| format!("{name}={value}")).collect();
        let answer = server.get(&format!("{path}?{}", asked.join("&"))).await;
        assert_eq!(header(&answer, "x-diaflight-warning"), "", "{asked:?}");
        let rows: Vec<Value> = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert!(!rows.is_empty() && !rows[0].as_object().unwrap().is_empty(), "{asked:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_page_is_served_whole() {
    let server = Server::filled().await;
    let page = server.request("GET", "/docs/").header("Accept", "text/html").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(header(&page, "content-security-policy").contains("default-src 'self'"));
    let page = page.text().await.unwrap();
    assert!(page.contains("style.css") && !page.contains("//unpkg"), "{page}");
    let mut assets = 0;
    let files = page.split('"').filter(|part| part.ends_with(".js") || part.ends_with(".css"));
    for part in files {
        let path = match part.strip_prefix("..") {
            Some(path) => path.to_string(),
            None => format!("/docs/{part}"),
        };
        assert_eq!(server.get(&path).await.status(), 200, "{part}");
        assets += 1;
    }
    assert!(assets >= 5, "{page}");
    for path in ["/docs/index.html", "/docs/swagger-initializer.js", "/docs/x"] {
        assert_eq!(server.get(path).await.status(), 404, "{path}");
    }
    server.stop().await;
}
