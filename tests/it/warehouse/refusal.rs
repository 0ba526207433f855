//! Storage that does not exist or denies access: the command fails soon, with one line that names the location.

use std::net::TcpListener;

use crate::program::{diaflight, finish};
use crate::seaweed::Bucket;

fn refused(warehouse: &str, variables: &[(&str, String)]) -> String {
    let mut command = diaflight();
    command.args(["maintain", "compact", "--warehouse", warehouse]);
    let finished = finish(command.envs(variables.iter().map(|(name, value)| (name, value))));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains(warehouse), "{finished:?}");
    let last = finished.stderr.lines().last().unwrap_or_default();
    assert!(last.contains(warehouse), "more than one line: {finished:?}");
    finished.stderr
}

#[tokio::test]
async fn a_bucket_that_refuses_us_is_named() {
    let bucket = Bucket::create("refuses").await;
    let mut variables = bucket.variables();
    assert_eq!(variables[4].0, "AWS_SECRET_ACCESS_KEY");
    variables[4].1 = "wrong".to_string();
    let said = refused(&bucket.url("survey"), &variables);
    assert!(said.contains("403"), "{said}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let bucket = Bucket::create("is-there").await;
    let said = refused("s3://is-not-there/survey", &bucket.variables());
    assert!(said.contains("404"), "{said}");
}

#[test]
fn a_host_that_is_not_there_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let variables = [
        ("AWS_ENDPOINT_URL", format!("http://{free}")),
        ("AWS_ALLOW_HTTP", "true".to_string()),
        ("AWS_ACCESS_KEY_ID", "someone".to_string()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_string()),
    ];
    refused("s3://bucket/survey", &variables);
}
