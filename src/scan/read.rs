//! Reads a [`Lookup`]: a stream of batches of its rows, in the order of the files. Parts of row groups are fetched ahead of the reader and
//! decoded side by side, as many as a number of bytes allows. Each page is read once, however many of the objects are in it.

use std::collections::VecDeque;
use std::iter::once;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use futures::stream::{self, BoxStream, Fuse};
use futures::{Stream, StreamExt, TryStreamExt, future};

use super::decode::{decode, keyed};
use super::fetch::{FetchedColumns, fetch};
use super::projection::{FileProjection, row_bytes};
use super::{Lookup, ScanMetrics};
use crate::error::{Error, Result};
use crate::index::{FileColumns, FileIndex, PART_ROWS, RowGroupPart};

/// Parts of row groups that are read or decoded at the same time: enough to keep every thread decoding while the next parts are on their
/// way from a distant store.
const PARTS_AT_ONCE: usize = 48;
/// Memory for the rows of these parts, give or take one part. A client that stops reading makes the server hold this much.
const AHEAD_BYTES: usize = 16 << 20;
/// Memory for the rows of one part.
const PART_BYTES: usize = 4 << 20;

/// Some rows, and the file that has them.
pub type RowsOfFile = (Arc<FileIndex>, RecordBatch);

/// Reads the rows of a lookup. Batches have at least a row.
pub fn read(lookup: Lookup) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    read_by_file(lookup).map_ok(|(_, rows)| rows)
}

/// Reads the rows of a lookup, each batch with the file that has its rows.
pub fn read_by_file(lookup: Lookup) -> impl Stream<Item = Result<RowsOfFile>> + Send + 'static {
    let batches = stream::once(start(lookup)).try_flatten();
    batches.try_filter(|(_, rows)| future::ready(rows.num_rows() > 0))
}

async fn start(lookup: Lookup) -> Result<BoxStream<'static, Result<RowsOfFile>>> {
    let row_bytes = row_bytes(&lookup.projection.schema);
    let most = (PART_BYTES / row_bytes).clamp(1, PART_ROWS);
    // Decoding leaves out the rows that they replace.
    lookup.table.updated_keys().await?;
    let groups = lookup.table.groups(&lookup.wanted).await?;
    if let [group] = &groups[..] {
        let mut parts = lookup.table.parts(group.clone(), most).await?;
        if parts.len() > 1 {
            let parts = stream::iter(parts.into_iter().map(Ok));
            return Ok(side_by_side(lookup, row_bytes, parts.boxed()));
        }
        // The most frequent lookup, of an object in one row group, needs no task of its own.
        let Some(part) = parts.pop() else { return Ok(stream::empty().boxed()) };
        return Ok(stream::iter([rows(&lookup, part).await]).boxed());
    }
    let of = lookup.clone();
    let parts = stream::iter(groups).map(move |group| {
        let lookup = of.clone();
        async move { lookup.table.parts(group, most).await }
    });
    let parts = parts.buffered(PARTS_AT_ONCE);
    let parts = parts.map_ok(|parts| stream::iter(parts.into_iter().map(Ok))).try_flatten();
    Ok(side_by_side(lookup, row_bytes, parts.boxed()))
}

fn side_by_side(
    lookup: Lookup,
    row_bytes: usize,
    parts: BoxStream<'static, Result<RowGroupPart>>,
) -> BoxStream<'static, Result<RowsOfFile>> {
    let under_way = VecDeque::new();
    let ahead = Ahead { lookup, row_bytes, parts: parts.fuse(), under_way, bytes: 0 };
    stream::unfold(ahead, |mut ahead| async move { Some((ahead.next().await?, ahead)) }).boxed()
}

/// Parts of row groups that are read ahead of the client.
struct Ahead {
    lookup: Lookup,
    row_bytes: usize,
    parts: Fuse<BoxStream<'static, Result<RowGroupPart>>>,
    /// The tasks that read and decode parts, each with the bytes that its rows may take.
    under_way: VecDeque<(usize, SpawnedTask<Result<RowsOfFile>>)>,
    bytes: usize,
}

