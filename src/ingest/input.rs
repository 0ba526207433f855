//! Finds the files to ingest below paths and URLs of files, folders and object-store prefixes, in an order that depends only on their
//! names.
//!
//! Folders and prefixes are taken with all below them, but for names that begin with `.` or `_`
//! (`_SUCCESS`, `.part-0.crc`), which mark what is no data. A file in object storage is copied to a
//! temporary file first, one at a time: both readers then have a local file, and neither a slow reader
//! nor a lost connection leaves an answer half-read. It takes the disk of the largest file. What changes between
//! listing and the end of reading is an error: nobody could say what was read.

use std::fs::{self, File};
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;
use walkdir::{DirEntry, WalkDir};

use super::copy;
use crate::error::{Error, Kind, Result};
use crate::warehouse::Location;

/// One file to read.
#[derive(Clone, Debug)]
pub(crate) struct InputFile {
    /// Its path or URL, for messages.
    pub name: String,
    pub size_bytes: u64,
    place: InputPlace,
}

#[derive(Clone, Debug)]
enum InputPlace {
    Local { path: PathBuf, modified: SystemTime },
    Remote { store: Arc<dyn ObjectStore>, object: Box<ObjectMeta> },
}

/// Lists the files of all inputs. An input that is missing, or has no file, is an error.
pub(crate) async fn list(inputs: &[String]) -> Result<Vec<InputFile>> {
    if inputs.is_empty() {
        return Err(Error::argument("nothing to ingest: give files, folders or URLs of alerts"));
    }
    let mut files = Vec::new();
    for input in inputs {
        let found = list_one(input).await.map_err(|error| error.context(input))?;
        if found.is_empty() {
            return Err(Error::input(format!("{input}: no file in it; alerts are expected")));
        }
        files.extend(found);
    }
    Ok(files)
}

async fn list_one(input: &str) -> Result<Vec<InputFile>> {
    if input.trim().is_empty() {
        return Err(Error::argument("an input is empty; give a file, a folder or a URL"));
    }
    if !input.contains("://") {
        return walk(Path::new(input));
    }
    match Url::parse(input) {
        Ok(url) if url.scheme() == "file" => {
            let path = url.to_file_path();
            walk(&path.map_err(|()| Error::argument("not a path of this file system"))?)
        }
        _ => list_remote(input).await,
    }
}

/// A file, or all files below a folder, in the order of their names. Symbolic links are followed.
fn walk(path: &Path) -> Result<Vec<InputFile>> {
    let shown =
        |entry: &DirEntry| entry.depth() == 0 || !is_hidden(&entry.file_name().to_string_lossy());
    let entries = WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter();
    let mut files = Vec::new();
    for entry in entries.filter_entry(shown) {
        let entry = entry.map_err(|error| unreadable(path, error))?;
        let metadata = entry.metadata().map_err(|error| unreadable(path, error))?;
        if metadata.is_dir() {
            continue;
        }
        let name = entry.path().display().to_string();
        if !metadata.is_file() {
            return Err(Error::input(format!(
                "{name} is not a file but a pipe, a socket or a device; files and folders are expected"
            )));
        }
        let modified = metadata.modified()?;
        let place = InputPlace::Local { path: entry.into_path(), modified };
        files.push(InputFile { name, size_bytes: metadata.len(), place });
    }
    Ok(files)
}

fn unreadable(root: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(root).to_owned();
    if let Some(ancestor) = error.loop_ancestor() {
        let (path, ancestor) = (path.display(), ancestor.display());
        return Error::input(format!(
            "{path} is a symbolic link to {ancestor}, the folder that contains it"
        ));
    }
    match error.into_io_error() {
        Some(error) => io_error(&path, error),
        None => Error::input(format!("{} cannot be read", path.display())),
    }
}

fn io_error(path: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(Kind::NotFound, format!("{} does not exist", path.display()))
        }
        _ => Error::from(error).context(path.display()),
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

