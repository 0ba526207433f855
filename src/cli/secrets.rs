//! The tokens and the certificate of a server. They are read at its start, before anything else is done, and again while it runs: when one
//! of their files changes, and on SIGHUP.
//!
//! Mounted secrets are symbolic links that are exchanged, and editors write a new file in place of the old one. So the files are looked at
//! by name every few seconds.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;

use crate::config::HttpArgs;
use crate::error::Result;
use crate::tls::Certificate;
use crate::token::Tokens;

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// What a server keeps secret, or shows its clients as proof.
#[derive(Clone)]
pub(super) struct Secrets {
    pub tokens: Tokens,
    certificate: Option<Arc<Certificate>>,
    /// The files as they were before they were read.
    seen: Vec<(PathBuf, Option<Stamp>)>,
}

impl Secrets {
    /// Reads the files that the settings name.
    pub(super) fn open(http: &HttpArgs) -> Result<Self> {
        let files = [&http.token_file, &http.tls_cert, &http.tls_key].into_iter().flatten();
        let seen = files.map(|file| (file.clone(), stamp(file))).collect();
        let tokens = Tokens::open(http.token.clone(), http.token_file.clone())?;
        let files = http.tls_cert.clone().zip(http.tls_key.clone());
        let certificate = files.map(|(cert, key)| Certificate::open(cert, key)).transpose()?;
        Ok(Self { tokens, certificate, seen })
    }

    /// `None` if connections are not encrypted.
    pub(super) fn acceptor(&self) -> Result<Option<TlsAcceptor>> {
        self.certificate.as_ref().map(Certificate::acceptor).transpose()
    }

    /// Reads files again when they change and when `hangups` changes, in tasks that go on until the end of the program.
    pub(super) fn follow(&self, hangups: &watch::Receiver<u64>) {
        if let Some(file) = self.tokens.file() {
            let tokens = self.tokens.clone();
            let read = move || tokens.read_again();
            tokio::spawn(self.followed("tokens", [file], read).follow(hangups.clone()));
        }
        if let Some(certificate) = self.certificate.clone() {
            let files = certificate.files().map(PathBuf::from);
            let read = move || certificate.read_again();
            tokio::spawn(self.followed("certificate", files, read).follow(hangups.clone()));
        }
    }
}

impl Secrets {
    fn followed(
        &self,
        what: &'static str,
        files: impl IntoIterator<Item: Into<PathBuf>>,
        read: impl Fn() -> Result<()> + Send + 'static,
    ) -> Followed {
        let files: Vec<_> = files.into_iter().map(Into::into).collect();
        let seen = |file| self.seen.iter().find(|(known, _)| known == file)?.1;
        let seen = files.iter().map(seen).collect();
        Followed { what, files, read: Box::new(read), seen }
    }
}

/// Files, and how to read them again.
struct Followed {
    what: &'static str,
    files: Vec<PathBuf>,
    read: Box<dyn Fn() -> Result<()> + Send>,
    seen: Vec<Option<Stamp>>,
}

/// What distinguishes a file from another one of its name, or from itself before it was written.
type Stamp = (u64, u64, SystemTime, i64, i64);

impl Followed {
    async fn follow(mut self, mut hangups: watch::Receiver<u64>) {
        loop {
            let told = tokio::select! {
                Ok(()) = hangups.changed() => true,
                () = tokio::time::sleep(EVERY) => false,
            };
            // A mounted file may be slow, or its server gone.
            let looked = spawn_blocking(move || {
                self.look(told);
                self
            });
            match looked.await {
                Ok(followed) => self = followed,
                Err(error) => return tracing::error!(%error, "files are not followed any more"),
            }
        }
    }

    fn look(&mut self, told: bool) {
        // Before they are read: a change that comes meanwhile is seen the next time.
        let now = stamps(&self.files);
        if now == self.seen && !told {
            return;
        }
        self.seen = now;
        let what = self.what;
        match (self.read)() {
            Ok(()) => tracing::info!(what, "read again"),
            Err(error) => {
                tracing::error!(what, %error, "not read again: what was read before is still used")
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| stamp(file)).collect()
}

fn stamp(file: &Path) -> Option<Stamp> {
    let of = fs::metadata(file).ok()?;
    Some((of.ino(), of.len(), of.modified().ok()?, of.ctime(), of.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// As Kubernetes replaces a mounted secret: the folder behind a link is another one at once.
    #[test]
    fn a_link_that_leads_elsewhere_is_a_change_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        for (version, text) in [("1", "ana:one"), ("2", "ana:two")] {
            fs::create_dir(folder.path().join(version)).unwrap();
            fs::write(folder.path().join(version).join("tokens"), text).unwrap();
        }
        let data = folder.path().join("data");
        std::os::unix::fs::symlink("1", &data).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let read = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let files = vec![data.join("tokens")];
        let seen = stamps(&files);
        let mut followed = Followed { what: "tokens", files, read: Box::new(read), seen };
        followed.look(false);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        std::os::unix::fs::symlink("2", folder.path().join("next")).unwrap();
        fs::rename(folder.path().join("next"), &data).unwrap();
        followed.look(false);
        followed.look(false);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        followed.look(true);
        assert_eq!(count.load(Ordering::Relaxed), 2, "told to");
        fs::remove_file(&data).unwrap();
        followed.look(false);
        assert_eq!(count.load(Ordering::Relaxed), 3, "it is gone, which the log tells");
    }
}
