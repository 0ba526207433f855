//! Whatever is done to a table, in any order, it has the rows of a plain model: ingests, the same alerts again, merges at any level,
//! compactions, vacuums, and merges that are killed at any point.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use diaflight::ingest::{IngestOptions, ingest};
use diaflight::schema::Table;
use diaflight::warehouse::{
    BATCH_ROWS, DataFile, FileSize, Level, MergePolicy, RangeSize, VacuumOptions, Warehouse, read,
};
use futures::TryStreamExt;
use proptest::prelude::*;

use crate::alerts::{Alert, packets};
use crate::nights;

#[derive(Clone, Debug)]
enum Step {
    /// A night with alerts of some objects.
    Ingest(Vec<i64>),
    /// An earlier night once more.
    IngestAgain(usize),
    /// So many of the merges that are due.
    Merge(usize),
    Compact,
    Vacuum,
    /// A merge, or a compaction, that ends at this point.
    Kill {
        polls: usize,
        compacts: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec(1i64..60, 1..30).prop_map(Step::Ingest),
        1 => (0usize..9).prop_map(Step::IngestAgain),
        4 => (1usize..5).prop_map(Step::Merge),
        1 => Just(Step::Compact),
        1 => Just(Step::Vacuum),
        3 => (0usize..60, any::<bool>()).prop_map(|(polls, compacts)| Step::Kill { polls, compacts }),
    ];
    prop::collection::vec(step, 5..30)
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
    life.step(&Step::Ingest(vec![1, 2, 3])).await;
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
            Step::Ingest(objects) => {
                let number = self.nights.len() as i64;
                let ids = objects.iter().map(|object| object * 1000 + number);
                self.model.extend(ids);
                self.nights.push(night(self.folder.path(), number, objects));
                self.ingest(number as usize).await;
            }
            Step::IngestAgain(number) => self.ingest(number % self.nights.len()).await,
            Step::Merge(most) => {
                for table in Table::ALL {
                    for _ in 0..*most {
                        let due = warehouse.merge_due(table, &tiny(), &[], &|_| ()).await.unwrap();
                        let Some((_, done)) = due else { break };
                        done.unwrap();
                    }
                }
            }
            Step::Compact => {
                for table in Table::ALL {
                    warehouse.compact(table, &tiny()).await.unwrap();
                }
            }
            Step::Vacuum => {
                let options = VacuumOptions { grace: Duration::ZERO };
                for table in Table::ALL {
                    warehouse.vacuum(table, &options).await.unwrap();
                }
            }
            Step::Kill { polls, compacts } => {
                for table in Table::ALL {
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

    async fn ingest(&self, number: usize) {
        let options = IngestOptions { history: false, memory_bytes: 64 << 20, temp_dir: None };
        let inputs = [self.nights[number].clone()];
        ingest(&self.warehouse(), &inputs, &options, &|_| ()).await.unwrap();
    }

    async fn check(&self, after: &Step) {
        let warehouse = self.warehouse();
        let forced = self.model.iter().map(|id| id + 500).collect();
        let objects = self.model.iter().map(|id| id / 1000).collect();
        let model =
            [(Table::Sources, &self.model), (Table::Fp, &forced), (Table::Objects, &objects)];
        for (table, model) in model {
            let ids = ids(&warehouse, table).await;
            assert!(ids.iter().eq(model), "{} after {after:?}: {ids:?}", table.name());
        }
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

/// The ids of all rows, ascending.
async fn ids(warehouse: &Warehouse, table: Table) -> Vec<i64> {
    let snapshot = warehouse.snapshot(table, None).await.unwrap().unwrap();
    let mut ids = Vec::new();
    for file in &snapshot.files {
        let column = [table.id_column()];
        let rows = read(snapshot.store.clone(), file, Some(&column), BATCH_ROWS);
        for batch in rows.try_collect::<Vec<_>>().await.unwrap() {
            ids.extend(batch[column[0]].as_primitive::<Int64Type>().values());
        }
    }
    ids.sort_unstable();
    ids
}
