//! A store that records which ranges were read, and which requests waited for others.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// One request, and the ranges it asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub file: Path,
    pub ranges: Vec<Range<u64>>,
}

impl Request {
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }
}

#[derive(Debug)]
pub struct Counted {
    store: Arc<dyn ObjectStore>,
    requests: Mutex<Vec<Request>>,
    /// How long each request takes longer.
    delay: Mutex<Duration>,
    /// When each request began and ended.
    times: Mutex<Vec<(Instant, Instant)>>,
}

impl Counted {
    pub fn over(store: Arc<dyn ObjectStore>) -> Arc<Self> {
        let (requests, delay, times) = Default::default();
        Arc::new(Self { store, requests, delay, times })
    }

    /// Has each request take longer from now on.
    pub fn slow(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
        self.times.lock().unwrap().clear();
    }

    /// The most requests since the last time of which each began after the one before had ended.
    pub fn in_sequence(&self) -> usize {
        let mut times = std::mem::take(&mut *self.times.lock().unwrap());
        times.sort_by_key(|(_, end)| *end);
        let (mut count, mut last) = (0, None);
        for (begin, end) in times {
            if last.is_none_or(|last| begin >= last) {
                (count, last) = (count + 1, Some(end));
            }
        }
        count
    }

    async fn wait(&self, begin: Instant) {
        let delay = *self.delay.lock().unwrap();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
            self.times.lock().unwrap().push((begin, Instant::now()));
        }
    }

    /// What was asked for since the last time, other than lists.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    fn note(&self, file: &Path, ranges: &[Range<u64>]) {
        let request = Request { file: file.clone(), ranges: ranges.to_vec() };
        self.requests.lock().unwrap().push(request);
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counted {}", self.store)
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn get_opts(&self, file: &Path, options: GetOptions) -> Result<GetResult> {
        let begin = Instant::now();
        let result = self.store.get_opts(file, options).await?;
        self.wait(begin).await;
        self.note(file, std::slice::from_ref(&result.range));
        Ok(result)
    }

    async fn get_ranges(&self, file: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let begin = Instant::now();
        self.note(file, ranges);
        let bytes = self.store.get_ranges(file, ranges).await;
        self.wait(begin).await;
        bytes
    }

    async fn put_opts(
        &self,
        to: &Path,
        bytes: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.store.put_opts(to, bytes, options).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(to, options).await
    }

    fn delete_stream(
        &self,
        files: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(files)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
