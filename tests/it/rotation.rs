//! Secrets that are replaced while a server runs: tokens, its certificate, and the keys of its bucket.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use serde_json::json;
use tempfile::tempdir;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::cli::assert_refused;
use crate::program::{Finished, diaflight, finish};
use crate::seaweed::Bucket;
use crate::server::Server;
use crate::tls::{certificate, connected, warehouse};

/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether a statement is answered, over a connection that stays open.
async fn opens(channel: &Channel, token: &str) -> bool {
    let mut client = FlightSqlServiceClient::new(channel.clone());
    client.set_token(token.to_string());
    match client.execute("SELECT 1".into(), None).await {
        Ok(_) => true,
        Err(FlightError::Tonic(status)) if status.code() == Code::Unauthenticated => false,
        Err(error) => panic!("{error}"),
    }
}

/// What the log says of files that were read anew.
const READ: &str = "\"read again\"";

/// Waits until the log has said a text so many times.
async fn logged(server: &Server, text: &str, times: usize) {
    let start = Instant::now();
    while server.log().matches(text).count() < times {
        assert!(start.elapsed() < PATIENCE, "{text}, {times} times: {}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_tokens_is_read_again_and_a_wrong_one_is_not() {
    let folder = tempdir().unwrap();
    warehouse(&folder.path().join("w")).await;
    let file = folder.path().join("tokens");
    fs::write(&file, "# operators\nana:T0KEN-a\nbob:T0KEN-b\n").unwrap();
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--token", "T0KEN-flag", "--token-file"]);
    command.arg(&file).arg("--warehouse").arg(folder.path().join("w"));
    let server = Server::start(&mut command);
    let channel = Endpoint::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
    for (token, right) in
        [("T0KEN-a", true), ("T0KEN-b", true), ("T0KEN-flag", true), ("T0KEN-c", false)]
    {
        assert_eq!(opens(&channel, token).await, right, "{token}");
    }

    // Noticed without a signal.
    fs::write(&file, "ana:T0KEN-a2\nbob:T0KEN-b\n").unwrap();
    logged(&server, READ, 1).await;
    for (token, right) in
        [("T0KEN-a", false), ("T0KEN-a2", true), ("T0KEN-b", true), ("T0KEN-flag", true)]
    {
        assert_eq!(opens(&channel, token).await, right, "{token}");
    }

    fs::write(&file, "ana:T0KEN-a3\nT0KEN-b3\n").unwrap();
    logged(&server, "not read again", 1).await;
    server.logged("line 2").await;
    assert!(opens(&channel, "T0KEN-a2").await && !opens(&channel, "T0KEN-a3").await);
    fs::write(&file, "ana:T0KEN-a3\n").unwrap();
    server.signal("HUP");
    logged(&server, READ, 2).await;
    assert!(opens(&channel, "T0KEN-a3").await && !opens(&channel, "T0KEN-b").await);
    assert!(!server.log().contains("T0KEN"), "a token is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_with_its_key_and_never_alone() {
    let folder = tempdir().unwrap();
    let old = certificate(folder.path());
    warehouse(&folder.path().join("w")).await;
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--warehouse", &file("w")]);
    command.args(["--tls-cert", &file("cert.pem"), "--tls-key", &file("key.pem")]);
    let server = Server::start(&mut command);
    let url = server.url.replace("127.0.0.1", "localhost");
    let before = connected(&url, &old).await.unwrap();
    assert!(opens(&before, "none").await);

    let next = tempdir().unwrap();
    let new = certificate(next.path());
    fs::copy(next.path().join("cert.pem"), file("cert.pem")).unwrap();
    server.signal("HUP");
    server.logged("does not belong").await;
    connected(&url, &old).await.unwrap();
    fs::copy(next.path().join("key.pem"), file("key.pem")).unwrap();
    server.logged("\"read again\"").await;
    assert!(opens(&connected(&url, &new).await.unwrap(), "none").await);
    assert!(connected(&url, &old).await.is_err(), "the old certificate is still shown");
    assert!(opens(&before, "none").await, "a connection from before goes on");
}

/// A command whose settings for S3 are those of a home folder.
fn at_home(home: &Path, arguments: &[&str]) -> Command {
    let mut command = diaflight();
    command.args(arguments).env("HOME", home).env("AWS_ALLOW_HTTP", "true");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_PROFILE", "survey");
    command
}

fn key_file(home: &Path, key: &str, secret: &str) {
    let text = format!("[survey]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    fs::write(home.join("next"), text).unwrap();
    fs::rename(home.join("next"), home.join(".aws/credentials")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_profile_is_replaced_under_a_running_server() {
    let (bucket, home) = (Bucket::alone("rotated").await, tempdir().unwrap());
    let [(_, endpoint), .., (_, key), (_, secret)] = bucket.variables();
    fs::create_dir(home.path().join(".aws")).unwrap();
    let profile = format!("[profile survey]\nregion = us-east-1\nendpoint_url = {endpoint}\n");
    fs::write(home.path().join(".aws/config"), &profile).unwrap();
    key_file(home.path(), &key, &secret);
    let url = bucket.url("w");
    let generate = ["generate", "--objects", "20", "--json", "--warehouse", &url];
    let made = finish(&mut at_home(home.path(), &generate)).succeeded().json();
    let id = made["examples"][0]["diaObjectId"].to_string();
    let path = format!("/api/v1/sources?diaObjectId={}", id.trim_matches('"'));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--refresh-ms", "50", "--warehouse", &url];
    let server = Server::start(&mut at_home(home.path(), &serve));
    assert_eq!(server.get(&path).await.status(), 200);

    // In between both keys are known, or a look for new commits could come when the file has the one and the store knows the other.
    bucket.add_key("another", "only-for-tests-2").await;
    key_file(home.path(), "another", "only-for-tests-2");
    bucket.keep_key("another", "only-for-tests-2").await;
    for _ in 0..20 {
        let answer = server.get(&path).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
    assert!(!server.log().contains("only-for-tests"), "a secret is in the log");
    assert!(!server.log().contains("looking for new commits failed"), "{}", server.log());
}

/// The other places of the AWS tools: a process, a container's endpoint; and none.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_wherever_the_aws_tools_take_them() {
    let (bucket, home) = (Bucket::create("credentials").await, tempdir().unwrap());
    let [endpoint, _, region, (_, key), (_, secret)] = bucket.variables();
    let url = bucket.url("w");
    let generate = ["generate", "--objects", "2", "--warehouse", &url];
    finish(diaflight().args(generate).envs(bucket.variables())).succeeded();
    let asked = |more: &[(&str, &str)]| -> Finished {
        let sql =
            ["sql", "--format", "csv", "--warehouse", &url, "SELECT count(*) AS n FROM objects"];
        let mut command = at_home(home.path(), &sql);
        command.env_remove("AWS_PROFILE").envs([endpoint.clone(), region.clone()]);
        finish(command.envs(more.iter().copied()))
    };
    fs::create_dir(home.path().join(".aws")).unwrap();
    assert_refused(&asked(&[]), 1, "there are no AWS credentials");
    assert_refused(&asked(&[("AWS_PROFILE", "nowhere")]), 1, "nowhere");

    let printed = json!({"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret});
    fs::write(home.path().join("printed.json"), printed.to_string()).unwrap();
    let of_process = format!(
        "[profile process]\ncredential_process = cat {}\n",
        home.path().join("printed.json").display()
    );
    fs::write(home.path().join("config"), of_process).unwrap();
    let config = home.path().join("config");
    let of_process = [("AWS_CONFIG_FILE", config.to_str().unwrap()), ("AWS_PROFILE", "process")];
    assert_eq!(asked(&of_process).succeeded().stdout, "n\n2\n");

    let given = json!({"AccessKeyId": key, "SecretAccessKey": secret, "Token": "",
        "Expiration": "2100-01-01T00:00:00Z"});
    let handler = axum::routing::get(move || async move { given.to_string() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let container = format!("http://{}/credentials", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/credentials", handler);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let of_container = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str())];
    let finished = tokio::task::block_in_place(|| asked(&of_container));
    assert_eq!(finished.succeeded().stdout, "n\n2\n");
}
