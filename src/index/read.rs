//! The scan. In: what is wanted of a snapshot. Out: batches of its rows, in the order of the files. Many row groups are
//! fetched ahead and decoded side by side; a page is read once, whatever number of objects is in it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::physical_plan::metrics::Count;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt, future};

use super::Wanted;
use super::bytes::{Fetched, Place, fetch};
use super::decode::decode;
use super::projection::Projection;
use super::table::TableIndex;
use crate::error::{Error, Result};

/// Parts of row groups being read and decoded at once: enough to have the next ones asked for, however far away the store
/// is, while others are decoded on every thread there is.
const PLACES_AT_ONCE: usize = 16;

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
    let groups = lookup.table.groups(&lookup.wanted).await?;
    if let [group] = &groups[..] {
        let mut places = lookup.table.places(group.clone(), &lookup.wanted).await?;
        if places.len() > 1 {
            let places = stream::iter(places.into_iter().map(Ok));
            return Ok(side_by_side(lookup, places.boxed()));
        }
        // What most ask for, an object in one row group, is done on the spot.
        let Some(place) = places.pop() else { return Ok(stream::empty().boxed()) };
        return Ok(stream::iter([rows(&lookup, place).await]).boxed());
    }
    let of = lookup.clone();
    let places = stream::iter(groups).map(move |group| {
        let lookup = of.clone();
        async move { lookup.table.places(group, &lookup.wanted).await }
    });
    let places = places.buffered(PLACES_AT_ONCE);
    let places = places.map_ok(|places| stream::iter(places.into_iter().map(Ok))).try_flatten();
    Ok(side_by_side(lookup, places.boxed()))
}

fn side_by_side(
    lookup: Lookup,
    places: BoxStream<'static, Result<Place>>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let batches = places.map(move |place| {
        let lookup = lookup.clone();
        let work = async move { rows(&lookup, place?).await };
        async {
            let done = SpawnedTask::spawn(work).await;
            done.map_err(|error| Error::internal(format!("decoding: {error}")))?
        }
    });
    batches.buffered(PLACES_AT_ONCE).boxed()
}

/// The wanted rows of a place.
async fn rows(lookup: &Lookup, place: Place) -> Result<RecordBatch> {
    let fetched = fetched(lookup, place).await?;
    decode(&fetched, &lookup.projection, &lookup.wanted, lookup.reversed)
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
    let fetched = fetch(&lookup.table.snapshot.store, place, needed.into_iter()).await?;
    let Counts { row_groups, pages, bytes, requests } = &lookup.counts;
    row_groups.add(1);
    pages.add(fetched.pages);
    bytes.add(fetched.bytes);
    requests.add(1);
    Ok(fetched)
}
