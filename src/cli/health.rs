//! `diaflight health`: whether a server is ready, for what starts and watches it. Exit code 1 where it is not, or does not answer.

use std::process::ExitCode;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};

use super::say;
use crate::config::HealthArgs;
use crate::error::{Error, Kind, Result};
use crate::rest::READY;

/// Less than what asks usually waits for this program.
const LIMIT: Duration = Duration::from_secs(4);

/// Runs the command.
pub async fn health(arguments: HealthArgs) -> Result<ExitCode> {
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => own_url(&arguments.listen, arguments.tls_cert.is_some()),
    };
    // A certificate names the server's public host, not this machine; nothing secret is sent to it.
    let is_own = arguments.url.is_none();
    let mut client = Client::builder()
        .timeout(LIMIT)
        .redirect(Policy::none())
        .danger_accept_invalid_certs(is_own);
    if is_own {
        client = client.no_proxy();
    }
    let client = client.build();
    let client = client.map_err(|error| Error::internal(format!("the HTTP client: {error}")))?;
    let failed = |why: &dyn std::fmt::Display| Error::new(Kind::NotReady, format!("{url}: {why}"));
    let ready = ready_url(&url)?;
    let answer = client.get(ready).send().await.map_err(|error| failed(&causes(&error)))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| failed(&causes(&error)))?;
    match status {
        // Whatever else answers is another server.
        StatusCode::OK if text == READY => say(text.trim_end())?,
        status => return Err(failed(&format!("{status}: {}", told(&text)))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a server at this URL, which may have a path, says whether it is ready.
fn ready_url(url: &str) -> Result<Url> {
    let wrong = |why: &dyn std::fmt::Display| {
        Error::argument(format!("{url}: {why}; give a URL such as http://localhost:8080"))
    };
    let mut ready = Url::parse(url).map_err(|error| wrong(&error))?;
    if !["http", "https"].contains(&ready.scheme())
        || ready.query().is_some()
        || ready.fragment().is_some()
    {
        return Err(wrong(&"not the URL of a server"));
    }
    let path = format!("{}/health/ready", ready.path().trim_end_matches('/'));
    ready.set_path(&path);
    Ok(ready)
}

/// Where a server with these settings is to be found from its own machine.
fn own_url(listen: &str, is_encrypted: bool) -> String {
    let scheme = if is_encrypted { "https" } else { "http" };
    let (host, port) = listen.rsplit_once(':').unwrap_or((listen, "8080"));
    let host = match host {
        "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        host => host,
    };
    format!("{scheme}://{host}:{port}")
}

/// The text of an error answer.
fn told(answer: &str) -> String {
    let json = serde_json::from_str::<serde_json::Value>(answer).unwrap_or_default();
    let text = json["text"].as_str().unwrap_or(answer).trim();
    text.chars().take(500).collect()
}

/// An error with what caused it: reqwest's own text does not say why.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_where_it_listens() {
        for (listen, is_encrypted, url) in [
            ("127.0.0.1:8080", false, "http://127.0.0.1:8080"),
            ("0.0.0.0:81", false, "http://127.0.0.1:81"),
            ("[::]:444", true, "https://[::1]:444"),
            ("localhost:8080", false, "http://localhost:8080"),
        ] {
            assert_eq!(own_url(listen, is_encrypted), url);
        }
    }

    #[test]
    fn a_url_may_have_a_path_and_nothing_more() {
        for url in ["https://example.org/lsst", "https://example.org/lsst/"] {
            let ready = ready_url(url).unwrap();
            assert_eq!(ready.as_str(), "https://example.org/lsst/health/ready");
        }
        for wrong in ["no url", "ftp://a.b", "http://a.b/?x=1", "http://a.b/#a"] {
            assert_eq!(ready_url(wrong).unwrap_err().kind(), Kind::Argument, "{wrong}");
        }
    }
}
