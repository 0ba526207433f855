//! Copies an object of a store to a local file, however slow the connection: the whole of it, or an error; never a part, nor a mixture of
//! two objects.
//!
//! It is read by ranges, a few at once, written in order. A request ends after some time, whatever the client; what came
//! until then is kept, and the rest of its range asked for again. So it takes as long as it takes, while bytes come. Each
//! answer must be of the object that was listed: of its size, and of its ETag or, where a store has none, of its time.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{GetOptions, ObjectMeta, ObjectStore};

use crate::error::{Error, Kind, Result};

const RANGE_BYTES: u64 = 4 << 20;
const IN_FLIGHT: usize = 4;
/// How often in succession a request for a range may bring no bytes.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Writes the object to the file.
pub(crate) async fn copy(
    store: &Arc<dyn ObjectStore>,
    object: &ObjectMeta,
    to: &mut File,
) -> Result<()> {
    let starts = (0..object.size).step_by(RANGE_BYTES as usize);
    let ranges = starts.map(|start| start..object.size.min(start + RANGE_BYTES));
    let mut ranges =
        stream::iter(ranges).map(|range| fetch(store, object, range)).buffered(IN_FLIGHT);
    while let Some(pieces) = ranges.try_next().await? {
        for piece in pieces {
            to.write_all(&piece).map_err(|e| Error::from(e).context("copying"))?;
        }
    }
    Ok(())
}

/// The bytes of a range, which may take several requests.
async fn fetch(
    store: &Arc<dyn ObjectStore>,
    object: &ObjectMeta,
    range: Range<u64>,
) -> Result<Vec<Bytes>> {
    let (mut pieces, mut at, mut failures) = (Vec::new(), range.start, 0);
    loop {
        let before = at;
        let failure = match receive(store, object, &mut at, range.end, &mut pieces).await {
            Ok(()) if at == range.end => return Ok(pieces),
            Ok(()) => Error::new(Kind::Storage, "the response of the store is incomplete"),
            Err(failure) => failure.worth_a_retry(object)?,
        };
        failures = if at > before { 1 } else { failures + 1 };
        if failures > ATTEMPTS {
            let doing = format!("reading bytes {at} to {} failed repeatedly", range.end);
            return Err(failure.context(doing));
        }
        tracing::debug!(object = %object.location, at, %failure, "asking for the rest of a range");
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(failures - 1)).await;
    }
}

enum Failure {
    Changed,
    Store(object_store::Error),
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// The error of a failure that may go away by asking again. `Err` with that of any other.
    fn worth_a_retry(self, object: &ObjectMeta) -> Result<Error> {
        use object_store::Error as E;
        match self {
            Self::Changed | Self::Store(E::Precondition { .. } | E::NotModified { .. }) => {
                Err(changed(&object.location))
            }
            Self::Store(E::NotFound { .. }) => Err(Error::new(
                Kind::NotFound,
                format!("{} was deleted after it was listed", object.location),
            )),
            Self::Store(error @ (E::PermissionDenied { .. } | E::Unauthenticated { .. })) => {
                Err(error.into())
            }
            Self::Store(error) => Ok(error.into()),
        }
    }
}

/// The error of an input that has changed since it was listed.
pub(crate) fn changed(name: impl std::fmt::Display) -> Error {
    let again = "ingest it again once nobody writes to it";
    Error::input(format!("{name} has changed since it was listed: {again}"))
}

/// Sends one request for the bytes from `at` on, and moves `at` as they arrive.
async fn receive(
    store: &Arc<dyn ObjectStore>,
    object: &ObjectMeta,
    at: &mut u64,
    end: u64,
    pieces: &mut Vec<Bytes>,
) -> Result<(), Failure> {
    let range = Some((*at..end).into());
    let options = GetOptions { range, if_match: object.e_tag.clone(), ..Default::default() };
    let answer = store.get_opts(&object.location, options).await?;
    let same = match (&object.e_tag, &answer.meta.e_tag) {
        (Some(listed), Some(read)) => listed.trim_matches('"') == read.trim_matches('"'),
        // Listings have fractions of seconds, headers do not.
        _ => object.last_modified.timestamp() == answer.meta.last_modified.timestamp(),
    };
    if !same || answer.meta.size != object.size || answer.range != (*at..end) {
        return Err(Failure::Changed);
    }
    let mut bytes = answer.into_stream();
    while let Some(piece) = bytes.try_next().await? {
        let piece = piece.slice(..piece.len().min((end - *at) as usize));
        *at += piece.len() as u64;
        pieces.push(piece);
    }
    Ok(())
}
