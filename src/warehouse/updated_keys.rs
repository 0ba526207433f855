//! Which objects of a table have updates, and which update of each is the newest. Whoever reads files of a snapshot leaves out the rows
//! that are not: the row of the table itself where there is an update, and that of an update where there is a newer one. So each object is
//! there once, whatever the order in which files are read.
//!
//! An object that [another engine deleted](Snapshot::foreign_deletes) from the table has no newest row: its updates are left out, too.
//!
//! Held are 12 bytes for each object with an update; for a moment, while new updates are read, four times that. There are at most
//! [`MOST_UPDATES`] rows of updates.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, path::Path};
use tokio::task::spawn_blocking;

use super::{BATCH_ROWS, DataFile, Snapshot, read, read_keys};
use crate::error::{Error, Kind, Result};
use crate::schema::KEY;

/// More rows of updates are not left beside a table: they are folded into it first.
pub const MOST_UPDATES: u64 = 16 << 20;

/// So many keys are passed one by one before the rest is searched.
const NEAR: usize = 8;

/// Files of updates that are read at the same time.
const FILES_AT_ONCE: usize = 16;

/// The number of the newest update of an object that the table does not have. No file has it.
const GONE: u64 = u64::MAX;

/// The objects with updates.
#[derive(Debug, Default)]
pub struct UpdatedKeys {
    /// The files that were read.
    files: HashSet<Path>,
    /// The objects, ascending.
    keys: Vec<i64>,
    /// The place in `numbers` of the newest update of each object.
    newest: Vec<u32>,
    /// The numbers of the updates.
    numbers: Vec<u64>,
}

impl UpdatedKeys {
    /// Reads the keys of the updates of a snapshot; `None` if it has none. What is known of an earlier snapshot is not read again, unless
    /// files of it are gone.
    pub async fn read(
        snapshot: &Snapshot,
        earlier: Option<&Arc<Self>>,
    ) -> Result<Option<Arc<Self>>> {
        let files = snapshot.update_files().filter(|file| !file.is_empty());
        let files: Vec<_> = files.cloned().collect();
        if files.is_empty() {
            return Ok(None);
        }
        let paths: HashSet<_> = files.iter().map(|file| file.path.clone()).collect();
        // What the table has is asked anew.
        let earlier = earlier.filter(|earlier| {
            let knows_all = !snapshot.foreign_deletes && !earlier.numbers.contains(&GONE);
            knows_all && earlier.files.is_subset(&paths)
        });
        let mut new = files;
        new.retain(|file| earlier.is_none_or(|earlier| !earlier.files.contains(&file.path)));
        if let (Some(earlier), true) = (earlier, new.is_empty()) {
            return Ok(Some(earlier.clone()));
        }
        let store = snapshot.store.clone();
        let read = stream::iter(new).map(move |file| keys(store.clone(), file));
        let read: Vec<_> = read.buffered(FILES_AT_ONCE).try_collect().await?;
        let earlier = earlier.cloned();
        // Up to millions of keys are merged: that takes longer than other tasks should wait.
        let merged = spawn_blocking(move || {
            let all = earlier.map(|earlier| Self::copied(&earlier)).unwrap_or_default();
            read.into_iter().fold(all, |all, (file, keys)| all.with(&file, keys))
        });
        let mut merged = merged.await.map_err(|error| Error::internal(error.to_string()))?;
        if snapshot.foreign_deletes {
            merged = merged.of_table(snapshot).await?;
        }
        Ok(Some(Arc::new(Self { files: paths, ..merged })))
    }

    /// Without the updates of objects that the table does not have.
    async fn of_table(mut self, snapshot: &Snapshot) -> Result<Self> {
        let (Some(first), Some(last)) = (self.keys.first(), self.keys.last()) else {
            return Ok(self);
        };
        let mut is_there = vec![false; self.keys.len()];
        for file in snapshot.own_files() {
            let (store, wanted) = (snapshot.store.clone(), *first..=*last);
            let mut rows = Box::pin(read_keys(store, file, Some(&[KEY]), BATCH_ROWS, wanted));
            while let Some(batch) = rows.try_next().await? {
                for key in keys_of(&batch)?.values() {
                    if let Ok(at) = self.keys.binary_search(key) {
                        is_there[at] = true;
                    }
                }
            }
        }
        let gone = self.numbers.len() as u32;
        self.numbers.push(GONE);
        for (newest, _) in self.newest.iter_mut().zip(is_there).filter(|(_, is_there)| !is_there) {
            *newest = gone;
        }
        Ok(self)
    }

    fn copied(earlier: &Self) -> Self {
        let Self { files: _, keys, newest, numbers } = earlier;
        let (keys, newest, numbers) = (keys.clone(), newest.clone(), numbers.clone());
        Self { files: HashSet::new(), keys, newest, numbers }
    }

