//! Keeps what cannot be read, in the folder `_live/refused` of the warehouse: each message in a file of its own, named by its topic,
//! partition and offset, and the reason in a hidden file beside it. A packet whose schema is known becomes an Avro file, which
//! `diaflight ingest` reads; of anything else the file has the bytes of the message.

use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::json;

use super::LIVE;
use super::reader::UnreadMessage;
use crate::error::{Error, Result};
use crate::ingest::of_one_packet;
use crate::warehouse::{Partition, Warehouse};

/// As many files are written at once.
const AT_ONCE: usize = 8;

/// Keeps some messages. The same message has the same names, however often it is kept.
pub(super) async fn set_aside(warehouse: &Warehouse, refused: &[UnreadMessage]) -> Result<()> {
    let kept = stream::iter(refused).map(|one| keep(warehouse, one));
    kept.buffer_unordered(AT_ONCE).try_collect().await
}

async fn keep(warehouse: &Warehouse, refused: &UnreadMessage) -> Result<()> {
    let UnreadMessage { message, reason, packet } = refused;
    let Partition { topic, number } = &message.partition;
    let (name, bytes) = match packet {
        Some((schema, packet)) => ("avro", of_one_packet(schema, packet)),
        None => ("message", message.value.to_vec()),
    };
    let place = format!("{number:05}-{:020}", message.offset);
    let about = json!({
        "topic": topic,
        "partition": number,
        "offset": message.offset,
        "timestamp_ms": message.timestamp_ms,
        "reason": reason,
    });
    let location = warehouse.location();
    let files =
        [(format!("{place}.{name}"), bytes), (format!(".{place}.json"), about.to_string().into())];
    for (file, bytes) in files {
        let path = Path::from_iter([LIVE, "refused", topic, &file]);
        let path = Path::from_iter(location.prefix.parts().chain(path.parts()));
        let put = location.store.put(&path, bytes.into()).await;
        put.map_err(|error| Error::from(error).context(format!("/{path}")))?;
    }
    Ok(())
}
