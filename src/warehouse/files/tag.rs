//! What the log says of a file of ours beyond what Delta knows of files: its level, the key range that it belongs to, where its key index
//! is, and how its rows relate to updates. It is one JSON text among the tags of the file's add action, which other readers ignore.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::key_pages::IndexPlace;

/// The name of our tag.
const TAG: &str = "diaflight";

/// What our tag of a file says. Parts that are missing are not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileTag {
    /// How often its rows have been merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// The first key of the key range that it belongs to, at the two highest levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<i64>,
    /// Where the directory of its key index is. Only our writer makes one, and only of rows that are in the table's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexPlace>,
    /// Whether some `midpointMjdTai` is NaN, which statistics do not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nan_times: bool,
    /// Says that its rows are updates: each replaces the row of its object in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// The number of an update: of its objects, that one and those before are in this file of the table already.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub folded: u64,
    /// Whether all its rows are new in the version that adds it, which may also write rows of before again, in other files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_rows: bool,
    /// Says of a file of sources since when the cells of all its rows are in the table of places. Unless it does, a search has to read the
    /// file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<InPlaces>,
}

/// A version of a table of places: it and all later ones of the table have some cells. Another table in its place may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InPlaces {
    /// A hash of the table's id, as [`Snapshot::table_id`](crate::warehouse::Snapshot::table_id).
    pub table_id: u64,
    /// The version.
    pub version: u64,
}

impl InPlaces {
    /// Since when the cells of all of some files are there; `None` if that is not known of each of them.
    pub(crate) fn of_all<'a>(files: impl IntoIterator<Item = &'a FileTag>) -> Option<Self> {
        let mut files = files.into_iter().map(|tag| tag.places);
        let first = files.next()??;
        files.try_fold(first, |latest, one| {
            let one = one.filter(|one| one.table_id == latest.table_id)?;
            Some(Self { version: latest.version.max(one.version), ..latest })
        })
    }
}

/// Rows that replace others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Of two updates of an object, that with the greater number is the newer. The first is 1.
    pub number: u64,
    /// When the first of its rows were written, in milliseconds since 1970.
    pub since_ms: i64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where a file is on its way from an ingest to the base of its table. In the log it is its number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Level {
    /// An ingest of some minutes.
    L0,
    /// A night.
    L1,
    /// Some nights.
    L2,
    /// Some weeks. Its files end where key ranges end.
    Mature,
    /// All that is older. Its files do not overlap.
    Base,
}

impl Level {
    /// In ascending order.
    pub const ALL: [Self; 5] = [Self::L0, Self::L1, Self::L2, Self::Mature, Self::Base];

    /// The level of a sorted run by its size alone: about what merging a few runs of the level before gives.
    pub fn of_run(bytes: u64) -> Self {
        match bytes {
            0..250_000_000 => Self::L0,
            250_000_000..2_000_000_000 => Self::L1,
            2_000_000_000..16_000_000_000 => Self::L2,
            16_000_000_000.. => Self::Mature,
        }
    }

    /// The level of the rows once they are merged.
    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1).min(Self::Base as usize)]
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        level as Self
    }
}

impl TryFrom<u8> for Level {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        let level = Self::ALL.get(usize::from(number)).copied();
        level.ok_or_else(|| format!("there is no level {number}"))
    }
}

impl FileTag {
    /// From the tags of an add action. One that cannot be read counts as none.
    pub(crate) fn from_log(tags: Option<&HashMap<String, Option<String>>>) -> Self {
        let told = tags.and_then(|tags| tags.get(TAG)?.as_deref());
        told.and_then(|told| serde_json::from_str(told).ok()).unwrap_or_default()
    }

    /// The tags of an add action; `None` if there is nothing to say.
    pub(crate) fn for_log(&self) -> serde_json::Result<Option<HashMap<String, Option<String>>>> {
        if *self == Self::default() {
            return Ok(None);
        }
        let told = serde_json::to_string(self)?;
        Ok(Some(HashMap::from([(TAG.to_string(), Some(told))])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(told: &str) -> FileTag {
        FileTag::from_log(Some(&HashMap::from([(TAG.to_string(), Some(told.to_string()))])))
    }

    #[test]
    fn a_tag_comes_back_as_it_was() {
        for level in Level::ALL {
            let index = Some(IndexPlace { start: 1 << 40, bytes: 7 });
            let range = Some(170_028_485_706_776_685);
            let update = Some(Update { number: 7, since_ms: -1 });
            let tag = FileTag {
                level: Some(level),
                range,
                index,
                nan_times: true,
                update,
                folded: 6,
                new_rows: true,
                places: Some(InPlaces { table_id: u64::MAX, version: 3 }),
            };
            assert_eq!(FileTag::from_log(tag.for_log().unwrap().as_ref()), tag);
        }
        assert_eq!(FileTag::default().for_log().unwrap(), None);
    }

    #[test]
    fn merged_files_are_in_places_if_all_of_them_were() {
        let tag = |table_id, version| FileTag {
            places: Some(InPlaces { table_id, version }),
            ..FileTag::default()
        };
        let of_all = |tags: &[FileTag]| InPlaces::of_all(tags).map(|places| places.version);
        assert_eq!(of_all(&[tag(1, 4), tag(1, 9), tag(1, 2)]), Some(9));
        assert_eq!(of_all(&[tag(1, 4), tag(2, 4)]), None);
        assert_eq!(of_all(&[tag(1, 4), FileTag::default()]), None);
        assert_eq!(of_all(&[]), None);
    }

    #[test]
    fn a_tag_that_cannot_be_read_counts_as_none() {
        for told in ["", "4", "{", r#"{"level": 5}"#, r#"{"level": "base"}"#, r#"{"range": 0.5}"#] {
            assert_eq!(read(told), FileTag::default(), "{told}");
        }
        assert_eq!(FileTag::from_log(Some(&HashMap::from([(TAG.to_string(), None)]))).level, None);
        // What a newer version says besides is passed over.
        let tag = read(r#"{"level": 3, "range": -7, "sorted": true}"#);
        assert_eq!(
            tag,
            FileTag { level: Some(Level::Mature), range: Some(-7), ..FileTag::default() }
        );
    }
}
