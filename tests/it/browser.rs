//! The pages in Chromium, as people use them: see `tests/python/browser.py`. Without Chromium the test
//! is skipped with a message, except on CI, where it fails.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use tempfile::TempDir;

use crate::other_cameras;
use crate::program;
use crate::python;
use crate::server::Server;

#[tokio::test]
async fn people_find_read_and_take_away_light_curves() {
    let Some(chromium) = chromium() else { return };
    let survey = Survey::served(&[]).await;
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&pictures).unwrap();
    let said = script(
        "browser.py",
        &[&survey.server.url, &survey.ids.join(","), pictures.to_str().unwrap(), &chromium],
    );
    println!("{said}pictures are in {}", pictures.display());
}

#[tokio::test]
async fn pages_work_below_a_path_and_for_other_cameras() {
    let Some(chromium) = chromium() else { return };
    let survey = Survey::served(&[("DIAFLIGHT_TRUSTED_PROXIES", "127.0.0.1".to_string())]).await;
    let (other, _folder) = other_cameras::served().await;
    let arguments = [&survey.server.url, &survey.ids[0], &other.url, &chromium];
    println!("{}", script("browser_elsewhere.py", &arguments.map(String::as_str)));
}

/// What pages say of where they are is their own server's word, the settings', or a trusted proxy's.
#[tokio::test]
async fn requests_to_copy_name_the_address_that_clients_have() {
    let public = "https://example.org/some/path/";
    for (variables, sent, told) in [
        (vec![], "https", "http://127.0.0.1"),
        (vec![("DIAFLIGHT_TRUSTED_PROXIES", "10.0.0.0/8")], "https", "http://127.0.0.1"),
        (vec![("DIAFLIGHT_TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1")], "https", "https://127.0.0.1"),
        (vec![("DIAFLIGHT_PUBLIC_URL", public)], "http", "https://example.org/some/path/api/"),
    ] {
        let variables: Vec<_> =
            variables.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        let survey = Survey::served(&variables).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for path in [String::new(), survey.ids[0].clone()] {
            let request = client.get(format!("{}/{path}", survey.server.url));
            let request = request.header("Accept", "text/html").header("X-Forwarded-Proto", sent);
            let page = request.send().await.unwrap().text().await.unwrap();
            assert!(
                page.contains(&format!("curl &#39;{told}"))
                    || page.contains(&format!("curl '{told}")),
                "{told}: {page}"
            );
        }
    }
}

/// A synthetic survey, and a server of it.
pub struct Survey {
    pub server: Server,
    pub ids: Vec<String>,
    pub folder: TempDir,
}

impl Survey {
    pub async fn served(variables: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = folder.path().join("warehouse");
        let warehouse = warehouse.to_str().unwrap();
        let generate = ["generate", "--json", "--warehouse", warehouse, "--objects", "2000"];
        let made = program::run(generate).succeeded().json();
        let examples = made["examples"].as_array().unwrap();
        let ids = examples.iter().map(|object| object["diaObjectId"].to_string()).collect();
        Self { server: Server::serve(warehouse, variables).await, ids, folder }
    }
}

pub fn script(name: &str, arguments: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    python::run(&folder.join(name), arguments, &[])
}

/// The browser in `PATH`, or `None`, having said that the test is skipped.
pub fn chromium() -> Option<String> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&folders);
    let mut programs = places.flat_map(|folder| {
        ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name))
    });
    let found = programs.find(|program| program.is_file());
    if found.is_none() {
        let missing = "there is no chromium in PATH (Debian: apt-get install chromium)";
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "{missing}");
        let _ = writeln!(io::stderr(), "SKIPPED: {missing}");
    }
    found.map(|program| program.to_str().unwrap().to_string())
}
