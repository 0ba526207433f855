//! A minimal Parquet reader, without plan, threads or requests, as a lower bound. The footers and key ranges of the files are read
//! beforehand; a lookup gives the rows of an object in the order of the file.

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use diaflight::schema::{KEY, Table};
use diaflight::warehouse::Warehouse;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use crate::positioned::Positioned;

pub struct BareReader {
    files: Vec<OpenFile>,
}

struct OpenFile {
    file: Positioned,
    footer: ArrowReaderMetadata,
    key: ProjectionMask,
    /// In the order of the file, which is that of the keys.
    pages: Vec<Page>,
}

/// A page of keys: rows of a row group, and the least and the greatest key in them.
struct Page {
    group: usize,
    rows: Range<usize>,
    min: i64,
    max: i64,
}

impl BareReader {
    pub async fn open(warehouse: &Warehouse) -> Self {
        let snapshot = warehouse.snapshot(Table::Sources, None).await;
        let snapshot = snapshot.expect("a snapshot").expect("sources");
        let paths = snapshot.files.iter().map(|file| format!("/{}", file.path));
        Self { files: paths.map(|path| OpenFile::open(&path)).collect() }
    }

    /// The served columns `names`, made ready to read.
    pub fn projection(&self, names: &[String]) -> ProjectionMask {
        let schema = self.files[0].footer.parquet_schema();
        let stored =
            names.iter().map(|name| name.split_once(':').map_or(&**name, |(_, name)| name));
        let places: HashMap<_, _> =
            schema.columns().iter().enumerate().map(|(i, column)| (column.name(), i)).collect();
        ProjectionMask::roots(schema, stored.map(|name| places[name]))
    }

    pub fn lookup(&self, ids: &[i64], projection: &ProjectionMask) -> Vec<RecordBatch> {
        let mut batches = Vec::new();
        for &id in ids {
            for file in &self.files {
                file.lookup(id, projection, &mut batches);
            }
        }
        batches
    }
}

impl OpenFile {
    fn open(path: &str) -> Self {
        let file = Positioned::open(path).expect("a file of the warehouse");
        let options = ArrowReaderOptions::new()
            .with_page_index_policy(PageIndexPolicy::Required)
            .with_skip_arrow_metadata(true);
        let footer = ArrowReaderMetadata::load(&file, options).expect("a footer with a page index");
        let columns = footer.parquet_schema().columns();
        let key = columns.iter().position(|column| column.name() == KEY).expect("keys");
        let pages = pages(&footer, key);
        Self { file, key: ProjectionMask::roots(footer.parquet_schema(), [key]), footer, pages }
    }

    fn lookup(&self, id: i64, projection: &ProjectionMask, batches: &mut Vec<RecordBatch>) {
        let first = self.pages.partition_point(|page| page.max < id);
        let end = first + self.pages[first..].partition_point(|page| page.min <= id);
        for pages in self.pages[first..end].chunk_by(|a, b| a.group == b.group) {
            let (group, rows) =
                (pages[0].group, pages[0].rows.start..pages[pages.len() - 1].rows.end);
            if let Some(keys) = self.read(group, rows.clone(), &self.key) {
                let keys = keys.column(0).as_primitive::<Int64Type>().values();
                let from = rows.start + keys.partition_point(|&key| key < id);
                let to = rows.start + keys.partition_point(|&key| key <= id);
                if from < to {
                    batches.extend(self.read(group, from..to, projection));
                }
            }
        }
    }

    /// Rows of a row group, as one batch.
    fn read(
        &self,
        group: usize,
        rows: Range<usize>,
        projection: &ProjectionMask,
    ) -> Option<RecordBatch> {
        let selectors = vec![RowSelector::skip(rows.start), RowSelector::select(rows.len())];
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.file.clone(),
            self.footer.clone(),
        );
        let reader = reader
            .with_row_groups(vec![group])
            .with_row_selection(RowSelection::from(selectors))
            .with_projection(projection.clone())
            .with_batch_size(rows.len());
        reader.build().expect("a reader").next().transpose().expect("rows")
    }
}

fn pages(footer: &ArrowReaderMetadata, key: usize) -> Vec<Page> {
    let footer = footer.metadata();
    let mut pages = Vec::new();
    for (group, described) in footer.row_groups().iter().enumerate() {
        let ColumnIndexMetaData::INT64(index) =
            &footer.column_index().expect("a column index")[group][key]
        else {
            panic!("the keys have no statistics of pages")
        };
        let offsets = footer.offset_index().expect("an offset index")[group][key].page_locations();
        let starts = offsets.iter().map(|page| page.first_row_index as usize);
        let ends = starts.clone().skip(1).chain([described.num_rows() as usize]);
        for (i, (start, end)) in starts.zip(ends).enumerate() {
            let (min, max) = (index.min_values()[i], index.max_values()[i]);
            pages.push(Page { group, rows: start..end, min, max });
        }
    }
    pages
}