    /// With the keys (ascending) of one more file.
    fn with(self, file: &DataFile, more: Vec<i64>) -> Self {
        let Self { files, keys, newest, mut numbers } = self;
        let place = numbers.len() as u32;
        numbers.push(file.update_number());
        let count = keys.len() + more.len();
        let (mut merged, mut of_merged) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut before = keys.into_iter().zip(newest).peekable();
        for key in more {
            while let Some((key, newest)) = before.next_if(|(before, _)| *before < key) {
                merged.push(key);
                of_merged.push(newest);
            }
            let same = before.next_if(|(before, _)| *before == key);
            let newer = same.filter(|(_, other)| numbers[*other as usize] > file.update_number());
            merged.push(key);
            of_merged.push(newer.map_or(place, |(_, other)| other));
        }
        let (rest, of_rest): (Vec<_>, Vec<_>) = before.unzip();
        merged.extend(rest);
        of_merged.extend(of_rest);
        Self { files, keys: merged, newest: of_merged, numbers }
    }

    /// The number of objects with updates.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no object has an update.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of the newest update of an object; 0 if it has none.
    pub fn newest(&self, key: i64) -> u64 {
        let place = self.keys.binary_search(&key);
        place.map_or(0, |place| self.numbers[self.newest[place] as usize])
    }

    /// The numbers of the newest updates of many objects, in their order. It is quick where they ascend, as they do in a file.
    pub fn newest_of(&self, keys: &[i64]) -> impl Iterator<Item = u64> {
        let first = keys.first().copied().unwrap_or(i64::MIN);
        let mut at = self.keys.partition_point(|key| *key < first);
        keys.iter().map(move |key| {
            let ahead = self.keys.get(at.saturating_sub(1)).is_none_or(|before| before < key);
            if !ahead {
                at = self.keys.partition_point(|known| known < key);
            }
            let near = self.keys[at..].iter().take(NEAR).take_while(|known| *known < key).count();
            at += near;
            if near == NEAR {
                at += self.keys[at..].partition_point(|known| known < key);
            }
            match self.keys.get(at) {
                Some(known) if known == key => self.numbers[self.newest[at] as usize],
                _ => 0,
            }
        })
    }

    /// Which of the rows of a file with these keys are the newest of their objects.
    pub fn are_newest<'a>(
        &'a self,
        file: &DataFile,
        keys: &'a [i64],
    ) -> impl Iterator<Item = bool> + use<'a> {
        let own = file.update_number();
        self.newest_of(keys).map(move |newest| newest == own)
    }
}

/// A file of updates, and its keys.
async fn keys(store: Arc<dyn ObjectStore>, file: DataFile) -> Result<(DataFile, Vec<i64>)> {
    let mut rows = Box::pin(read(store, &file, Some(&[KEY]), BATCH_ROWS));
    let mut keys = Vec::new();
    while let Some(batch) = rows.try_next().await? {
        keys.extend_from_slice(keys_of(&batch)?.values());
    }
    match keys.is_sorted_by(|one, next| one < next) {
        true => Ok((file, keys)),
        false => {
            let why = format!("/{}: the keys in a file of updates do not ascend", file.path);
            Err(Error::new(Kind::Storage, why))
        }
    }
}

/// The keys of some rows.
pub(super) fn keys_of(rows: &RecordBatch) -> Result<&Int64Array> {
    let keys = rows.column_by_name(KEY).and_then(|keys| keys.as_primitive_opt::<Int64Type>());
    keys.ok_or_else(|| Error::internal(format!("no int64 column {KEY}")))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::warehouse::{FileTag, Update};

    fn file(number: u64) -> DataFile {
        let unknown = DataFile::unknown(format!("{number}").into(), 1, DateTime::UNIX_EPOCH);
        let update = (number > 0).then_some(Update { number, since_ms: 0 });
        DataFile { tag: FileTag { update, ..FileTag::default() }, ..unknown }
    }

    #[test]
    fn the_newest_update_of_each_object_is_known() {
        let updates = [(3, vec![1, 5, 9]), (7, vec![5, 6]), (5, vec![0, 5, 9, 12])];
        let all = UpdatedKeys::default();
        let all =
            updates.into_iter().fold(all, |all, (number, keys)| all.with(&file(number), keys));
        let expected = [(0, 5), (1, 3), (5, 7), (6, 7), (9, 5), (12, 5)];
        for key in -1..14 {
            let newest = expected.iter().find(|(known, _)| *known == key).map_or(0, |(_, n)| *n);
            assert_eq!(all.newest(key), newest, "{key}");
        }
        let keys = [-1, 0, 1, 1, 4, 5, 12, 13, 2, 5, 9, i64::MIN, i64::MAX];
        let each: Vec<_> = keys.iter().map(|key| all.newest(*key)).collect();
        assert_eq!(all.newest_of(&keys).collect::<Vec<_>>(), each);
        let of = |number| all.are_newest(&file(number), &[1, 2, 5, 9]).collect::<Vec<_>>();
        assert_eq!(of(0), [false, true, false, false]);
        assert_eq!(of(3), [true, false, false, false]);
        assert_eq!(of(7), [false, false, true, false]);
        assert!(UpdatedKeys::default().are_newest(&file(0), &[4]).all(|newest| newest));
    }
}
