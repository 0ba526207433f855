//! `deploy/nginx.conf`, run by nginx itself before two servers: pages, REST and Flight below a path, whether the proxy removes the path or
//! not, and while one of the servers is gone. Only addresses, names and places of the file are replaced.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use reqwest::{Certificate, Client, Url};
use serde_json::Value;
use tempfile::TempDir;

use crate::browser::{Survey, chromium, script};
use crate::program::{diaflight, installed, send};
use crate::server::Server;
use crate::tls::certificate;

/// nginx before two servers of one survey.
struct Site {
    nginx: Child,
    /// `https://localhost:PORT/lsst`.
    url: String,
    plain: String,
    pem: String,
    survey: Survey,
    second: Server,
    folder: TempDir,
}

/// The path of a request as the proxy forwards it.
#[derive(Clone, Copy, PartialEq)]
enum Forwarded {
    WithoutPath,
    WithPath,
}

impl Site {
    async fn start(forwarded: Forwarded) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pem = certificate(folder.path());
        let [https, http] = free_ports();
        let url = format!("https://localhost:{https}/lsst");
        let setting = match forwarded {
            Forwarded::WithoutPath => ("DIAFLIGHT_TRUSTED_PROXIES", "127.0.0.1".to_string()),
            Forwarded::WithPath => ("DIAFLIGHT_PUBLIC_URL", format!("{url}/")),
        };
        let settings = [setting, ("DIAFLIGHT_MAX_SHARE_PERCENT", "100".to_string())];
        let survey = Survey::served(&settings).await;
        let mut second = diaflight();
        second.args(["serve", "--listen", "127.0.0.1:0", "--warehouse"]);
        second.arg(survey.folder.path().join("warehouse")).envs(settings);
        let second = Server::start(&mut second);
        second.ready().await;
        let address = |server: &Server| server.url.trim_start_matches("http://").to_string();
        let mut replaced = vec![
            ("listen 443".to_string(), format!("listen 127.0.0.1:{https}")),
            ("listen 80".to_string(), format!("listen 127.0.0.1:{http}")),
            ("127.0.0.1:8081".to_string(), address(&survey.server)),
            ("127.0.0.1:8082".to_string(), address(&second)),
            ("server_name example.org".to_string(), "server_name localhost".to_string()),
            ("/etc/ssl/example.org".to_string(), folder.path().to_str().unwrap().to_string()),
        ];
        if forwarded == Forwarded::WithPath {
            let [removes, keeps] = ["diaflight_http/;", "diaflight_http;"].map(String::from);
            replaced.push((removes, keeps));
        }
        let nginx = nginx(folder.path(), &replaced);
        let plain = format!("http://localhost:{http}");
        let site = Self { nginx, url, plain, pem, survey, second, folder };
        while site.client().get(format!("{}/health/live", site.url)).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        site
    }

    /// A client that trusts the certificate and follows no redirect.
    fn client(&self) -> Client {
        let trusted = Certificate::from_pem(self.pem.as_bytes()).unwrap();
        let client = Client::builder().no_proxy().add_root_certificate(trusted);
        client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
    }

    /// The status and the place of a redirect, or the body.
    async fn asked(&self, path: &str, accept: &str) -> (u16, String) {
        let request = self.client().get(format!("{}{path}", self.url)).header("Accept", accept);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_string());
        (status, to.unwrap_or(answer.text().await.unwrap()))
    }

    /// What does not need a browser.
    async fn answers_programs(&self) {
        let id = &self.survey.ids[0];
        let rows = format!("/api/v1/sources?diaObjectId={id}");
        let right = self.asked(&rows, "*/*").await;
        assert_eq!(right.0, 200);
        for path in
            [format!("//{}", &rows[1..]), rows.replace('?', "/?"), rows.replace("/v1", "//v1")]
        {
            assert_eq!(self.asked(&path, "*/*").await, right, "{path}");
        }
        let (_, list) = self.asked("/", "*/*").await;
        assert!(list.contains("GET or POST /lsst/api/v1/sources"), "{list}");
        let page = format!("/{id}/");
        assert_eq!(self.asked(&page, "*/*").await.0, 200);
        let (status, to) = self.asked(&page, "text/html").await;
        let to = Url::parse(&format!("{}{page}", self.url)).unwrap().join(&to).unwrap();
        assert_eq!((status, to.as_str()), (308, format!("{}/{id}", self.url).as_str()));
        let secure = self.client().get(format!("{}/lsst/", self.plain)).send().await.unwrap();
        assert_eq!(
            (secure.status().as_u16(), &secure.headers()["location"]),
            (308, &"https://localhost/lsst/".parse().unwrap())
        );
        let columns = "r:psfFlux,".repeat(5_000);
        let long = self.asked(&format!("{rows}&columns={columns}r:band"), "*/*").await;
        assert_eq!(long.0, 200, "a URL of 50 kB: {}", long.1);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("nginx.log"));
            eprintln!("log of nginx:\n{}", log.unwrap_or_default());
        }
        // It ends its workers.
        send("TERM", &self.nginx);
        self.nginx.wait().unwrap();
    }
}

fn free_ports() -> [u16; 2] {
    let taken = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    taken.map(|listener| listener.local_addr().unwrap().port())
}

/// Runs the file in a folder, as its main file includes it on Debian.
fn nginx(folder: &Path, replaced: &[(String, String)]) -> Child {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx.conf");
    let mut site = fs::read_to_string(file).unwrap();
    for (example, here) in replaced {
        assert!(site.contains(example), "{example} is not in the file");
        site = site.replace(example, here);
    }
    fs::write(folder.join("site.conf"), site).unwrap();
    let own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let places = own.map(|name| format!("{name}_temp_path temp_{name};"));
    let main = format!(
        "daemon off; user root; pid nginx.pid; error_log stderr warn; events {{}} http {{ access_log off; {} include site.conf; }}",
        places.join(" ")
    );
    fs::write(folder.join("nginx.conf"), main).unwrap();
    let log = File::create(folder.join("nginx.log")).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "stderr"]);
    command.stderr(log).spawn().unwrap()
}

async fn works_below_a_path(forwarded: Forwarded) {
    let Some(chromium) = chromium() else { return };
    if !installed("nginx") {
        return;
    }
    let mut site = Site::start(forwarded).await;
    site.answers_programs().await;
    let pem = site.folder.path().join("cert.pem");
    let arguments = [&site.url, &site.survey.ids.join(","), pem.to_str().unwrap(), &chromium];
    let said = script("proxy.py", &arguments);
    let seen: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert!(seen["links"].as_u64() > Some(40) && seen["rows"].as_u64() > Some(1000), "{seen}");

    assert!(site.second.end("TERM").success());
    for n in 0..20 {
        let question = format!("/api/v1/objects?diaObjectId={}", site.survey.ids[0]);
        assert_eq!(
            site.asked(&question, "*/*").await.0,
            200,
            "request {n} without the second server"
        );
    }
}

#[tokio::test]
async fn pages_and_flight_work_behind_nginx_that_removes_the_path() {
    works_below_a_path(Forwarded::WithoutPath).await;
}

#[tokio::test]
async fn pages_and_flight_work_behind_nginx_that_keeps_the_path() {
    works_below_a_path(Forwarded::WithPath).await;
}
