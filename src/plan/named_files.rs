//! Opens the files of DataFusion's scans. A plan and its metrics name a file by its path below the table, since `EXPLAIN` shows them to
//! clients; the store and the cache of footers know it by its whole path.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ParquetMetaData;

use crate::warehouse::Snapshot;

/// A factory of readers for the files of a snapshot.
#[derive(Debug)]
pub(crate) struct NamedFiles {
    root: Path,
    files: CachedParquetFileReaderFactory,
}

impl NamedFiles {
    /// A factory whose readers keep footers in a cache.
    pub(crate) fn new(snapshot: &Snapshot, footers: Arc<FileMetadataCache>) -> Self {
        let files = CachedParquetFileReaderFactory::new(snapshot.store.clone(), footers);
        Self { root: snapshot.root.clone(), files }
    }
}

impl ParquetFileReaderFactory for NamedFiles {
    fn create_reader(
        &self,
        partition: usize,
        mut file: PartitionedFile,
        footer_bytes: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let (name, size) = (file.object_meta.location.clone(), file.object_meta.size);
        let metrics = ParquetFileMetrics::new(partition, name.as_ref(), metrics);
        file.object_meta.location = self.root.parts().chain(name.parts()).collect();
        // Its metrics would have the whole path.
        let unseen = ExecutionPlanMetricsSet::new();
        let reader = self.files.create_reader(partition, file, footer_bytes, &unseen)?;
        Ok(Box::new(NamedFile { reader, metrics, size }))
    }
}

/// A reader that counts the bytes it reads under the name of its file.
struct NamedFile {
    reader: Box<dyn AsyncFileReader + Send>,
    metrics: ParquetFileMetrics,
    size: u64,
}

impl NamedFile {
    fn count(&self, range: &Range<u64>) {
        self.metrics.bytes_scanned.add((range.end - range.start) as usize);
    }
}

impl AsyncFileReader for NamedFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.count(&range);
        self.reader.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        ranges.iter().for_each(|range| self.count(range));
        self.reader.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        self.reader.get_metadata(options)
    }
}

impl Drop for NamedFile {
    fn drop(&mut self) {
        let ParquetFileMetrics { bytes_scanned, scan_efficiency_ratio, .. } = &self.metrics;
        scan_efficiency_ratio.add_part(bytes_scanned.value());
        scan_efficiency_ratio.set_total(self.size as usize);
    }
}
