//! Files of this machine. In: ranges of a file. Out: their bytes: at once where the system has them in memory, else through
//! the threads that may wait for a disk. A lookup whose pages are in memory is spared the way to such a thread and back.

use std::fmt;
use std::fs::File;
use std::io::IoSliceMut;
use std::ops::Range;
use std::path::Path as FilePath;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use rustix::io::{ReadWriteFlags, preadv2};

/// More than this is copied on a thread of its own, whether or not it is in memory.
const AT_ONCE_BYTES: u64 = 2 << 20;

#[derive(Debug, Default)]
pub struct LocalFiles(LocalFileSystem);

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
        self.0.put_opts(to, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(to, options).await
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
        self.0.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}

impl fmt::Display for LocalFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The bytes of every range, if the system need not wait for a disk. Whatever goes wrong, the slow way will tell.
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
    use object_store::ObjectStoreExt;

    use super::*;

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
}
