//! Where to read on in each partition, and what is missing there: a broker deletes old messages, whether they were read or not.

use std::collections::BTreeMap;

use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::json;

use super::kafka::{FoundTopics, From, OffsetRange, Topics};
use super::{FirstOffset, FirstOffsets, LIVE, LiveOptions};
use crate::error::{Error, Kind, Result};
use crate::warehouse::{Partition, Positions, Warehouse};

/// What to do where messages are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnGap {
    /// Stop, and say which
    #[default]
    Stop,
    /// Record which, and read on after them
    Continue,
}

/// Messages that the broker does not have, though they were not read, or may not have.
#[derive(Clone, Debug, PartialEq)]
struct Gap {
    partition: Partition,
    next: i64,
    kept: OffsetRange,
    /// Whether the topic has another id than the one that was read.
    is_other: bool,
}

impl Gap {
    fn error(&self) -> Error {
        let Self {
            partition: Partition { topic, number },
            next,
            kept: OffsetRange { first, next: last },
            is_other,
        } = self;
        let why = if *is_other {
            format!("it was read up to offset {next}, and then the topic was made anew")
        } else if next < first {
            format!("the broker has deleted offsets {next} to {} before they were read", first - 1)
        } else {
            format!(
                "{next} is the next offset to be read, but the broker has only those up to {last}: the topic was made anew"
            )
        };
        let advice = "give --on-gap continue to read on with what is there";
        Error::new(Kind::Gone, format!("partition {number} of {topic}: {why}; {advice}"))
    }
}

/// The offsets to read on from, or the error for the first gap.
pub(super) async fn begin(
    warehouse: &Warehouse,
    topics: &Topics,
    read: &Positions,
    found: &FoundTopics,
    (options, before): (&LiveOptions, &mut FirstOffsets),
) -> Result<Result<BTreeMap<Partition, i64>, Error>> {
    let mut offsets = BTreeMap::new();
    for partition in &found.partitions {
        let in_log = read.next.get(partition).filter(|_| before.has_begun || !options.reread);
        // Another process may have read on since.
        let first = before.offsets.get(partition);
        let first = first.filter(|first| read.next.get(partition) == first.in_log.as_ref());
        let Some(next) = first.map(|first| first.next).or(in_log.copied()) else {
            // A partition that came later is read whole.
            let from = if before.has_begun { From::Earliest } else { options.from };
            let next = topics.begin(partition, from).await?;
            offsets.insert(partition.clone(), next);
            continue;
        };
        let kept = topics.kept(partition).await?;
        let ids = [&read.topics, &found.ids].map(|ids| ids.get(&partition.topic));
        // What this process chose itself is of the topic as it is.
        let is_other = first.is_none() && matches!(ids, [Some(read), Some(now)] if read != now);
        let gap = Gap { partition: partition.clone(), next, kept, is_other };
        let next = match !is_other && (kept.first..=kept.next).contains(&next) {
            true => next,
            false if options.on_gap == OnGap::Stop => return Ok(Err(gap.error())),
            false => {
                record(warehouse, &gap).await?;
                kept.first
            }
        };
        offsets.insert(partition.clone(), next);
    }
    before.has_begun = true;
    let first = offsets.iter().map(|(partition, next)| {
        let in_log = read.next.get(partition).copied();
        (partition.clone(), FirstOffset { in_log, next: *next })
    });
    before.offsets = first.filter(|(_, first)| first.in_log != Some(first.next)).collect();
    Ok(Ok(offsets))
}

/// Writes a file that says what is missing, in `_live/gaps`.
async fn record(warehouse: &Warehouse, gap: &Gap) -> Result<()> {
    let Gap { partition: Partition { topic, number }, next, kept, is_other } = gap;
    tracing::warn!(
        topic,
        partition = number,
        next,
        first = kept.first,
        last = kept.next,
        is_other,
        "messages are missing"
    );
    let location = warehouse.location();
    let name = format!("{number:05}-{next:020}.json");
    let path = Path::from_iter([LIVE, "gaps", topic, &name]);
    let path = Path::from_iter(location.prefix.parts().chain(path.parts()));
    let about = json!({
        "topic": topic, "partition": number, "next": next, "first_kept": kept.first, "next_to_come": kept.next,
        "is_other_topic": is_other, "found": chrono::Utc::now().to_rfc3339(),
    });
    location.store.put(&path, about.to_string().into()).await?;
    Ok(())
}
