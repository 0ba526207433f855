//! Reads Fink's "science" Parquet, in which packets are rows of nested columns, some MiB at a time. Only the sections that are stored are
//! read.

use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::pages::CheckedFile;
use super::sections;
use crate::error::{Error, Kind, Result};

/// About how many bytes of packets make a batch, uncompressed.
const BATCH_BYTES: i64 = 16 << 20;
/// At most how many packets make a batch: those with arrays may be much longer than their average.
const BATCH_PACKETS: i64 = 4096;
const BATCH_PACKETS_OF_ARRAYS: i64 = 64;

/// A Parquet file of packets that is being read.
pub(crate) struct SciencePackets {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    size_bytes: u64,
    packets: u64,
    packets_read: u64,
}

impl SciencePackets {
    /// Opens a file and reads its footer. A file that is not of alerts is an `Input` error.
    pub(crate) fn open(file: File, history: bool) -> Result<Self> {
        let size_bytes = file.metadata()?.len();
        // The Arrow schema of the writer is ignored: the Parquet types suffice, and it would only add variants.
        let footer = ParquetMetaDataReader::new().parse_and_finish(&file).map_err(unreadable)?;
        let columns = footer.file_metadata().schema_descr();
        let roots = columns.root_schema().get_fields();
        if !roots.iter().any(|root| root.name() == sections::DIA_SOURCE) {
            let what = "a Parquet file without a column diaSource";
            return Err(Error::input(format!("{what}; nested alert packets are expected")));
        }
        let is_stored = |at: &usize| sections::is_stored(roots[*at].name(), history);
        let stored = (0..roots.len()).filter(is_stored);
        let mask = ProjectionMask::roots(columns, stored);
        let packets = footer.file_metadata().num_rows().max(0) as u64;
        let batch_size = batch_size(&footer, &mask);
        let fields = parquet_to_arrow_field_levels(columns, mask, None).map_err(unreadable)?;
        let pages = CheckedFile::new(file, Arc::new(footer));
        let reader =
            ParquetRecordBatchReader::try_new_with_row_groups(&fields, &pages, batch_size, None);
        let reader = reader.map_err(unreadable)?;
        let schema = arrow::array::RecordBatchReader::schema(&reader);
        Ok(Self { reader, schema, size_bytes, packets, packets_read: 0 })
    }

    /// The nested schema of the batches.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// About how many bytes of the file have been read.
    pub(crate) fn bytes_read(&self) -> u64 {
        let share = self.packets_read as f64 / self.packets.max(1) as f64;
        (self.size_bytes as f64 * share) as u64
    }

    /// The next packets, in the order of the file; `None` after the last.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let place = || format!("after record {}: damaged", self.packets_read);
        let batch = batch.map_err(|error| Error::input(format!("{}: {error}", place())))?;
        self.packets_read += batch.num_rows() as u64;
        Ok(Some(batch))
    }
}

fn unreadable(error: ParquetError) -> Error {
    Error::from(error).with_kind(Kind::Input)
}

/// How many packets are about [`BATCH_BYTES`], in the row group that has the largest ones.
fn batch_size(file: &ParquetMetaData, mask: &ProjectionMask) -> usize {
    let packet_bytes = file.row_groups().iter().map(|group| {
        let columns = group.columns().iter().enumerate().filter(|(at, _)| mask.leaf_included(*at));
        let bytes = columns.map(|(_, column)| column.uncompressed_size());
        let bytes = bytes.fold(0, i64::saturating_add);
        bytes / group.num_rows().max(1)
    });
    let columns = file.file_metadata().schema_descr().columns().iter().enumerate();
    let mut columns = columns.filter(|(at, _)| mask.leaf_included(*at));
    let most = match columns.any(|(_, column)| column.max_rep_level() > 0) {
        true => BATCH_PACKETS_OF_ARRAYS,
        false => BATCH_PACKETS,
    };
    (BATCH_BYTES / packet_bytes.max().unwrap_or(1).max(1)).clamp(1, most) as usize
}
