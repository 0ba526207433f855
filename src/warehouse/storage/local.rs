//! Files on a local disk. Bytes that the system has in memory are read on the calling thread; all others on threads that may wait for a
//! disk. That saves a lookup from memory two changes of thread. Writes are [`durable`](super::durable).

use std::fmt;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::task::spawn_blocking;

use super::durable::{Draft, Existing};
use super::local_listing::listed;

/// More than this is copied on a thread of its own, whether or not it is in memory.
const AT_ONCE_BYTES: u64 = 2 << 20;

/// An object store on a local disk.
#[derive(Debug, Default)]
pub(crate) struct LocalFiles(LocalFileSystem);

#[async_trait]
impl ObjectStore for LocalFiles {
    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let length = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum::<u64>();
        if length <= AT_ONCE_BYTES
            && let Some(bytes) = in_memory(&self.0.path_to_filesystem(location)?, ranges)
        {
            return Ok(bytes);
        }
        self.0.get_ranges(location, ranges).await
    }

    async fn put_opts(
        &self,
        to: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let existing = match options.mode {
            PutMode::Overwrite => Existing::Replace,
            PutMode::Create => Existing::Keep,
            // object_store's own store refuses this mode with a clear error.
            PutMode::Update(_) => return self.0.put_opts(to, payload, options).await,
        };
        let path = self.0.path_to_filesystem(to)?;
        let written = spawn_blocking(move || {
            let write = || {
                let draft = Draft::begin(&path)?;
                write_at(&draft, &payload, 0)?;
                draft.finish(existing)
            };
            write().map_err(|error| failed(&path, error))
        });
        written.await??;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.0.path_to_filesystem(to)?;
        let begun = spawn_blocking(move || match Draft::begin(&path) {
            Ok(draft) => {
                Ok(LocalUpload { to: path.into(), draft: Some(Arc::new(draft)), length: 0 })
            }
            Err(error) => Err(failed(&path, error)),
        });
        Ok(Box::new(begun.await??))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        listed(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        listed(prefix, Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        // Nothing here copies files. A copy would not be synced, so it is refused.
        Err(Error::NotImplemented { operation: "copy_opts".into(), implementer: self.to_string() })
    }
}

impl fmt::Display for LocalFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A multipart upload to a local file.
#[derive(Debug)]
struct LocalUpload {
    to: Arc<FilePath>,
    draft: Option<Arc<Draft>>,
    length: u64,
}

impl LocalUpload {
    fn ended(&self) -> Error {
        failed(&self.to, io::Error::other("the upload has ended"))
    }
}

#[async_trait]
impl MultipartUpload for LocalUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let Some(draft) = self.draft.clone() else {
            return futures::future::ready(Err(self.ended())).boxed();
        };
        let (to, offset) = (self.to.clone(), self.length);
        self.length += data.content_length() as u64;
        let write = move || write_at(&draft, &data, offset).map_err(|error| failed(&to, error));
        async move { spawn_blocking(write).await? }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let draft = self.draft.take().ok_or_else(|| self.ended())?;
        let to = self.to.clone();
        let finish = move || draft.finish(Existing::Replace).map_err(|error| failed(&to, error));
        spawn_blocking(finish).await??;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        self.draft = None;
        Ok(())
    }
}

fn write_at(draft: &Draft, data: &PutPayload, mut offset: u64) -> io::Result<()> {
    for bytes in data {
        draft.write_at(bytes, offset)?;
        offset += bytes.len() as u64;
    }
    Ok(())
}

fn failed(path: &FilePath, error: io::Error) -> Error {
    let (path, kind) = (path.display().to_string(), error.kind());
    match kind {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: error.into() },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path, source: error.into() },
        _ => Error::Generic { store: "file", source: format!("{path}: {error}").into() },
    }
}

/// The bytes of all ranges, if the system has them in memory. `None` after any error: the ordinary read reports it.
fn in_memory(path: &FilePath, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
    let file = File::open(path).ok()?;
    let read = |range: &Range<u64>| {
        let mut bytes = vec![0; usize::try_from(range.end.checked_sub(range.start)?).ok()?];
        let buffer = &mut [IoSliceMut::new(&mut bytes)];
        let count = preadv2(&file, buffer, range.start, ReadWriteFlags::NOWAIT).ok()?;
        (count == bytes.len()).then(|| Bytes::from(bytes))
    };
    ranges.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, TryStreamExt};
    use object_store::ObjectStoreExt;

    use super::*;
    use crate::warehouse::storage::metered::Metered;

    #[tokio::test]
    async fn ranges_are_read_whole_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = Path::from_absolute_path(folder.path().join("x")).unwrap();
        let store = LocalFiles::default();
        let content: Vec<u8> = (0..(3u32 << 20)).map(|i| (i % 251) as u8).collect();
        store.put(&path, content.clone().into()).await.unwrap();
        let ranges = [5..7, 0..3, 9..9, 1 << 20..(1 << 20) + 100];
        for ranges in [&ranges[..], std::slice::from_ref(&(1..(3 << 20)))] {
            let read = store.get_ranges(&path, ranges).await.unwrap();
            let of = |range: &Range<u64>| &content[range.start as usize..range.end as usize];
            let expected: Vec<_> = ranges.iter().map(of).collect();
            assert_eq!(read, expected);
        }
        for beyond in [(3 << 20) + 1..(3 << 20) + 2, 0..3, (3 << 20)..u64::MAX] {
            let missing = beyond == (0..3);
            let path = if missing { Path::from("not/there") } else { path.clone() };
            assert!(store.get_ranges(&path, &[0..1, beyond]).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_listing_goes_on_after_a_name_that_no_path_can_have() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = Path::from_absolute_path(folder.path()).unwrap();
        for name in ["a", "b\tc", "d/%41#x", "d/z", "left.parquet#1"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        std::os::unix::fs::symlink("nowhere", folder.path().join("broken")).unwrap();
        let store = LocalFiles::default();
        let listed: Vec<_> = store.list(Some(&prefix)).collect().await;
        let (found, refused): (Vec<_>, Vec<_>) = listed.into_iter().partition(Result::is_ok);
        let mut found: Vec<_> = found.into_iter().map(|object| object.unwrap().location).collect();
        found.sort();
        let expected = ["a", "d/%41#x", "d/z"].map(|name| format!("{prefix}/{name}"));
        assert_eq!(found.iter().map(Path::as_ref).collect::<Vec<_>>(), expected);
        let [Err(Error::InvalidPath { source })] = &refused[..] else { panic!("{refused:?}") };
        assert!(source.to_string().contains("b\tc"), "{source}");
        for path in found {
            assert!(store.get(&path).await.is_ok());
        }
        let nothing =
            store.list(Some(&prefix.clone().join("missing"))).try_collect::<Vec<_>>().await;
        assert!(nothing.unwrap().is_empty());
        // What comes before an offset is not looked at, also by the store that counts requests.
        let store = Metered(Arc::new(store));
        let after = store
            .list_with_offset(Some(&prefix), &prefix.clone().join("c"))
            .map_ok(|found| found.location);
        let mut after = after.try_collect::<Vec<_>>().await.unwrap();
        after.sort();
        assert_eq!(after.iter().map(Path::as_ref).collect::<Vec<_>>(), expected[1..]);
    }
}
