//! A place in storage: a store, and a prefix in it. Only [`Location`] turns the path or URL that a person writes into names; no other code
//! decodes or encodes one.

use std::collections::HashMap;
use std::path::{self, Component, PathBuf};
use std::sync::{Arc, LazyLock};

use object_store::memory::InMemory;
use object_store::{ObjectStore, path::Path};
use parking_lot::Mutex;
use url::Url;

use super::bucket::Bucket;
use super::local::LocalFiles;
use super::metered::Metered;
use crate::error::{Error, Kind, Result};

/// A store and a prefix in it. `memory://name` locations of one process share their contents by name.
/// `s3://` reads the standard `AWS_*` variables, endpoint and plain-http permission included.
#[derive(Clone, Debug)]
pub struct Location {
    /// Ends with `/`; what a person is shown, and what names this place again.
    pub url: Url,
    /// The root of the storage: scheme and host of `url`.
    pub store: Arc<dyn ObjectStore>,
    /// The path of `url` in `store`, each part as it is stored.
    pub prefix: Path,
    /// The store, where it is S3, for what only S3 has.
    pub bucket: Option<Bucket>,
}

impl Location {
    /// A URL, which is decoded once (`%25` is `%`), or a path of the local file system, which is taken as it is: absolute, or
    /// relative to the working folder, with `..` as the system reads it. A name that cannot be stored is an `Argument` error:
    /// one with control characters, an empty part (`a//b`) or a part `.` or `..` in a URL, and a path that is not UTF-8.
    pub fn parse(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(Error::argument("a location is empty: give a path or a URL"));
        }
        if text.contains(|c: char| c.is_ascii_control()) {
            let message =
                format!("{}: a location must not have control characters", text.escape_debug());
            return Err(Error::argument(message));
        }
        match text.split_once("://") {
            Some((scheme, rest)) => from_url(&scheme.to_ascii_lowercase(), rest),
            None => from_path(text),
        }
        .map_err(|error| error.context(text))
    }

    /// The same for a folder: a file is an `Argument` error.
    pub fn parse_folder(text: &str) -> Result<Self> {
        let location = Self::parse(text)?;
        // A location ends with a slash, which a file has not.
        let path = location.url.to_file_path().unwrap_or_default();
        if path.components().collect::<PathBuf>().is_file() {
            return Err(Error::argument(format!(
                "{text} is a file: name the folder that it is in"
            )));
        }
        Ok(location)
    }

    /// The location of a folder in this one.
    pub(crate) fn join(&self, folder: &str) -> Self {
        let prefix = self.prefix.clone().join(folder);
        let mut url = self.url_of(&prefix);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push("");
        }
        Self { url, prefix, ..self.clone() }
    }

    /// The URL of an object in the store: for a person, or to be parsed again.
    pub fn url_of(&self, path: &Path) -> Url {
        let mut url = self.url.clone();
        url.set_path("/");
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.parts());
        }
        url
    }

    fn new(root: Url, store: Arc<dyn ObjectStore>, prefix: Path, bucket: Option<Bucket>) -> Self {
        let store = Arc::new(Metered(store));
        let place = Self { url: root, store, prefix, bucket };
        let mut url = place.url_of(&place.prefix);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("");
        }
        Self { url, ..place }
    }
}

fn from_url(scheme: &str, rest: &str) -> Result<Location> {
    if rest.contains(['?', '#']) {
        let why = "a location must not have a ?query or a #fragment; in a name, write %3F for ? and %23 for #";
        return Err(Error::argument(why));
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = || {
        let path = Path::from_url_path(path);
        path.map_err(|error| Error::argument(format!("a name that cannot be stored: {error}")))
    };
    let root = || {
        let root = Url::parse(&format!("{scheme}://{host}/"));
        root.map_err(|error| Error::argument(error.to_string()))
    };
    match scheme {
        "file" if !host.is_empty() || rest.is_empty() => {
            Err(Error::argument("a file URL must not have a host; give file:///folder"))
        }
        "file" => Ok(Location::new(root()?, Arc::new(LocalFiles::default()), prefix()?, None)),
        "memory" => Ok(Location::new(root()?, named_memory(host), prefix()?, None)),
        "s3" => {
            let bucket = Bucket::open(host)?;
            let store = Arc::new(bucket.store.clone());
            Ok(Location::new(root()?, store, prefix()?, Some(bucket)))
        }
        scheme => {
            let known = "a path, or a URL of file, s3 or memory";
            Err(Error::argument(format!("unknown scheme {scheme}; a location is {known}")))
        }
    }
}

fn from_path(text: &str) -> Result<Location> {
    let folder = resolved(text)?;
    let folder = folder.to_str().ok_or_else(|| Error::argument("the path is not UTF-8"))?;
    let stored = Path::parse(folder);
    let prefix = stored.map_err(|error| Error::argument(format!("cannot be stored: {error}")))?;
    let root = Url::parse("file:///").map_err(|error| Error::internal(error.to_string()))?;
    Ok(Location::new(root, Arc::new(LocalFiles::default()), prefix, None))
}

/// The absolute path. What `..` leaves must be there: only the system knows where a symbolic link leads.
fn resolved(text: &str) -> Result<PathBuf> {
    let absolute = path::absolute(text)?;
    let parts: Vec<_> = absolute.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else {
        return Ok(parts.iter().collect());
    };
    let head: PathBuf = parts[..=last].iter().collect();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(Kind::NotFound, format!("{} does not exist", head.display()))
        }
        _ => Error::from(error),
    };
    let head = head.canonicalize().map_err(failed)?;
    Ok(parts[last + 1..].iter().fold(head, |head, part| head.join(part)))
}

