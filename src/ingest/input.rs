//! What to ingest. In: paths and URLs of files, folders and object-store prefixes. Out: files, in an
//! order that depends on nothing but their names.
//!
//! Folders and prefixes are taken with all below them, but for names that begin with `.` or `_`
//! (`_SUCCESS`, `.part-0.crc`), which mark what is no data. A file in object storage is copied to a
//! temporary file first, one at a time: both readers then have a local file, and neither a slow reader
//! nor a lost connection leaves an answer half-read. It takes the disk of the largest file.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use crate::error::{Error, Kind, Result};
use crate::warehouse::Location;

/// One file to read.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// Its path or URL, for a person.
    pub name: String,
    pub size_bytes: u64,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Local(PathBuf),
    Remote(Arc<dyn ObjectStore>, object_store::path::Path),
}

/// Lists the files of all inputs. An input that is missing, or has no file, is an error.
pub async fn list(inputs: &[String]) -> Result<Vec<InputFile>> {
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
    match Url::parse(input) {
        Ok(url) if url.scheme() == "file" => {
            let path = url.to_file_path();
            walk(&path.map_err(|()| Error::argument("not a path of this file system"))?)
        }
        Ok(_) if input.contains("://") => list_remote(input).await,
        _ => walk(Path::new(input)),
    }
}

/// A file, or all files below a folder, in the order of their names.
fn walk(path: &Path) -> Result<Vec<InputFile>> {
    let metadata = fs::metadata(path).map_err(|error| io_error(path, error))?;
    if !metadata.is_dir() {
        let place = Place::Local(path.to_owned());
        let name = path.display().to_string();
        return Ok(vec![InputFile { name, size_bytes: metadata.len(), place }]);
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(|error| io_error(path, error))?;
    entries.retain(|entry| !is_hidden(&entry.file_name().to_string_lossy()));
    entries.sort_by_key(fs::DirEntry::file_name);
    let below = entries.iter().map(|entry| walk(&entry.path())).collect::<Result<Vec<_>>>()?;
    Ok(below.concat())
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
    let mut objects: Vec<_> = store.list(Some(prefix)).try_collect().await?;
    objects.retain(|object| {
        let below = object.location.prefix_match(prefix);
        below.is_some_and(|parts| {
            let parts: Vec<_> = parts.collect();
            !parts.is_empty() && !parts.iter().any(|part| is_hidden(part.as_ref()))
        })
    });
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    let all = objects.clone();
    // Some tools write an empty object where a folder begins.
    objects.retain(|object| {
        let begins = |other: &ObjectMeta| {
            other.location != object.location && other.location.prefix_matches(&object.location)
        };
        object.size > 0 || !all.iter().any(begins)
    });
    Ok(objects.into_iter().map(|object| remote(&location, object)).collect())
}

fn remote(location: &Location, object: ObjectMeta) -> InputFile {
    let mut url = location.url.clone();
    url.set_path(object.location.as_ref());
    let place = Place::Remote(location.store.clone(), object.location);
    InputFile { name: url.to_string(), size_bytes: object.size, place }
}

impl InputFile {
    /// Opens the file for reading, from its start; one in object storage is first copied to `temp_dir`,
    /// and the copy is gone once closed.
    pub async fn open(&self, temp_dir: Option<&Path>) -> Result<File> {
        match &self.place {
            Place::Local(path) => File::open(path).map_err(|error| io_error(path, error)),
            Place::Remote(store, path) => {
                let copy = match temp_dir {
                    Some(dir) => tempfile::tempfile_in(dir),
                    None => tempfile::tempfile(),
                };
                let mut copy = copy.map_err(|e| Error::from(e).context("making a copy"))?;
                let mut bytes = store.get(path).await?.into_stream();
                while let Some(chunk) = bytes.try_next().await? {
                    copy.write_all(&chunk).map_err(|e| Error::from(e).context("copying"))?;
                }
                copy.rewind()?;
                Ok(copy)
            }
        }
    }
}
