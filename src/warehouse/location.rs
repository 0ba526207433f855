//! A place in object storage. In: a URL or a path. Out: the store and the prefix in it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::client::SpawnedReqwestConnector;
use object_store::memory::InMemory;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig, path::Path};
use tokio::runtime::Handle;
use url::Url;

use super::local::LocalFiles;
use crate::error::{Error, Result};

/// A store and a prefix in it. `memory://name` locations of one process share their contents by name.
/// `s3://` reads the standard `AWS_*` variables, endpoint and plain-http permission included.
#[derive(Clone, Debug)]
pub struct Location {
    /// Ends with `/`; what a person is shown.
    pub url: Url,
    /// The root of the storage: scheme and host of `url`.
    pub store: Arc<dyn ObjectStore>,
    /// The path of `url` in `store`.
    pub prefix: Path,
}

impl Location {
    /// A URL, or a path of the local file system (absolute, or relative to the working folder).
    pub fn parse(url: &str) -> Result<Self> {
        let invalid = |reason: &dyn std::fmt::Display| Error::argument(format!("{url}: {reason}"));
        if url.trim().is_empty() {
            return Err(Error::argument("a location is empty: give a path or a URL"));
        }
        let mut parsed = match url.contains("://") {
            true => Url::parse(url).map_err(|error| invalid(&error))?,
            false => folder_url(url)?,
        };
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(invalid(&"a location has no ?query and no #fragment"));
        }
        if !parsed.path().ends_with('/') {
            parsed.set_path(&format!("{}/", parsed.path()));
        }
        let store: Arc<dyn ObjectStore> = match parsed.scheme() {
            "file" if parsed.host().is_some() => {
                return Err(invalid(&"a file URL has no host: file:///folder"));
            }
            "file" => Arc::new(LocalFiles::default()),
            "memory" => named_memory(parsed.host_str().unwrap_or_default()),
            "s3" => s3(&parsed).map_err(|error| error.context(url))?,
            scheme => {
                let known = "a path, or a URL of file, s3 or memory";
                return Err(invalid(&format!("unknown scheme {scheme}; a location is {known}")));
            }
        };
        let prefix = Path::from_url_path(parsed.path()).map_err(|error| invalid(&error))?;
        Ok(Self { url: parsed, store, prefix })
    }

    /// The location of a folder in this one.
    pub(super) fn join(&self, folder: &str) -> Result<Self> {
        let url = self.url.join(&format!("{folder}/"));
        let url = url.map_err(|error| Error::argument(format!("{}{folder}: {error}", self.url)))?;
        Ok(Self { url, store: self.store.clone(), prefix: self.prefix.clone().join(folder) })
    }
}

fn folder_url(path: &str) -> Result<Url> {
    let absolute = std::path::absolute(path).map_err(|error| Error::from(error).context(path))?;
    Url::from_directory_path(&absolute)
        .map_err(|()| Error::argument(format!("{path}: not a path of this file system")))
}

fn named_memory(name: &str) -> Arc<dyn ObjectStore> {
    static STORES: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    stores.entry(name.to_string()).or_default().clone()
}

/// Retries are few: a bucket that is not there, or refuses us, is reported within seconds. A commit is
/// a conditional put, so that of two writers one wins.
fn s3(url: &Url) -> Result<Arc<dyn ObjectStore>> {
    let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
    let bucket = bucket.ok_or_else(|| Error::argument("no bucket; give s3://bucket/prefix"))?;
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    };
    let retry = RetryConfig { backoff, max_retries: 4, retry_timeout: Duration::from_secs(15) };
    let connect_timeout = AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout);
    let builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_config(connect_timeout, "3 seconds")
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry);
    // Requests stay on the runtime that opened the location: on one that computes they would wait for it.
    let store = match Handle::try_current() {
        Ok(here) => builder.with_http_connector(SpawnedReqwestConnector::new(here)).build()?,
        Err(_) => builder.build()?,
    };
    Ok(Arc::new(store))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use object_store::ObjectStoreExt;

    #[test]
    fn paths_and_urls_are_locations() {
        let path = Location::parse("/data/my survey").unwrap();
        assert_eq!(path.url.as_str(), "file:///data/my%20survey/");
        assert_eq!(path.prefix.as_ref(), "data/my survey");
        assert_eq!(Location::parse("file:///data/my%20survey").unwrap().prefix, path.prefix);

        let relative = Location::parse("./warehouse").unwrap();
        let expected = std::env::current_dir().unwrap().join("warehouse");
        assert_eq!(relative.url.to_file_path().unwrap(), expected);

        let bucket = Location::parse("s3://rubin/dr1").unwrap();
        assert_eq!((bucket.url.as_str(), bucket.prefix.as_ref()), ("s3://rubin/dr1/", "dr1"));
        assert_eq!(bucket.join("fp").unwrap().url.as_str(), "s3://rubin/dr1/fp/");
        assert_eq!(Location::parse("s3://rubin").unwrap().prefix.as_ref(), "");
    }

    #[test]
    fn what_is_no_location_is_refused_by_name() {
        for (url, said) in [
            ("ftp://host/x", "unknown scheme ftp"),
            ("s3:///x", "no bucket"),
            ("s3://bucket/x?y=z", "no ?query"),
            ("file://host/x", "file:///folder"),
            (" ", "empty"),
        ] {
            let error = Location::parse(url).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument, "{url}");
            assert!(error.to_string().contains(said), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn memory_is_shared_by_name() {
        let one = Location::parse("memory://location-one/a").unwrap();
        one.store.put(&one.prefix.clone().join("x"), "1".into()).await.unwrap();
        let same = Location::parse("memory://location-one").unwrap();
        let other = Location::parse("memory://location-two").unwrap();
        assert!(same.store.head(&Path::from("a/x")).await.is_ok());
        assert!(other.store.head(&Path::from("a/x")).await.is_err());
    }
}