fn named_memory(name: &str) -> Arc<dyn ObjectStore> {
    static STORES: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);
    let mut stores = STORES.lock();
    stores.entry(name.to_string()).or_default().clone()
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(Location::parse("/").unwrap().url.as_str(), "file:///");

        let bucket = Location::parse("s3://rubin/dr1").unwrap();
        assert_eq!((bucket.url.as_str(), bucket.prefix.as_ref()), ("s3://rubin/dr1/", "dr1"));
        assert_eq!(bucket.join("fp").url.as_str(), "s3://rubin/dr1/fp/");
        for root in ["s3://rubin", "s3://rubin/"] {
            let root = Location::parse(root).unwrap();
            assert_eq!((root.url.as_str(), root.prefix.as_ref()), ("s3://rubin/", ""));
            assert_eq!(root.join("fp").url.as_str(), "s3://rubin/fp/");
        }
    }

    #[test]
    fn a_path_is_taken_as_it_is_and_a_url_is_decoded_once() {
        let names =
            ["%41", "p%20q", "back\\slash", "a#1", "what?", "ü b", "100%", "%2541", "a+b&c"];
        for name in names {
            let path = Location::parse(&format!("/w/{name}")).unwrap();
            assert_eq!(path.prefix.as_ref(), format!("w/{name}"));
            let again = Location::parse(path.url.as_str()).unwrap();
            assert_eq!((&again.prefix, &again.url), (&path.prefix, &path.url));
        }
        for (url, name) in [
            ("s3://b/x%2541", "x%41"),
            ("s3://b/x%41", "xA"),
            ("s3://b/wh %41 ü", "wh A ü"),
            ("s3://b/a\\b", "a\\b"),
            ("s3://b/x%23%3F", "x#?"),
            ("s3://b/100%", "100%"),
        ] {
            let bucket = Location::parse(url).unwrap();
            assert_eq!(bucket.prefix.as_ref(), name);
            assert_eq!(Location::parse(bucket.url.as_str()).unwrap().prefix, bucket.prefix);
            let file = bucket.prefix.clone().join("y.avro");
            let shown = bucket.url_of(&file);
            assert_eq!(Location::parse(shown.as_str()).unwrap().prefix, file);
        }
    }

    #[test]
    fn parents_are_those_of_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/deep")).unwrap();
        std::os::unix::fs::symlink(root.join("a/deep"), root.join("link")).unwrap();
        let parsed = |text: &str| Location::parse(&format!("{}/{text}", root.display()));
        for (text, expected) in
            [("a/../b", "b"), ("link/../b/c", "a/b/c"), ("link/c", "link/c"), ("./a/.//b/", "a/b")]
        {
            let found = parsed(text).unwrap().url.to_file_path().unwrap();
            assert_eq!(found, root.join(expected), "{text}");
        }
        let error = parsed("missing/../b").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains("missing/.. does not exist"), "{error}");
    }

    #[test]
    fn what_is_no_location_is_refused_by_name() {
        for (url, said) in [
            ("ftp://host/x", "unknown scheme ftp"),
            ("s3:///x", "not a valid bucket name"),
            ("s3://a b/x", "not a valid bucket name"),
            ("s3://bucket/x?y=z", "must not have a ?query"),
            ("s3://bucket/a//b", "empty path segment"),
            ("s3://bucket/a/../b", "illegal character sequence"),
            ("s3://bucket/a%09b", "illegal character sequence"),
            ("s3://bucket/%ff", "non-unicode"),
            ("file://host/x", "file:///folder"),
            ("a\tb", "a\\tb: a location must not have control characters"),
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
