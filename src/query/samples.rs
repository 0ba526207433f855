//! A few objects of a table, to show on a page. They are taken from the key index, without reading a row.

use std::cmp::Reverse;

use crate::error::Result;
use crate::index::TableIndex;
use crate::warehouse::DataFile;

/// At most `count` keys, those of the newest file first. An object with many rows is likely to lie where one row group ends and
/// the next begins, so those are preferred: they have something to show.
pub(crate) async fn some_keys(index: &TableIndex, count: usize) -> Result<Vec<i64>> {
    let files = &index.snapshot.files;
    let newest = |file: &DataFile| file.times_mjd.as_ref().map_or(f64::MIN, |times| *times.end());
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by(|a, b| newest(&files[*b]).total_cmp(&newest(&files[*a])));
    let mut keys = Vec::new();
    for file in order {
        if keys.len() >= count {
            break;
        }
        let groups: Vec<_> =
            index.file(file).await?.groups.iter().map(|group| group.keys).collect();
        for key in of_groups(&groups) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys.truncate(count);
    Ok(keys)
}

/// The keys at the ends of row groups, those that lie in two of them first; unknown ranges tell none.
fn of_groups(groups: &[(i64, i64)]) -> Vec<i64> {
    let is_known =
        |(first, last): &&(i64, i64)| first <= last && (*first, *last) != (i64::MIN, i64::MAX);
    let known = groups.iter().filter(is_known);
    let ends: Vec<i64> = known.flat_map(|(first, last)| [*first, *last]).collect();
    let is_split = |key: i64| ends.iter().filter(|end| **end == key).count() > 1;
    let mut keys = ends.clone();
    keys.sort_by_key(|key| Reverse(is_split(*key)));
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_in_two_row_groups_come_first() {
        assert_eq!(of_groups(&[(1, 5), (6, 9), (9, 12)]), [9, 1, 5, 6, 12]);
        assert_eq!(of_groups(&[(7, 7)]), [7]);
        assert!(of_groups(&[(i64::MIN, i64::MAX), (i64::MAX, i64::MIN)]).is_empty());
    }
}
