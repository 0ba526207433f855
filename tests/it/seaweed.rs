//! A real S3 server for the tests: SeaweedFS, on loopback, in a temporary folder. It runs as long as a test
//! holds a [`Bucket`] of it; dropping the last one ends it.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, AwsCredential};
use object_store::client::{HttpClient, HttpRequest};
use object_store::path::Path;
use object_store::signer::Signer;
use tempfile::TempDir;

use crate::program::send;
use crate::python;

const KEY: &str = "diaflight";
const SECRET: &str = "only-for-tests";
const PATIENCE: Duration = Duration::from_secs(120);

/// An empty bucket of its own, and the server it is in.
pub struct Bucket {
    name: String,
    server: Arc<SeaweedFs>,
}

impl Bucket {
    /// Makes a bucket, and the server if no test runs one.
    pub async fn create(name: &str) -> Self {
        static RUNNING: Mutex<Weak<SeaweedFs>> = Mutex::new(Weak::new());
        let server = {
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            let server = running.upgrade().unwrap_or_else(|| Arc::new(SeaweedFs::start()));
            *running = Arc::downgrade(&server);
            server
        };
        let bucket = Self { name: name.to_string(), server };
        bucket.make().await;
        bucket
    }

    /// The same in a server of its own, whose key a test may replace.
    pub async fn alone(name: &str) -> Self {
        let bucket = Self { name: name.to_string(), server: Arc::new(SeaweedFs::start()) };
        bucket.make().await;
        bucket
    }

    /// Has the server know another key beside the first one.
    pub async fn add_key(&self, key: &str, secret: &str) {
        let both = [(KEY, SECRET), (key, secret)];
        self.know(&both, &self.store_with(key, secret), true).await;
    }

    /// Has the server know this key alone, and refuse the first one.
    pub async fn keep_key(&self, key: &str, secret: &str) {
        self.know(&[(key, secret)], &self.store(), false).await;
    }

    /// Waits until a key is known, or is not any more.
    async fn know(&self, keys: &[(&str, &str)], store: &AmazonS3, known: bool) {
        know(self.server.folder.path(), keys);
        send("HUP", &self.server.child);
        let start = Instant::now();
        while store.list_with_delimiter(None).await.is_ok() != known {
            assert!(start.elapsed() < PATIENCE, "the keys are not replaced");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `s3://NAME/prefix`.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{}/{prefix}", self.name)
    }

    /// The standard variables that let a program use it.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.server.endpoint()),
            ("AWS_ALLOW_HTTP", "true".to_string()),
            ("AWS_REGION", "us-east-1".to_string()),
            ("AWS_ACCESS_KEY_ID", KEY.to_string()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_string()),
        ]
    }

    pub fn store(&self) -> AmazonS3 {
        self.store_with(KEY, SECRET)
    }

    fn store_with(&self, key: &str, secret: &str) -> AmazonS3 {
        let mut builder = AmazonS3Builder::new().with_bucket_name(&self.name);
        for (key, value) in self.variables() {
            builder = builder.with_config(key.to_lowercase().parse().unwrap(), value);
        }
        builder.with_access_key_id(key).with_secret_access_key(secret).build().unwrap()
    }

    /// Puts an object whose key no path of object_store can have. `key`: as it stands in a URL.
    pub async fn put_encoded(&self, key: &str, bytes: &'static str) {
        let mut request = HttpRequest::new(Bytes::from(bytes).into());
        *request.method_mut() = reqwest::Method::PUT;
        let url = format!("{}/{}/{key}", self.server.endpoint(), self.name);
        *request.uri_mut() = url.parse().unwrap();
        let (key_id, secret_key) = (KEY.to_string(), SECRET.to_string());
        let credential = AwsCredential { key_id, secret_key, token: None };
        AwsAuthorizer::new(&credential, "s3", "us-east-1").authorize(&mut request, None);
        let client = HttpClient::new(reqwest::Client::builder().no_proxy().build().unwrap());
        assert_eq!(client.execute(request).await.unwrap().status(), 200);
    }

    /// S3's CreateBucket, again and again until the server is up.
    async fn make(&self) {
        let store = self.store();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let start = Instant::now();
        loop {
            let root = Path::default();
            let url = store.signed_url(reqwest::Method::PUT, &root, PATIENCE).await.unwrap();
            let said = match client.put(url).send().await {
                Ok(answer) if answer.status().is_success() => return,
                Ok(answer) => answer.text().await.unwrap(),
                Err(error) => error.to_string(),
            };
            let log = self.server.log();
            assert!(start.elapsed() < PATIENCE, "cannot make the bucket: {said}\n{log}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

struct SeaweedFs {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl SeaweedFs {
    /// Starts master, volume server, filer and S3 gateway in one process. Every port is told, since those
    /// for gRPC would else be the others plus 10,000; and what it would send home is switched off.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        know(folder.path(), &[(KEY, SECRET)]);
        fs::create_dir(folder.path().join("data")).unwrap();
        let ports = free_ports();
        let names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc"];
        let more = ["filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"];
        let flags = names.iter().chain(&more).zip(ports);
        let mut weed = Command::new(python::program("weed"));
        weed.current_dir(folder.path()).env_clear().env("HOME", folder.path());
        weed.args(["server", "-dir=data", "-ip=127.0.0.1", "-master.telemetry=false"]);
        weed.args(["-master.volumeSizeLimitMB=64", "-volume.max=200", "-volume.preStopSeconds=0"]);
        weed.args(["-filer", "-filer.localSocket=filer.sock", "-s3", "-s3.config=s3.json"]);
        weed.args(["-s3.localSocket=s3.sock", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        weed.args(flags.map(|(name, port)| format!("-{name}={port}")));
        let log = File::create(folder.path().join("log")).unwrap();
        weed.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self { child: weed.spawn().unwrap(), port: ports[6], folder }
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for SeaweedFs {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the one key that the server knows.
fn know(folder: &std::path::Path, keys: &[(&str, &str)]) {
    let known =
        |(key, secret): &(&str, &str)| serde_json::json!({"accessKey": key, "secretKey": secret});
    let identity = serde_json::json!({
        "name": KEY,
        "credentials": keys.iter().map(known).collect::<Vec<_>>(),
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    });
    let identities = serde_json::json!({ "identities": [identity] });
    fs::write(folder.join("s3.json"), identities.to_string()).unwrap();
}

/// Ports that were free a moment ago, all different.
fn free_ports() -> [u16; 8] {
    let listeners = [(); 8].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
