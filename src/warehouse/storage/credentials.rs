//! The credentials with which requests to S3 are signed. They are kept until shortly before they expire; those that do not say when are
//! read again each minute, so that a key is replaced without a restart.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::credential_chain::look;

/// How long credentials that do not expire are used before they are looked for again.
const KEPT: Duration = Duration::from_secs(60);
/// Credentials that expire are looked for again so long before, or after half of what is left.
const BEFORE_EXPIRY: Duration = Duration::from_secs(300);
/// How long a look may take: a `credential_process` may ask somebody.
const LOOK: Duration = Duration::from_secs(30);
/// How long to wait between two looks, where the first one failed or found what the store refuses.
const PAUSE: Duration = Duration::from_secs(5);

/// The credentials of a bucket.
#[derive(Debug)]
pub(crate) struct AwsCredentials {
    region: String,
    /// Where they are looked for: the runtime that opened the bucket.
    here: Option<Handle>,
    held: RwLock<Option<Held>>,
    /// When they were last looked for because the store refused a request.
    refused: RwLock<Option<Instant>>,
    /// Held by the one who looks, so that the others wait for what is found. It has the last look, if that failed.
    looking: Mutex<FailedLook>,
}

/// When a look failed, and why.
type FailedLook = Option<(Instant, String)>;

#[derive(Clone, Debug)]
struct Held {
    credential: Arc<AwsCredential>,
    /// When to look again.
    until: Instant,
    expiry: Option<SystemTime>,
}

impl AwsCredentials {
    pub(crate) fn new(region: String, here: Option<Handle>) -> Arc<Self> {
        Arc::new(Self {
            region,
            here,
            held: RwLock::default(),
            refused: RwLock::default(),
            looking: Mutex::default(),
        })
    }

    /// Has them looked for again at the next request.
    pub(crate) fn renew(&self) {
        if let Some(held) = self.held.write().as_mut() {
            held.until = Instant::now();
        }
    }

    /// Other credentials than those of a signature that the store has refused, if there are any. Looks for them unless that was just done.
    pub(crate) async fn instead(&self, signature: &str) -> Option<Arc<AwsCredential>> {
        let is_other =
            |held: &AwsCredential| !signature.contains(&format!("Credential={}/", held.key_id));
        let held = self.held.read().clone()?;
        if is_other(&held.credential) {
            return Some(held.credential);
        }
        self.renew_after_refusal();
        // Waits for the one who looks.
        let found = self.found(self.looking.lock().await).await.ok()?;
        is_other(&found).then_some(found)
    }

    /// At most once within the pause: a store may refuse for other reasons.
    fn renew_after_refusal(&self) {
        let mut looked = self.refused.write();
        if looked.is_none_or(|looked| looked.elapsed() > PAUSE) {
            *looked = Some(Instant::now());
            self.renew();
        }
    }

    fn fresh(&self) -> Option<Arc<AwsCredential>> {
        let held = self.held.read();
        held.as_ref().filter(|held| Instant::now() < held.until).map(|held| held.credential.clone())
    }

    /// Those that are held, if they have not expired.
    fn valid(&self) -> Option<Arc<AwsCredential>> {
        let held = self.held.read();
        held.as_ref().filter(|held| is_valid(held.expiry)).map(|held| held.credential.clone())
    }

