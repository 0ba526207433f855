//! Whatever is done to a table, in any order, it has the rows of a plain model: ingests, the same alerts again, merges at any level,
//! compactions, vacuums, and merges that are killed at any point. Objects are replaced at once, or left as updates and folded in later.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use diaflight::ingest::{IngestOptions, ingest};
use diaflight::schema::{KEY, Table, provenance};
use diaflight::warehouse::{
    BATCH_ROWS, DataFile, FileSize, Level, MergePolicy, RangeSize, UpdatedKeys, VacuumOptions,
    Warehouse, read,
};
use futures::TryStreamExt;
use proptest::prelude::*;

use crate::alerts::{Alert, packets};
use crate::{nights, places};

#[derive(Clone, Debug)]
enum Step {
    /// A night with alerts of some objects, and whether these are replaced at once.
    Ingest(Vec<i64>, bool),
    /// An earlier night once more.
    IngestAgain(usize),
    /// So many of the merges that are due.
    Merge(usize),
    Compact,
    Vacuum,
    /// The table of places is deleted and made anew.
    LosePlaces,
    /// A night whose ingest ends at this point, and is repeated.
    KillIngest(Vec<i64>, usize),
    /// A merge, or a compaction, that ends at this point.
    Kill {
        polls: usize,
        compacts: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (objects(), prop::bool::weighted(0.2))
            .prop_map(|(objects, at_once)| Step::Ingest(objects, at_once)),
        1 => (0usize..9).prop_map(Step::IngestAgain),
        2 => (objects(), 0usize..400)
            .prop_map(|(objects, polls)| Step::KillIngest(objects, polls)),
        4 => (1usize..5).prop_map(Step::Merge),
        1 => Just(Step::Compact),
        1 => Just(Step::Vacuum),
        1 => Just(Step::LosePlaces),
        3 => (0usize..60, any::<bool>()).prop_map(|(polls, compacts)| Step::Kill { polls, compacts }),
    ];
    prop::collection::vec(step, 5..30)
}

/// Objects of all the sky, or of a small part.
fn objects() -> impl Strategy<Value = Vec<i64>> {
    let part = (1i64..56).prop_flat_map(|first| prop::collection::vec(first..first + 5, 1..5));
    prop_oneof![2 => prop::collection::vec(1i64..60, 1..30), 1 => part]
}

