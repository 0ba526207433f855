//! Files as plans see them, without any store.

mod decade;
mod due;
mod night_after_night;
mod updates;

use std::ops::RangeInclusive;

use chrono::DateTime;
use uuid::Uuid;

use crate::warehouse::{DataFile, Level};

/// A file of ours of before there were levels.
pub(super) fn file(keys: RangeInclusive<i64>, bytes: u64) -> DataFile {
    let path = format!("sources/part-{}.parquet", Uuid::new_v4());
    let unknown = DataFile::unknown(path.into(), bytes, DateTime::UNIX_EPOCH);
    DataFile { ids: keys.clone(), keys, rows: Some(bytes), ..unknown }
}

pub(super) fn tagged(
    keys: RangeInclusive<i64>,
    bytes: u64,
    level: Level,
    range: Option<i64>,
) -> DataFile {
    file(keys, bytes).placed(Some(level), range)
}
