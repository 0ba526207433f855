//! Lists the files of a folder on a local disk, as objects. A listing goes on after a name that no object_store path can have.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path as FilePath;

use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use object_store::path::{self, Path};
use object_store::{Error, ObjectMeta, Result};
use tokio::task::spawn_blocking;
use walkdir::{DirEntry, WalkDir};

/// As many names are read before the first of them are given: who looks for one file need not wait for all.
const LISTED_AT_ONCE: usize = 1000;

/// All files below a folder, in any order; given a path, those that come after it. Files that vanish meanwhile are left out, and so are
/// object_store's temporary files (`x#1`).
pub(super) fn listed(
    prefix: Option<&Path>,
    after: Option<Path>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let folder = FilePath::new("/").join(prefix.map_or("", |prefix| prefix.as_ref()));
    let entries = WalkDir::new(folder).follow_links(true).min_depth(1).into_iter();
    let next = move |entries: Option<walkdir::IntoIter>| {
        let after = after.clone();
        async move {
            let mut entries = entries?;
            let read = spawn_blocking(move || {
                let some: Vec<_> = entries.by_ref().take(LISTED_AT_ONCE).collect();
                let goes_on = !some.is_empty();
                let objects = some.into_iter().map(|entry| object(entry, after.as_ref()));
                (objects.filter_map(Result::transpose).collect(), goes_on.then_some(entries))
            });
            Some(read.await.unwrap_or_else(|error| (vec![Err(error.into())], None)))
        }
    };
    stream::unfold(Some(entries), next).map(stream::iter::<Vec<_>>).flatten().boxed()
}

fn object(entry: walkdir::Result<DirEntry>, after: Option<&Path>) -> Result<Option<ObjectMeta>> {
    if entry.as_ref().is_ok_and(|entry| after.is_some_and(|after| !comes_after(entry, after))) {
        return Ok(None);
    }
    let looked = entry.and_then(|entry| Ok((entry.metadata()?, entry.into_path())));
    let (metadata, path) = match looked {
        Ok(found) => found,
        Err(error) if error.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::Generic { store: "file", source: error.into() }),
    };
    if !metadata.is_file() {
        return Ok(None);
    }
    let location = stored(&path)?;
    let number = location.filename().and_then(|name| name.rsplit_once('#')).map(|parts| parts.1);
    if number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit())) {
        return Ok(None);
    }
    let modified = metadata.modified().map_err(|error| {
        let source = format!("{}: {error}", path.display()).into();
        Error::Generic { store: "file", source }
    })?;
    let (size, last_modified) = (metadata.len(), modified.into());
    Ok(Some(ObjectMeta { location, last_modified, size, e_tag: None, version: None }))
}

/// Whether a file comes after a path, in the order of their bytes. What is in a folder may, so each folder counts.
fn comes_after(entry: &DirEntry, after: &Path) -> bool {
    match entry.path().as_os_str().as_bytes() {
        [b'/', path @ ..] => entry.file_type().is_dir() || path > after.as_ref().as_bytes(),
        _ => true,
    }
}

fn stored(path: &FilePath) -> Result<Path> {
    let text = std::str::from_utf8(path.as_os_str().as_bytes()).map_err(|source| {
        path::Error::NonUnicode { path: path.to_string_lossy().into_owned(), source }
    })?;
    Ok(Path::parse(text)?)
}