/// An object, or all objects below a prefix, in the order of their paths.
async fn list_remote(url: &str) -> Result<Vec<InputFile>> {
    let location = Location::parse(url)?;
    let Location { store, prefix, .. } = &location;
    if !url.ends_with('/') && !prefix.as_ref().is_empty() {
        match store.head(prefix).await {
            Ok(object) => return Ok(vec![remote(&location, object)]),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut objects = location.list_data().await?;
    let all = objects.clone();
    // Some tools write an empty object as a marker of a folder.
    objects.retain(|object| {
        let begins = |other: &ObjectMeta| {
            other.location != object.location && other.location.prefix_matches(&object.location)
        };
        object.size > 0 || !all.iter().any(begins)
    });
    Ok(objects.into_iter().map(|object| remote(&location, object)).collect())
}

fn remote(location: &Location, object: ObjectMeta) -> InputFile {
    let (store, size_bytes) = (location.store.clone(), object.size);
    InputFile {
        name: location.url_of(&object.location).to_string(),
        size_bytes,
        place: InputPlace::Remote { store, object: object.into() },
    }
}

impl InputFile {
    /// Opens the file. One in object storage is first copied to `temp_dir`; the copy is deleted when it is closed. A file that has changed
    /// since it was listed is an `Input` error.
    pub(crate) async fn open(&self, temp_dir: Option<&Path>) -> Result<File> {
        match &self.place {
            InputPlace::Local { path, .. } => {
                // If the file has become a named pipe, opening it would wait for a writer.
                self.is_unchanged()?;
                File::open(path).map_err(|error| io_error(path, error))
            }
            InputPlace::Remote { store, object } => {
                let copy = match temp_dir {
                    Some(dir) => tempfile::tempfile_in(dir),
                    None => tempfile::tempfile(),
                };
                let mut copy = copy.map_err(|e| Error::from(e).context("making a copy"))?;
                copy::copy(store, object, &mut copy).await?;
                copy.rewind()?;
                Ok(copy)
            }
        }
    }

    /// Fails if a local file has changed since it was listed: what was read may be a mixture of two files. (Objects are compared while they
    /// are copied.)
    pub(crate) fn is_unchanged(&self) -> Result<()> {
        let InputPlace::Local { path, modified } = &self.place else { return Ok(()) };
        let now = fs::metadata(path).map_err(|error| io_error(path, error))?;
        let same = now.is_file() && now.len() == self.size_bytes && now.modified()? == *modified;
        if same { Ok(()) } else { Err(copy::changed(path.display())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn one(url: &str) -> InputFile {
        let mut files = list(&[url.to_string()]).await.unwrap();
        assert_eq!(files.len(), 1);
        files.remove(0)
    }

    #[tokio::test]
    async fn a_file_that_is_not_as_it_was_listed_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.avro");
        fs::write(&path, "alerts").unwrap();
        let listed = one(path.to_str().unwrap()).await;
        listed.open(None).await.unwrap();
        fs::write(&path, "other alerts").unwrap();
        for error in [listed.open(None).await.unwrap_err(), listed.is_unchanged().unwrap_err()] {
            assert_eq!(error.kind(), Kind::Input);
            assert!(error.to_string().contains("a.avro has changed"), "{error}");
        }
        fs::remove_file(&path).unwrap();
        let error = listed.open(None).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains("a.avro"), "{error}");
    }

    #[tokio::test]
    async fn an_object_that_is_not_as_it_was_listed_is_refused_by_name() {
        let store = Location::parse("memory://input-changes").unwrap().store;
        let key = object_store::path::Path::from("night/a.avro");
        let bytes = |fill: u8| vec![fill; 10 << 20];
        store.put(&key, bytes(1).into()).await.unwrap();
        let listed = one("memory://input-changes/night").await;
        let mut copy = Vec::new();
        std::io::Read::read_to_end(&mut listed.open(None).await.unwrap(), &mut copy).unwrap();
        assert_eq!(copy, bytes(1));
        store.put(&key, bytes(2).into()).await.unwrap();
        let error = listed.open(None).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
        assert!(error.to_string().contains("night/a.avro has changed"), "{error}");
        store.delete(&key).await.unwrap();
        let error = listed.open(None).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains("night/a.avro was deleted"), "{error}");
    }
}