/// Two runs a level, and ranges of a few files.
fn tiny() -> MergePolicy {
    MergePolicy {
        file_size: FileSize { rows: 20, bytes: usize::MAX },
        young_runs: [2, 2, 2],
        mature_runs: 3,
        young_bytes: 400_000,
        range_size: RangeSize { least_bytes: 40_000, most_bytes: 300_000 },
        daily_bytes: u64::MAX,
        fold_after: Duration::ZERO,
        fold_bytes: 20_000,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_table_has_its_rows_whatever_is_done_to_it(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(all(&steps));
    }
}

struct Life {
    folder: tempfile::TempDir,
    nights: Vec<String>,
    /// The ids of all sources; those of forced measurements are greater by 500.
    model: BTreeSet<i64>,
}

async fn all(steps: &[Step]) {
    let mut life =
        Life { folder: tempfile::tempdir().unwrap(), nights: Vec::new(), model: BTreeSet::new() };
    life.step(&Step::Ingest(vec![1, 2, 3], false)).await;
    for step in steps {
        life.step(step).await;
        life.check(step).await;
    }
    life.step(&Step::Merge(usize::MAX)).await;
    life.check(&Step::Merge(usize::MAX)).await;
    let warehouse = life.warehouse();
    for table in Table::ALL {
        let files = files(&warehouse, table).await;
        for level in [Level::L0, Level::L1, Level::L2] {
            let of: Vec<_> = files.iter().filter(|file| file.tag.level == Some(level)).collect();
            let at = |key: &i64| of.iter().filter(|file| file.keys.contains(key)).count();
            assert!((0..60).map(|key| at(&key)).max() <= Some(1), "{files:#?}");
        }
        warehouse.compact(table, &tiny()).await.unwrap();
    }
    life.check(&Step::Compact).await;
    for table in Table::ALL {
        let files = files(&warehouse, table).await;
        assert!(files.windows(2).all(|pair| pair[0].keys.end() < pair[1].keys.start()));
    }
}

impl Life {
    /// As another process has it: of what is not committed it knows nothing.
    fn warehouse(&self) -> Warehouse {
        Warehouse::open(self.folder.path().join("w").to_str().unwrap()).unwrap()
    }

    async fn step(&mut self, step: &Step) {
        let warehouse = self.warehouse();
        match step {
            Step::Ingest(objects, at_once) => {
                let number = self.new_night(objects);
                self.ingest(number, *at_once).await;
            }
            Step::KillIngest(objects, polls) => {
                let number = self.new_night(objects);
                let _ = killed(self.ingest(number, false), *polls).await;
                self.ingest(number, false).await;
            }
            Step::IngestAgain(number) => self.ingest(number % self.nights.len(), false).await,
            Step::Merge(most) => {
                for table in Table::STORED {
                    for _ in 0..*most {
                        let due = warehouse.merge_due(table, &tiny(), &[], &|_| ()).await.unwrap();
                        let Some((_, done)) = due else { break };
                        done.unwrap();
                    }
                }
            }
            Step::Compact => {
                for table in Table::STORED {
                    warehouse.compact(table, &tiny()).await.unwrap();
                }
            }
            Step::Vacuum => {
                let options = VacuumOptions { grace: Duration::ZERO };
                for table in Table::STORED {
                    warehouse.vacuum(table, &options).await.unwrap();
                }
            }
            Step::LosePlaces => {
                std::fs::remove_dir_all(self.folder.path().join("w/places")).unwrap();
                for table in [Table::Sources, Table::Objects] {
                    warehouse.note_places(table).await.unwrap();
                }
            }
            Step::Kill { polls, compacts } => {
                for table in Table::STORED {
                    match compacts {
                        true => drop(killed(warehouse.compact(table, &tiny()), *polls).await),
                        false => {
                            let policy = tiny();
                            let merge = warehouse.merge_due(table, &policy, &[], &|_| ());
                            drop(killed(merge, *polls).await)
                        }
                    }
                }
            }
        }
    }

    /// The number of a night more.
    fn new_night(&mut self, objects: &[i64]) -> usize {
        let number = self.nights.len() as i64;
        self.model.extend(objects.iter().map(|object| object * 1000 + number));
        self.nights.push(night(self.folder.path(), number, objects));
        number as usize
    }

    async fn ingest(&self, number: usize, at_once: bool) {
        let rewrite_bytes = if at_once { u64::MAX } else { 0 };
        let options =
            IngestOptions { memory_bytes: 64 << 20, rewrite_bytes, ..IngestOptions::default() };
        let inputs = [self.nights[number].clone()];
        ingest(&self.warehouse(), &inputs, &options, &|_| ()).await.unwrap();
    }

    async fn check(&self, after: &Step) {
        let warehouse = self.warehouse();
        let forced = self.model.iter().map(|id| id + 500).collect();
        for (table, model) in [(Table::Sources, &self.model), (Table::Fp, &forced)] {
            let ids = of_newest(&warehouse, table, table.id_column()).await;
            assert!(ids.iter().eq(model), "{} after {after:?}: {ids:?}", table.name());
        }
        // Of each object the newest alert, which has the greatest id.
        let newest: BTreeMap<_, _> = self.model.iter().map(|id| (id / 1000, *id)).collect();
        let alerts = of_newest(&warehouse, Table::Objects, provenance::ALERT_ID).await;
        let wrong: Vec<_> = alerts.iter().filter(|id| newest[&(**id / 1000)] != **id).collect();
        assert!(wrong.is_empty(), "not the newest states after {after:?}: {wrong:?} of {newest:?}");
        assert!(alerts.iter().eq(newest.values()), "objects after {after:?}: {alerts:?}");
        places::assert_known(&warehouse).await;
    }
}

fn night(folder: &Path, number: i64, objects: &[i64]) -> String {
    let mjd = 61000.5 + number as f64;
    let objects: BTreeSet<_> = objects.iter().copied().collect();
    let alert = |object| {
        let id = object * 1000 + number;
        Alert::new(object, id, mjd).with_forced(id + 500, mjd)
    };
    let alerts: Vec<_> = objects.into_iter().map(alert).collect();
    nights::write_packets(folder, &format!("{number}.avro"), &packets(&alerts))
}

/// Work that is dropped after it was polled so many times; `None` if it was.
async fn killed<T>(work: impl Future<Output = T>, mut polls: usize) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| match polls {
        0 => Poll::Ready(None),
        _ => {
            polls -= 1;
            work.as_mut().poll(context).map(Some)
        }
    })
    .await
}

async fn files(warehouse: &Warehouse, table: Table) -> Vec<DataFile> {
    warehouse.snapshot(table, None).await.unwrap().unwrap().files
}

/// A column of ids of all rows that no update replaces, ascending.
async fn of_newest(warehouse: &Warehouse, table: Table, column: &str) -> Vec<i64> {
    let snapshot = warehouse.snapshot(table, None).await.unwrap().unwrap();
    let updated = UpdatedKeys::read(&snapshot, None).await.unwrap().unwrap_or_default();
    let mut ids = Vec::new();
    for file in &snapshot.files {
        let columns = [KEY, column];
        let rows = read(snapshot.store.clone(), file, Some(&columns), BATCH_ROWS);
        for batch in rows.try_collect::<Vec<_>>().await.unwrap() {
            let [keys, values] =
                columns.map(|name| batch[name].as_primitive::<Int64Type>().values());
            let newest = values.iter().zip(updated.are_newest(file, keys));
            ids.extend(newest.filter(|(_, newest)| *newest).map(|(id, _)| *id));
        }
    }
    ids.sort_unstable();
    ids
}
