//! A key index that is wrong although its checksums are right hides rows from lookups. `maintain check` names the file, and its repair
//! brings the rows back. One that is damaged hides nothing, and is named and mended, too.

use std::ops::Range;

use diaflight::key_pages::Directory;
use diaflight::schema::Table;
use diaflight::warehouse::{DataFile, Flaw, Warehouse};
use object_store::ObjectStoreExt;
use twox_hash::XxHash3_64;

use super::carried::{NIGHTS, engine_over, nights, snapshot, survey};
use super::{ROWS_PER_OBJECT, four, query, rows};

const CHECKSUM_BYTES: usize = 8;
/// Of a filter, what comes before the fingerprints.
const DESCRIPTOR_BYTES: usize = 20;

fn usize_range(range: &Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// Changes a part of the index, and gives it the checksum of what it then is.
fn change(bytes: &mut [u8], part: &Range<u64>, change: impl Fn(&mut [u8])) {
    let part = &mut bytes[usize_range(part)];
    let (body, checksum) = part.split_at_mut(part.len() - CHECKSUM_BYTES);
    change(body);
    checksum.copy_from_slice(&XxHash3_64::oneshot(body).to_le_bytes());
}

/// Another key in the directory.
fn change_directory(body: &mut [u8]) {
    let mut directory: Directory = postcard::from_bytes(body).unwrap();
    directory.groups[0].keys.0 += 1;
    body.copy_from_slice(&postcard::to_allocvec(&directory).unwrap());
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Directory,
    Pages,
    Filter,
    /// Nothing but the checksum of the directory.
    Checksum,
    /// All of the index.
    Index,
}

async fn damage(warehouse: &Warehouse, file: &DataFile, part: Part) {
    let store = &warehouse.location().store;
    let mut bytes = store.get(&file.path).await.unwrap().bytes().await.unwrap().to_vec();
    let place = file.tag.index.unwrap().range(file.size_bytes).unwrap();
    let directory = Directory::decode(&bytes[usize_range(&place)], file.size_bytes).unwrap();
    let pages = directory.groups[0].pages.clone();
    match part {
        Part::Directory => change(&mut bytes, &place, change_directory),
        // The first key of all: the number of pages comes before it.
        Part::Pages => change(&mut bytes, &pages, |body| body[1] ^= 2),
        Part::Filter => {
            change(&mut bytes, &directory.key_filter, |body| body[DESCRIPTOR_BYTES..].fill(0));
        }
        Part::Checksum => bytes[place.end as usize - 1] ^= 1,
        Part::Index => bytes[pages.start as usize..place.end as usize].fill(0),
    }
    store.put(&file.path, bytes.into()).await.unwrap();
}

async fn found(warehouse: &Warehouse, keys: &[i64]) -> usize {
    let (_, engine) = engine_over(warehouse).await;
    let mut found = 0;
    for key in keys {
        found += rows(&engine, &query(&[*key], four())).await.num_rows();
    }
    found
}

async fn flaws(warehouse: &Warehouse, repair: bool) -> Vec<(String, Flaw, bool)> {
    let checked = warehouse.check(Table::Sources, repair).await.unwrap();
    let of = checked.findings.into_iter();
    of.map(|finding| (finding.file, finding.flaw, finding.repaired.is_some())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_index_is_named_and_written_again() {
    use Flaw::{DamagedKeyIndex, WrongKeyIndex};
    let parts = [
        (Part::Directory, WrongKeyIndex),
        (Part::Pages, WrongKeyIndex),
        (Part::Filter, WrongKeyIndex),
        (Part::Checksum, DamagedKeyIndex),
        (Part::Index, DamagedKeyIndex),
    ];
    for (part, flaw) in parts {
        let warehouse = nights(&format!("misleading-{part:?}")).await;
        let before = snapshot(&warehouse).await;
        let file = &before.files[0];
        assert_eq!(*file.keys.start(), 0);
        let keys: Vec<_> = (0..5).map(|k| k * NIGHTS).collect();
        let all = keys.len() * ROWS_PER_OBJECT as usize;
        assert_eq!((found(&warehouse, &keys).await, flaws(&warehouse, false).await), (all, vec![]));

        damage(&warehouse, file, part).await;
        let hidden = found(&warehouse, &keys).await < all;
        assert_eq!(hidden, flaw == WrongKeyIndex, "{part:?}");
        let named = |repaired| vec![(format!("/{}", file.path), flaw, repaired)];
        assert_eq!(flaws(&warehouse, false).await, named(false), "{part:?}");
        assert_eq!(flaws(&warehouse, true).await, named(true), "{part:?}");
        assert_eq!(flaws(&warehouse, false).await, [], "{part:?}");
        assert_eq!(found(&warehouse, &keys).await, all, "{part:?}");
        let rows = |files: &[DataFile]| files.iter().map(|file| file.rows.unwrap()).sum::<u64>();
        assert_eq!(rows(&snapshot(&warehouse).await.files), rows(&before.files));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_many_row_groups_is_as_it_should_be() {
    let warehouse = survey("right").await;
    assert!(snapshot(&warehouse).await.files[0].rows.unwrap() > 2 * 16_384);
    assert_eq!(flaws(&warehouse, false).await, []);
}
