//! Where schemas are that messages name by an id: in a registry, or in the files of a folder. An id never changes its meaning, so what was
//! found is kept.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Deserialize;
use url::Url;

use crate::error::{Error, Kind, Result};

/// The most that a registry may send. Rubin's largest schema has 60 KB.
const MOST_BYTES: usize = 4 << 20;
/// The most schemas that are kept.
const MOST_KNOWN: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an id is not asked for again.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
enum SchemaPlace {
    Registry(Url),
    Folder(PathBuf),
}

/// A registry or a folder. Clones know the same schemas.
#[derive(Clone, Debug)]
pub struct SchemaSource {
    place: SchemaPlace,
    known: Arc<Mutex<HashMap<u32, Arc<str>>>>,
    /// The id that nobody knew, when it was asked for last, and why.
    unknown: Arc<Mutex<Option<(u32, Instant, String)>>>,
}

/// What a registry says of an id that it does not know.
#[derive(Deserialize)]
struct Unknown {
    error_code: i64,
}

/// Of an id, and not of a path.
const SCHEMA_NOT_FOUND: i64 = 40403;

#[derive(Deserialize)]
struct Registered {
    schema: String,
    #[serde(rename = "schemaType")]
    kind: Option<String>,
}

impl SchemaSource {
    /// A schema registry, as Confluent's.
    pub fn registry(url: Url) -> Self {
        Self { place: SchemaPlace::Registry(url), known: Arc::default(), unknown: Arc::default() }
    }

    /// A folder of files, each of whose names is an id and `.avsc`.
    pub fn folder(path: PathBuf) -> Self {
        Self { place: SchemaPlace::Folder(path), known: Arc::default(), unknown: Arc::default() }
    }

    /// The schema of an id, as JSON. One that is not known is an `Input` error; a registry that does not answer is none: ask again.
    pub async fn text(&self, id: u32) -> Result<Arc<str>> {
        if let Some(known) = self.known.lock().get(&id) {
            return Ok(known.clone());
        }
        if let Some((_, _, why)) = self
            .unknown
            .lock()
            .as_ref()
            .filter(|(one, at, _)| *one == id && at.elapsed() < UNKNOWN_FOR)
        {
            return Err(Error::input(why.clone()));
        }
        let found = self.asked(id).await.inspect_err(|error| {
            if error.kind() == Kind::Input {
                *self.unknown.lock() = Some((id, Instant::now(), error.to_string()));
            }
        })?;
        let mut known = self.known.lock();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(id, found.clone());
        Ok(found)
    }

    async fn asked(&self, id: u32) -> Result<Arc<str>> {
        match &self.place {
            SchemaPlace::Registry(registry) => Ok(asked(registry, id).await?.into()),
            SchemaPlace::Folder(folder) => {
                let path = folder.join(format!("{id}.avsc"));
                let text = tokio::fs::read_to_string(&path).await;
                let text = text.map_err(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        Error::input(format!("schema {id}: there is no {}", path.display()))
                    }
                    _ => Error::from(error).context(path.display()),
                });
                Ok(text?.into())
            }
        }
    }
}

async fn asked(registry: &Url, id: u32) -> Result<String> {
    let url = format!("{}/schemas/ids/{id}", registry.as_str().trim_end_matches('/'));
    let away =
        |why: String| Error::new(Kind::NotReady, format!("the schema registry: {url}: {why}"));
    let client = reqwest::Client::builder().timeout(TIMEOUT).build();
    let client = client.map_err(|error| Error::internal(error.to_string()))?;
    let response = client.get(&url).send().await;
    let mut response = response.map_err(|error| away(error.to_string()))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| away(error.to_string()))? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            return Err(away(format!("it sends more than {MOST_BYTES} bytes")));
        }
    }
    // What is not a registry's answer comes from something before it, which is ill.
    let unknown = serde_json::from_slice::<Unknown>(&body).ok();
    if status.as_u16() == 404 && unknown.is_some_and(|told| told.error_code == SCHEMA_NOT_FOUND) {
        return Err(Error::input(format!("schema {id}: {url} does not know it")));
    }
    if !status.is_success() {
        return Err(away(status.to_string()));
    }
    let Registered { schema, kind } = serde_json::from_slice(&body)
        .map_err(|error| away(format!("not the answer of a registry: {error}")))?;
    match kind.as_deref() {
        None | Some("AVRO") => Ok(schema),
        Some(other) => {
            Err(Error::input(format!("schema {id}: {url}: a schema of {other}, not of Avro")))
        }
    }
}
