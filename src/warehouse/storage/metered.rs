//! A store whose reading requests are counted and timed, for the metrics of a server. A server does not write.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// What was asked of all stores of the process since its start.
pub static STORAGE_COUNTS: LazyLock<StorageCounts> = LazyLock::new(StorageCounts::default);

/// Counts of requests to stores.
pub struct StorageCounts {
    /// Requests, by how they ended.
    pub requests: Family<StorageOutcome, Counter>,
    /// How long they took, to the last byte where all bytes are asked for at once, else to the first.
    pub seconds: Family<StorageOperation, Histogram, fn() -> Histogram>,
    /// Bytes read.
    pub bytes: Counter,
}

/// What was asked of a store, as a label: `get`, `head` or `list`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StorageOperation {
    operation: &'static str,
}

/// What was asked of a store and how it ended, as labels: `ok`, `absent` where there is no such object, `failed`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StorageOutcome {
    operation: &'static str,
    outcome: &'static str,
}

impl Default for StorageCounts {
    fn default() -> Self {
        // From 50 microseconds, for a disk, to 26 seconds.
        let seconds = || Histogram::new(exponential_buckets(0.00005, 2.0, 20));
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            bytes: Counter::default(),
        }
    }
}

impl StorageCounts {
    fn count(&self, operation: &'static str, began: Instant, error: Option<&Error>) {
        let seconds = began.elapsed().as_secs_f64();
        self.seconds.get_or_create(&StorageOperation { operation }).observe(seconds);
        let outcome = match error {
            None => "ok",
            Some(Error::NotFound { .. } | Error::NotModified { .. }) => "absent",
            Some(_) => "failed",
        };
        self.requests.get_or_create(&StorageOutcome { operation, outcome }).inc();
    }
}

/// The store, and what counts its requests.
#[derive(Debug)]
pub(crate) struct Metered(pub Arc<dyn ObjectStore>);

impl fmt::Display for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Metered {
    async fn get_opts(&self, from: &Path, options: GetOptions) -> Result<GetResult> {
        let (operation, began) = (if options.head { "head" } else { "get" }, Instant::now());
        let got = self.0.get_opts(from, options).await;
        STORAGE_COUNTS.count(operation, began, got.as_ref().err());
        let mut got = got?;
        got.payload = match got.payload {
            GetResultPayload::Stream(bytes) => GetResultPayload::Stream(counted(bytes, began)),
            file => {
                STORAGE_COUNTS.bytes.inc_by(got.range.end - got.range.start);
                file
            }
        };
        Ok(got)
    }

    async fn get_ranges(&self, from: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let began = Instant::now();
        let got = self.0.get_ranges(from, ranges).await;
        STORAGE_COUNTS.count("get", began, got.as_ref().err());
        let got = got?;
        STORAGE_COUNTS.bytes.inc_by(got.iter().map(|bytes| bytes.len() as u64).sum());
        Ok(got)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        counted_list(self.0.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        counted_list(self.0.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let began = Instant::now();
        let listed = self.0.list_with_delimiter(prefix).await;
        STORAGE_COUNTS.count("list", began, listed.as_ref().err());
        listed
    }

    async fn put_opts(
        &self,
        to: &Path,
        bytes: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.0.put_opts(to, bytes, options).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(to, options).await
    }

    fn delete_stream(
        &self,
        files: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(files)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

/// The same objects, as one request that takes until the first of them.
fn counted_list(
    listed: BoxStream<'static, Result<ObjectMeta>>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let (mut listed, began) = (listed.fuse(), Instant::now());
    let counted = async move {
        let first = listed.next().await;
        let error = first.as_ref().and_then(|first| first.as_ref().err());
        STORAGE_COUNTS.count("list", began, error);
        stream::iter(first).chain(listed)
    };
    stream::once(counted).flatten().boxed()
}

/// The same bytes, counted as they come. A request that fails after its first byte is counted once more, as failed.
fn counted(
    bytes: BoxStream<'static, Result<Bytes>>,
    began: Instant,
) -> BoxStream<'static, Result<Bytes>> {
    let count = move |piece: &Result<Bytes>| match piece {
        Ok(piece) => _ = STORAGE_COUNTS.bytes.inc_by(piece.len() as u64),
        Err(error) => STORAGE_COUNTS.count("get", began, Some(error)),
    };
    bytes.inspect(count).boxed()
}
