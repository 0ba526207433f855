//! Local files that answer as object storage would: each request is delayed and counted. Gives the traffic since the counters were
//! last reset.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Traffic {
    requests: usize,
    /// Requests that began while no other was under way: how often one waited for another.
    in_sequence: usize,
    bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    delay: Duration,
    under_way: usize,
    traffic: Traffic,
}

#[derive(Debug, Default)]
pub struct Delayed {
    files: LocalFileSystem,
    state: Mutex<State>,
}

impl Delayed {
    pub fn local() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    pub fn forget(&self) {
        self.state().traffic = Traffic::default();
    }

    pub fn traffic(&self) -> Traffic {
        self.state().traffic
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    fn begin(&self) -> Duration {
        let mut state = self.state();
        state.traffic.requests += 1;
        state.traffic.in_sequence += usize::from(state.under_way == 0);
        state.under_way += 1;
        state.delay
    }

    fn end(&self, range: &Range<u64>) {
        let mut state = self.state();
        state.under_way -= 1;
        state.traffic.bytes += range.end - range.start;
    }
}

impl fmt::Display for Delayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delayed {}", self.files)
    }
}

/// `get_ranges` is object_store's own, which joins ranges that are near each other, as for S3.
#[async_trait]
impl ObjectStore for Delayed {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let delay = self.begin();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let result = self.files.get_opts(location, options).await;
        self.end(result.as_ref().map_or(&(0..0), |result| &result.range));
        result
    }

    async fn put_opts(
        &self,
        to: &Path,
        bytes: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.files.put_opts(to, bytes, options).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(to, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }
}
