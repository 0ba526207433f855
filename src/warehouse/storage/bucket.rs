//! An S3 bucket, configured by the `AWS_*` variables and the profile that they name: its store, and signed requests for calls that
//! object_store does not have.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{
    AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, S3ConditionalPut,
};
use object_store::client::{
    HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector,
    SpawnedReqwestConnector,
};
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, RetryConfig};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use url::Url;

use super::credential_chain::profile;
use super::credentials::AwsCredentials;
use super::patience::Patient;
use super::signed_again::SignedAgain;
use crate::error::{Error, Kind, Result};

/// An S3 bucket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub(crate) store: AmazonS3,
    client: HttpClient,
    /// The URL of the bucket.
    url: Url,
    region: String,
    signed: bool,
    credentials: Arc<AwsCredentials>,
}

impl Bucket {
    /// Opens a bucket. Retries are few, so that a bucket that does not exist, or refuses us, is reported within seconds. Commits are
    /// conditional puts, so that one of two writers wins.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&c);
        if name.is_empty() || !name.chars().all(plain) {
            return Err(Error::argument("not a valid bucket name; give s3://bucket/prefix"));
        }
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        };
        // Long enough to resume a download that was cut off.
        let retry = RetryConfig { backoff, max_retries: 4, retry_timeout: Duration::from_secs(60) };
        let builder = with_profile(AmazonS3Builder::from_env())?
            .with_bucket_name(name)
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout), "3 seconds")
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retry);
        let setting = |key| builder.get_config_value(&key);
        let region = setting(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".into());
        let signed = !is_on(&builder, AmazonS3ConfigKey::SkipSignature);
        let url = url(&builder, name, &region)?;
        let here = Handle::try_current().ok();
        let credentials = AwsCredentials::new(region.clone(), here.clone());
        let last = Arc::default();
        let connector = Connector {
            here,
            last: Arc::clone(&last),
            credentials: credentials.clone(),
            region: region.clone(),
        };
        let builder = builder.with_credentials(credentials.clone());
        let store = builder.with_http_connector(connector).build()?;
        let client = last.lock().take();
        let client = client.ok_or_else(|| Error::internal("a bucket without a client"))?;
        Ok(Self { store, client, url, region, signed, credentials })
    }

    /// Has the credentials looked for again at the next request.
    pub fn renew_credentials(&self) {
        self.credentials.renew();
    }

    /// Sends a signed GET for the bucket itself and returns the body of the answer. Anything but 200 is a `Storage` error.
    pub(crate) async fn get(&self, query: &[(&str, &str)]) -> Result<Bytes> {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(query);
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.as_str().parse().map_err(|error| failed(&self.url, error))?;
        if self.signed {
            let credential = self.store.credentials().get_credential().await?;
            AwsAuthorizer::new(&credential, "s3", &self.region).authorize(&mut request, None);
        }
        let answer = self.client.execute(request).await.map_err(|error| failed(&url, error))?;
        let status = answer.status();
        let body = answer.into_body().bytes().await.map_err(|error| failed(&url, error))?;
        match status.as_u16() {
            200 => Ok(body),
            _ => Err(failed(&url, format!("{status}: {}", String::from_utf8_lossy(&body)))),
        }
    }
}

fn failed(url: &Url, why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Storage, format!("GET {url}: {why}"))
}

/// The URL where object_store finds the bucket with the same settings.
fn url(builder: &AmazonS3Builder, bucket: &str, region: &str) -> Result<Url> {
    use AmazonS3ConfigKey::{Endpoint, S3Endpoint, VirtualHostedStyleRequest};
    let setting = |key| builder.get_config_value(&key);
    let by_host = is_on(builder, VirtualHostedStyleRequest);
    let url = match setting(S3Endpoint).or_else(|| setting(Endpoint)) {
        Some(endpoint) if by_host => endpoint,
        Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
        None if by_host => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        None => format!("https://s3.{region}.amazonaws.com/{bucket}"),
    };
    let allowed = is_on(builder, AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    if url.starts_with("http://") && !allowed {
        let why = "connections to it are not encrypted; AWS_ALLOW_HTTP=true allows that";
        return Err(Error::argument(format!("AWS_ENDPOINT_URL: {url}: {why}")));
    }
    Url::parse(&url).map_err(|error| Error::argument(format!("AWS_ENDPOINT_URL: {url}: {error}")))
}

/// Whether a setting is on, in any of the words that object_store takes for that.
fn is_on(builder: &AmazonS3Builder, key: AmazonS3ConfigKey) -> bool {
    let text = builder.get_config_value(&key).unwrap_or_default().to_ascii_lowercase();
    ["1", "true", "on", "yes", "y"].contains(&text.as_str())
}

/// Region and endpoint of the profile, where no variable has them.
fn with_profile(builder: AmazonS3Builder) -> Result<AmazonS3Builder> {
    use AmazonS3ConfigKey::{Endpoint, Region, S3Endpoint};
    let (region, endpoint) =
        profile().map_err(|error| Error::argument(format!("the profile of AWS: {error}")))?;
    let is_open =
        |keys: &[AmazonS3ConfigKey]| keys.iter().all(|key| builder.get_config_value(key).is_none());
    let region = region.filter(|_| is_open(&[Region]));
    let endpoint = endpoint.filter(|_| is_open(&[Endpoint, S3Endpoint]));
    let told = [(Region, region), (Endpoint, endpoint)];
    let told = told.into_iter().filter_map(|(key, value)| Some((key, value?)));
    Ok(told.fold(builder, |builder, (key, value)| builder.with_config(key, value)))
}

/// Makes HTTP clients whose requests run on the runtime that opened the location. On the workers they would wait for computations.
#[derive(Debug)]
struct Connector {
    here: Option<Handle>,
    /// The client that was made last. It is that of the bucket, since clients for credentials are made before it.
    last: Arc<Mutex<Option<HttpClient>>>,
    credentials: Arc<AwsCredentials>,
    region: String,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // A time limit for a whole request would fail large requests on slow connections.
        let options = options.clone().with_timeout_disabled();
        let client = match &self.here {
            Some(here) => SpawnedReqwestConnector::new(here.clone()).connect(&options)?,
            None => ReqwestConnector::default().connect(&options)?,
        };
        let client = HttpClient::new(Patient::new(client));
        let (credentials, region) = (self.credentials.clone(), self.region.clone());
        let client = HttpClient::new(SignedAgain { client, credentials, region });
        *self.last.lock() = Some(client.clone());
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_encryption_is_refused_unless_it_is_allowed() {
        let of = |allowed: Option<&str>| {
            let builder = AmazonS3Builder::new().with_endpoint("http://127.0.0.1:9");
            let key = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
            url(&allowed.iter().fold(builder, |b, text| b.with_config(key, *text)), "b", "r")
        };
        for on in ["true", "TRUE", "1", "yes"] {
            assert_eq!(of(Some(on)).unwrap().as_str(), "http://127.0.0.1:9/b");
        }
        for off in [None, Some("false"), Some("0")] {
            let error = of(off).unwrap_err().to_string();
            assert!(error.contains("AWS_ALLOW_HTTP=true"), "{error}");
        }
    }
}
