//! Accepts encrypted connections for HTTP/1.1, HTTP/2 and gRPC, with a certificate and key from PEM files, which are read again while the
//! server runs. New connections get the new pair; files that are wrong, or do not belong together, leave the old one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::error::{Error, Result};

/// The certificate of a server and its key.
#[derive(Debug)]
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    pair: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads the PEM files: `certificate` has the server's own certificate first, then those of its chain. Errors name the file.
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Arc<Self>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pair = RwLock::new(Arc::new(read(&certificate, &key, &provider)?));
        Ok(Arc::new(Self { certificate, key, provider, pair }))
    }

    /// Both files.
    pub fn files(&self) -> [&Path; 2] {
        [&self.certificate, &self.key]
    }

    /// Reads both files again. If one is wrong, or they do not belong together, nothing changes.
    pub fn read_again(&self) -> Result<()> {
        let pair = read(&self.certificate, &self.key, &self.provider)?;
        *self.pair.write() = Arc::new(pair);
        Ok(())
    }

    /// Encrypts connections with the pair that was read last.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal(format!("TLS: {error}")))?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair.read().clone())
    }
}

/// The certificates of a PEM file, at least one. Errors name the file.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|error| wrong(file, error))?;
    match found.is_empty() {
        true => Err(wrong(file, "it has no certificate in PEM format")),
        false => Ok(found),
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey> {
    let chain = certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
    CertifiedKey::from_der(chain, secret, provider).map_err(|error| {
        let of = certificate.display();
        wrong(key, format!("it does not belong to the certificate {of}: {error}"))
    })
}

fn wrong(file: &Path, why: impl std::fmt::Display) -> Error {
    Error::argument(format!("{}: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pair_that_does_not_belong_together_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        let made = || rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
        let (old, new) = (made(), made());
        fs::write(&certificate, old.cert.pem()).unwrap();
        fs::write(&key, old.signing_key.serialize_pem()).unwrap();
        let pair = Certificate::open(certificate.clone(), key.clone()).unwrap();
        let shown = || pair.pair.read().cert[0].to_vec();
        fs::write(&certificate, new.cert.pem()).unwrap();
        let error = pair.read_again().unwrap_err().to_string();
        assert!(error.contains("key.pem") && error.contains("does not belong"), "{error}");
        assert_eq!(shown(), old.cert.der().to_vec());
        fs::write(&key, new.signing_key.serialize_pem()).unwrap();
        pair.read_again().unwrap();
        assert_eq!(shown(), new.cert.der().to_vec());
    }
}
