//! The scan. In: what is wanted of a snapshot. Out: batches of its rows, in the order of the files. Row groups are
//! fetched ahead of the reader and decoded side by side, as many as a number of bytes allows; a page is read once, whatever
//! number of objects is in it.

use std::collections::VecDeque;
use std::iter::once;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::physical_plan::metrics::Count;
use futures::stream::{self, BoxStream, Fuse};
use futures::{Stream, StreamExt, TryStreamExt, future};

use super::Wanted;
use super::bytes::{Fetched, Place, fetch};
use super::decode::{decode, keyed};
use super::projection::{Projection, row_bytes};
use super::table::{PLACE_ROWS, TableIndex};
use crate::error::{Error, Result};

/// Parts of row groups being read and decoded at once: enough to have the next ones asked for, however far away the store
/// is, while others are decoded on every thread there is.
const PLACES_AT_ONCE: usize = 16;
/// What their rows may take in memory, one part more or less: what a reader who stops makes the server hold.
const AHEAD_BYTES: usize = 16 << 20;
/// What the rows of one part may take.
const PLACE_BYTES: usize = 4 << 20;

/// What a scan read.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Row groups with a page that was read.
    pub row_groups: Count,
    /// Data pages.
    pub pages: Count,
    pub bytes: Count,
    /// To the store, for pages.
    pub requests: Count,
}

/// One lookup.
#[derive(Clone)]
pub struct Lookup {
    pub table: Arc<TableIndex>,
    pub projection: Arc<Projection>,
    pub wanted: Arc<Wanted>,
    /// Of each row group the last row first.
    pub reversed: bool,
    pub counts: Counts,
}

/// Reads the rows of a lookup. Batches have at least a row.
pub fn read(lookup: Lookup) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    let batches = stream::once(start(lookup)).try_flatten();
    batches.try_filter(|batch| future::ready(batch.num_rows() > 0))
}

async fn start(lookup: Lookup) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let row_bytes = row_bytes(&lookup.projection.schema);
    let most = (PLACE_BYTES / row_bytes).clamp(1, PLACE_ROWS);
    let groups = lookup.table.groups(&lookup.wanted).await?;
    if let [group] = &groups[..] {
        let mut places = lookup.table.places(group.clone(), &lookup.wanted, most).await?;
        if places.len() > 1 {
            let places = stream::iter(places.into_iter().map(Ok));
            return Ok(side_by_side(lookup, row_bytes, places.boxed()));
        }
        // What most ask for, an object in one row group, is done on the spot.
        let Some(place) = places.pop() else { return Ok(stream::empty().boxed()) };
        return Ok(stream::iter([rows(&lookup, place).await]).boxed());
    }
    let of = lookup.clone();
    let places = stream::iter(groups).map(move |group| {
        let lookup = of.clone();
        async move { lookup.table.places(group, &lookup.wanted, most).await }
    });
    let places = places.buffered(PLACES_AT_ONCE);
    let places = places.map_ok(|places| stream::iter(places.into_iter().map(Ok))).try_flatten();
    Ok(side_by_side(lookup, row_bytes, places.boxed()))
}

fn side_by_side(
    lookup: Lookup,
    row_bytes: usize,
    places: BoxStream<'static, Result<Place>>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let under_way = VecDeque::new();
    let ahead = Ahead { lookup, row_bytes, places: places.fuse(), under_way, bytes: 0 };
    stream::unfold(ahead, |mut ahead| async move { Some((ahead.next().await?, ahead)) }).boxed()
}

/// Parts of row groups under way, ahead of their reader.
struct Ahead {
    lookup: Lookup,
    row_bytes: usize,
    places: Fuse<BoxStream<'static, Result<Place>>>,
    /// Each with the bytes that its rows may take.
    under_way: VecDeque<(usize, SpawnedTask<Result<RecordBatch>>)>,
    bytes: usize,
}

impl Ahead {
    /// The rows of the next part. Others are begun while there is room for them.
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            let some = !self.under_way.is_empty();
            let room = self.under_way.len() < PLACES_AT_ONCE && self.bytes < AHEAD_BYTES;
            let more = (room || !some) && !self.places.is_done();
            tokio::select! {
                biased;
                place = self.places.next(), if more => {
                    if let Some(place) = place {
                        self.begin(place);
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

    fn begin(&mut self, place: Result<Place>) {
        let bytes = place.as_ref().map_or(0, |place| place.candidates() * self.row_bytes);
        let lookup = self.lookup.clone();
        let work = SpawnedTask::spawn(async move { rows(&lookup, place?).await });
        self.bytes += bytes;
        self.under_way.push_back((bytes, work));
    }
}

/// Waits for the first of them.
async fn first(
    under_way: &mut VecDeque<(usize, SpawnedTask<Result<RecordBatch>>)>,
) -> Result<RecordBatch> {
    let Some((_, work)) = under_way.front_mut() else { return future::pending().await };
    let done = work.await;
    done.map_err(|error| Error::internal(format!("decoding: {error}")))?
}

/// The wanted rows of a place.
async fn rows(lookup: &Lookup, place: Place) -> Result<RecordBatch> {
    let place = match place.pages.tell_keys() {
        true => place,
        false => match with_key(lookup, place).await? {
            Some(place) => place,
            None => return Ok(RecordBatch::new_empty(lookup.projection.schema.clone())),
        },
    };
    let fetched = fetched(lookup, place).await?;
    decode(&fetched, &lookup.projection, &lookup.wanted, lookup.reversed)
}

/// The rows of a place that have one of the keys; `None` where there are none. Where pages do not tell their keys, these are read
/// alone before: the other columns are most of the bytes, and most row groups may have none of the rows.
async fn with_key(lookup: &Lookup, place: Place) -> Result<Option<Place>> {
    let key = place.file.columns.key.column;
    let fetched = counted_fetch(lookup, place, once(key)).await?;
    let rows = keyed(&fetched, &lookup.wanted.keys);
    let rows = rows.map_err(|error| fetched.place.file.failed(error))?;
    Ok((!rows.is_empty()).then_some(Place { rows, ..fetched.place }))
}

/// The pages of a place, of every column that is needed.
async fn fetched(lookup: &Lookup, place: Place) -> Result<Fetched> {
    let columns = place.file.columns.clone();
    let of_file = lookup.projection.of_file(&columns)?;
    let time = columns.time.as_ref().filter(|_| lookup.wanted.times_mjd.is_some());
    let leaves = of_file.leaves.iter().chain([&columns.key]).chain(time);
    let mut needed: Vec<_> = leaves.map(|leaf| leaf.column).collect();
    needed.sort_unstable();
    needed.dedup();
    lookup.counts.row_groups.add(1);
    counted_fetch(lookup, place, needed.into_iter()).await
}

async fn counted_fetch(
    lookup: &Lookup,
    place: Place,
    columns: impl Iterator<Item = usize>,
) -> Result<Fetched> {
    let fetched = fetch(&lookup.table.snapshot.store, place, columns).await?;
    let Counts { row_groups: _, pages, bytes, requests } = &lookup.counts;
    pages.add(fetched.pages);
    bytes.add(fetched.bytes);
    requests.add(1);
    Ok(fetched)
}