impl Ahead {
    /// The rows of the next part. More parts are begun while there is room for them.
    async fn next(&mut self) -> Option<Result<RowsOfFile>> {
        loop {
            let some = !self.under_way.is_empty();
            let room = self.under_way.len() < PARTS_AT_ONCE && self.bytes < AHEAD_BYTES;
            let more = (room || !some) && !self.parts.is_done();
            tokio::select! {
                biased;
                part = self.parts.next(), if more => {
                    if let Some(part) = part {
                        self.begin(part);
                    }
                }
                rows = first(&mut self.under_way), if some => {
                    let (bytes, _) = self.under_way.pop_front()?;
                    self.bytes -= bytes;
                    return Some(rows);
                }
                else => return None,
            }
        }
    }

    fn begin(&mut self, part: Result<RowGroupPart>) {
        let bytes = part.as_ref().map_or(0, |part| part.candidates() * self.row_bytes);
        let lookup = self.lookup.clone();
        let work = SpawnedTask::spawn(async move { rows(&lookup, part?).await });
        self.bytes += bytes;
        self.under_way.push_back((bytes, work));
    }
}

/// Waits for the first of the tasks.
async fn first(
    under_way: &mut VecDeque<(usize, SpawnedTask<Result<RowsOfFile>>)>,
) -> Result<RowsOfFile> {
    let Some((_, work)) = under_way.front_mut() else { return future::pending().await };
    let done = work.await;
    done.map_err(|error| Error::internal(format!("decoding: {error}")))?
}

/// The wanted rows of a part.
async fn rows(lookup: &Lookup, part: RowGroupPart) -> Result<RowsOfFile> {
    let file = part.file.clone();
    Ok((file, rows_of_part(lookup, part).await?))
}

async fn rows_of_part(lookup: &Lookup, part: RowGroupPart) -> Result<RecordBatch> {
    let part = match part.pages.tell_keys() {
        true => part,
        false => match with_key(lookup, part).await? {
            Some(part) => part,
            None => return Ok(RecordBatch::new_empty(lookup.projection.schema.clone())),
        },
    };
    let in_file = lookup.projection.for_file(&part.file.columns)?;
    let columns = needed_columns(lookup, &part.file.columns, &in_file);
    lookup.metrics.row_groups.add(1);
    let fetched = counted_fetch(lookup, part, columns.into_iter()).await?;
    decode(&fetched, lookup, &in_file)
}

/// The part with just the rows that have one of the keys; `None` if there are none. It is for files whose pages do not tell their keys: the
/// keys are read first and alone, since most row groups may have none of the rows, and the other columns are most of the bytes.
async fn with_key(lookup: &Lookup, part: RowGroupPart) -> Result<Option<RowGroupPart>> {
    let key = part.file.columns.key.column;
    let fetched = counted_fetch(lookup, part, once(key)).await?;
    let rows = keyed(&fetched, lookup);
    let rows = rows.map_err(|error| fetched.part.file.failed(error))?;
    Ok((!rows.is_empty()).then_some(RowGroupPart { rows, ..fetched.part }))
}

/// The columns of a file to fetch, ascending: those of the answer and those by which rows are chosen.
fn needed_columns(lookup: &Lookup, columns: &FileColumns, in_file: &FileProjection) -> Vec<usize> {
    let time = columns.time.as_ref().filter(|_| lookup.wanted.times.is_some());
    let leaves = in_file.leaves.iter().chain([&columns.key]).chain(time);
    let mut needed: Vec<_> = leaves.map(|leaf| leaf.column).collect();
    needed.sort_unstable();
    needed.dedup();
    needed
}

/// Fetches the pages of a part, of some columns (ascending).
async fn counted_fetch(
    lookup: &Lookup,
    part: RowGroupPart,
    columns: impl Iterator<Item = usize>,
) -> Result<FetchedColumns> {
    let fetched = fetch(&lookup.table.snapshot.store, part, columns).await?;
    let ScanMetrics { row_groups: _, pages, bytes, requests } = &lookup.metrics;
    pages.add(fetched.pages);
    bytes.add(fetched.bytes);
    requests.add(1);
    Ok(fetched)
}
