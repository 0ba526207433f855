//! A server with a certificate and a token: REST and Flight over TLS on one port, and who may read what.

use std::fs;
use std::path::Path;

use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::{FlightClient, FlightDescriptor};
use diaflight::survey::{self, Nights, SurveyOptions};
use diaflight::warehouse::Warehouse;
use futures::TryStreamExt;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::cli::assert_refused;
use crate::program::{diaflight, finish, run};
use crate::server::Server;

const TOKEN: &str = "open-sesame-61105";

/// A certificate of its own for localhost, `cert.pem`, and `key.pem`; returns its PEM.
pub fn certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

pub async fn warehouse(folder: &Path) -> i64 {
    let warehouse = Warehouse::open(folder.to_str().unwrap()).unwrap();
    let options = SurveyOptions { objects: 50, seed: 1, nights: Nights::ALL };
    let made = survey::generate(&warehouse, &options, &|_| {}).await.unwrap();
    made.examples[0].dia_object_id
}

async fn channel(url: &str, pem: &str) -> Channel {
    connected(url, pem).await.unwrap()
}

pub async fn connected(url: &str, pem: &str) -> Result<Channel, tonic::transport::Error> {
    let trusted = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
    let endpoint = Endpoint::from_shared(url.to_string()).unwrap();
    endpoint.tls_config(trusted).unwrap().connect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_doors_are_encrypted_and_the_token_opens_what_is_not_for_everyone() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, id) = (certificate(folder.path()), warehouse(&folder.path().join("w")).await);
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--warehouse", &file("w")]);
    command.args(["--tls-cert", &file("cert.pem"), "--tls-key", &file("key.pem")]);
    let server = Server::start(command.env("DIAFLIGHT_TOKEN", TOKEN));
    let url = server.url.replace("127.0.0.1", "localhost");
    assert!(url.starts_with("https://"), "{url}");

    let trusted = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().add_root_certificate(trusted);
    let asked = format!("{url}/api/v1/sources?diaObjectId={id}");
    let answer = client.build().unwrap().get(asked).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(reqwest::get(url.replace("https", "http")).await.is_err());

    let channel = channel(&url, &pem).await;
    let mut flight = FlightClient::new(channel.clone());
    let one = FlightDescriptor::new_path(vec!["sources".into(), id.to_string()]);
    let info = flight.get_flight_info(one).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let rows: Vec<_> = flight.do_get(ticket).await.unwrap().try_collect().await.unwrap();
    assert!(rows.iter().any(|batch| batch.num_rows() > 0), "lookups are for everyone");
    let whole = || FlightDescriptor::new_path(vec!["sources".into()]);
    let refused = flight.get_flight_info(whole()).await.unwrap_err().to_string();
    assert!(refused.contains("token") && !refused.contains(TOKEN), "{refused}");

    let mut sql = FlightSqlServiceClient::new(channel.clone());
    let refused = sql.execute("SELECT 1".into(), None).await.unwrap_err();
    let arrow_flight::error::FlightError::Tonic(status) = &refused else { panic!("{refused}") };
    assert_eq!(status.code(), Code::Unauthenticated);
    sql.handshake("anyone", "wrong").await.unwrap_err();
    sql.handshake("anyone", TOKEN).await.unwrap();
    sql.execute("SELECT 1".into(), None).await.unwrap();
    flight.add_header("authorization", &format!("Bearer {TOKEN}")).unwrap();
    flight.get_flight_info(whole()).await.unwrap();
    assert!(!server.log().contains(TOKEN), "the token is in the log");

    let sql = |more: &[&str]| {
        let mut sql = diaflight();
        sql.args(["sql", "--server", &url, "SELECT count(*) AS n FROM objects"]).args(more);
        finish(sql.args(["--format", "csv"]).env("DIAFLIGHT_TOKEN", TOKEN))
    };
    let trusting = ["--ca-cert", &file("cert.pem")];
    assert_eq!(sql(&trusting).succeeded().stdout, "n\n50\n");
    assert_refused(&sql(&[]), 1, "certificate");
    for (unusable, why) in [("key.pem", "no certificate"), ("none.pem", "none.pem")] {
        assert_refused(&sql(&["--ca-cert", &file(unusable)]), 2, why);
    }
}

#[test]
fn a_wrong_certificate_or_token_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    fs::write(file("text.pem"), "not a certificate").unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--warehouse", &file("w")].map(String::from);
    for (flags, named) in [
        (vec!["--tls-cert", "cert.pem"], "--tls-key"),
        (vec!["--tls-cert", "none.pem", "--tls-key", "key.pem"], "none.pem"),
        (vec!["--tls-cert", "text.pem", "--tls-key", "key.pem"], "text.pem"),
        (vec!["--tls-cert", "cert.pem", "--tls-key", "cert.pem"], "cert.pem"),
        (vec!["--token", "two words"], "ASCII"),
        (vec!["--token-file", "text.pem"], "line 1"),
    ] {
        let flags = flags.iter().map(|flag| match flag.ends_with(".pem") {
            true => file(flag),
            false => flag.to_string(),
        });
        let finished = run(serve.iter().cloned().chain(flags));
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
        assert!(finished.stderr.contains(named), "{finished:?}");
        assert!(!finished.stderr.contains("two words"), "{finished:?}");
    }
}