    /// Looks, unless that was just done.
    async fn found(
        &self,
        mut looking: MutexGuard<'_, FailedLook>,
    ) -> Result<Arc<AwsCredential>, String> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        if let Some((_, error)) = looking.as_ref().filter(|(when, _)| when.elapsed() < PAUSE) {
            return Err(error.clone());
        }
        let look = look(self.region.clone());
        let look = async move {
            let late = || format!("AWS credentials: nothing was found within {} s", LOOK.as_secs());
            timeout(LOOK, look).await.unwrap_or_else(|_| Err(late()))
        };
        let found = match &self.here {
            Some(here) => here.spawn(look).await.unwrap_or_else(|error| Err(error.to_string())),
            None => look.await,
        };
        let kept = self.keep(found);
        *looking = kept.as_ref().err().map(|error| (Instant::now(), error.clone()));
        kept
    }

    /// What is found, or what was found before if it is still valid.
    fn keep(&self, found: Result<Credentials, String>) -> Result<Arc<AwsCredential>, String> {
        let mut held = self.held.write();
        let now = Instant::now();
        match found.and_then(|found| Ok((usable(&found)?, found.expiry()))) {
            Ok((credential, expiry)) => {
                let credential = Arc::new(credential);
                let until = now + kept(expiry);
                *held = Some(Held { credential: credential.clone(), until, expiry });
                Ok(credential)
            }
            Err(error) => match held.as_mut().filter(|held| is_valid(held.expiry)) {
                Some(held) => {
                    tracing::warn!(error, "no new AWS credentials: those from before are used");
                    held.until = now + PAUSE;
                    Ok(held.credential.clone())
                }
                None => Err(error),
            },
        }
    }
}

#[async_trait]
impl CredentialProvider for AwsCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        // While somebody looks, those that are still valid do.
        let looking = match (self.looking.try_lock(), self.valid()) {
            (Ok(looking), _) => looking,
            (Err(_), Some(valid)) => return Ok(valid),
            (Err(_), None) => self.looking.lock().await,
        };
        self.found(looking)
            .await
            .map_err(|error| object_store::Error::Generic { store: "S3", source: error.into() })
    }
}

/// The same for object_store, whose signatures take what can stand in a header.
fn usable(found: &Credentials) -> Result<AwsCredential, String> {
    let token = found.session_token().filter(|token| !token.is_empty());
    let parts = [Some(found.access_key_id()), token];
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    if !parts.into_iter().flatten().all(plain) {
        return Err(
            "AWS credentials: the key id or the session token is not printable ASCII".into()
        );
    }
    Ok(AwsCredential {
        key_id: found.access_key_id().to_string(),
        secret_key: found.secret_access_key().to_string(),
        token: token.map(str::to_string),
    })
}

fn kept(expiry: Option<SystemTime>) -> Duration {
    let Some(expiry) = expiry else { return KEPT };
    let left = expiry.duration_since(SystemTime::now()).unwrap_or_default();
    left - BEFORE_EXPIRY.min(left / 2)
}

fn is_valid(expiry: Option<SystemTime>) -> bool {
    expiry.is_none_or(|expiry| expiry > SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(key: &str, expiry: Option<SystemTime>) -> Credentials {
        Credentials::new(key, "secret", None, expiry, "test")
    }

    #[test]
    fn what_expires_is_looked_for_before() {
        let within = |seconds| SystemTime::now() + Duration::from_secs(seconds);
        assert_eq!(kept(None), KEPT);
        for (left, from, to) in [(3600, 3290, 3300), (100, 45, 50), (0, 0, 0)] {
            let kept = kept(Some(within(left))).as_secs();
            assert!((from..=to).contains(&kept), "{left}: {kept}");
        }
        assert_eq!(kept(Some(SystemTime::UNIX_EPOCH)), Duration::ZERO);
    }

    #[test]
    fn a_look_that_fails_leaves_what_is_still_valid() {
        let held = AwsCredentials::new("us-east-1".into(), None);
        let failed = || Err("no answer".to_string());
        held.keep(failed()).unwrap_err();
        held.keep(Ok(credentials("one", None))).unwrap();
        assert_eq!(held.keep(failed()).unwrap().key_id, "one");
        assert_eq!(held.fresh().unwrap().key_id, "one");
        held.renew();
        assert!(held.fresh().is_none());
        held.keep(Ok(credentials("two", Some(SystemTime::UNIX_EPOCH)))).unwrap();
        held.keep(failed()).unwrap_err();
        for unusable in ["", "a b", "a\nb"] {
            held.keep(Ok(credentials(unusable, None))).unwrap_err();
        }
    }
}
