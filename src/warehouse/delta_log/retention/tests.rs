//! The log is cleaned by number, and whatever is cleaned, the versions that are kept by name have the same rows for ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, path::Path};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::schema::{KEY, TIME};
use crate::warehouse::{AsOf, BATCH_ROWS, MergePolicy, Snapshot, SortedWriter, read};

const NO_GRACE: VacuumOptions = VacuumOptions { grace: Duration::ZERO };

async fn ingest(warehouse: &Warehouse, id: i64) {
    let number: ArrayRef = Arc::new(Int64Array::from(vec![id]));
    let time: ArrayRef = Arc::new(Float64Array::from(vec![61000.5]));
    let columns = [(KEY, number.clone()), (TIME, time), ("diaSourceId", number)];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = SortedWriter::new(warehouse, Table::Sources, rows.schema());
    writer.write(&rows).await.unwrap();
    let add = writer.finish().await.unwrap();
    let base = warehouse.snapshot(Table::Sources, None).await.unwrap();
    let change =
        Change { operation: Operation::Ingest, schema: rows.schema(), add, remove: vec![] };
    warehouse.commit(Table::Sources, base.as_ref(), change).await.unwrap();
}

/// The ids of all rows.
async fn ids(snapshot: &Snapshot) -> Vec<i64> {
    let mut ids = Vec::new();
    for file in &snapshot.files {
        let rows = read(snapshot.store.clone(), file, None, BATCH_ROWS);
        for batch in rows.try_collect::<Vec<_>>().await.unwrap() {
            ids.extend(batch["diaSourceId"].as_primitive::<Int64Type>().values());
        }
    }
    ids.sort_unstable();
    ids
}

/// A table of one row, with a checkpoint after every few commits.
async fn table(interval: u32) -> (Warehouse, Log) {
    let warehouse = Warehouse::open(&format!("memory://{}", Uuid::new_v4())).unwrap();
    ingest(&warehouse, 0).await;
    let log = Log::new(warehouse.location(), Table::Sources).unwrap();
    let told = |interval: &str| format!(r#""delta.checkpointInterval":"{interval}""#);
    let new = told(PROPERTIES[0].value);
    change_text(&log, &log.commit_path(0), |text| {
        assert!(text.contains(&new), "{text}");
        text.replace(&new, &told(&interval.to_string()))
    })
    .await;
    (warehouse, log)
}

async fn change_text(log: &Log, path: &Path, change: impl Fn(String) -> String) {
    let bytes = log.location.store.get(path).await.unwrap().bytes().await.unwrap();
    let text = change(String::from_utf8(bytes.to_vec()).unwrap());
    log.location.store.put(path, text.into()).await.unwrap();
}

/// A name as it was kept before its file had all that is needed to read its version.
async fn as_before(log: &Log, name: &str) {
    let path = log.location.prefix.clone().join("_kept").join(format!("{name}.json"));
    change_text(log, &path, |text| {
        let mut told: serde_json::Value = serde_json::from_str(&text).unwrap();
        told.as_object_mut().unwrap().retain(|key, _| !["entry", "actions"].contains(&&**key));
        told.to_string()
    })
    .await;
}

async fn named(warehouse: &Warehouse, name: &str) -> Snapshot {
    let name = AsOf::Name(name.to_string());
    warehouse.snapshot(Table::Sources, Some(&name)).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_log_has_at_most_so_many_versions() {
    let (warehouse, log) = table(5).await;
    for id in 1..3 {
        ingest(&warehouse, id).await;
    }
    warehouse.keep(Table::Sources, "old").await.unwrap();
    as_before(&log, "old").await;
    for id in 3..30 {
        ingest(&warehouse, id).await;
    }
    let before = (named(&warehouse, "old").await, log.read(None).await.unwrap().unwrap());
    assert_eq!(warehouse.tidy_log_to(Table::Sources, Duration::ZERO, 40).await.unwrap(), 0);
    // Version 19 has a checkpoint; 20 and those after it are the newest ten.
    let deleted = warehouse.tidy_log_to(Table::Sources, Duration::ZERO, 10).await.unwrap();
    assert_eq!(deleted, 19 + 3, "commits and checkpoints");
    let versions: Vec<_> = log.versions().await.unwrap().into_iter().map(|of| of.0).collect();
    assert_eq!(versions, (19..30).collect::<Vec<_>>());
    let after = (named(&warehouse, "old").await, log.read(None).await.unwrap().unwrap());
    for (before, after) in [(&before.0, &after.0), (&before.1, &after.1)] {
        assert_eq!((after.id(), &after.files), (before.id(), &before.files));
        assert_eq!((after.version, &after.entry), (before.version, &before.entry));
        assert_eq!(after.schema, before.schema);
    }
    let lost = warehouse.snapshot(Table::Sources, Some(&AsOf::Version(18))).await.unwrap_err();
    assert_eq!(lost.kind(), Kind::Argument, "{lost}");
}

/// While a name cannot be completed, the log has what its version needs.
#[tokio::test]
async fn what_a_name_needs_is_never_deleted() {
    let (warehouse, log) = table(5).await;
    ingest(&warehouse, 1).await;
    warehouse.keep(Table::Sources, "old").await.unwrap();
    as_before(&log, "old").await;
    for id in 2..20 {
        ingest(&warehouse, id).await;
    }
    let state = log.state(None).await.unwrap().unwrap();
    assert_eq!(oldest_incomplete(&log, &state).await.unwrap(), Some(1));
    // What the version is read from is there, and damaged for now.
    let entry = log.commit_path(0);
    let whole = log.location.store.get(&entry).await.unwrap().bytes().await.unwrap();
    change_text(&log, &entry, |text| text.replace("metaData", "metaDate")).await;
    assert_eq!(warehouse.tidy_log_to(Table::Sources, Duration::ZERO, 1).await.unwrap(), 0);
    log.location.store.put(&entry, whole.into()).await.unwrap();
    assert!(warehouse.tidy_log_to(Table::Sources, Duration::ZERO, 1).await.unwrap() > 0);
    assert_eq!(ids(&named(&warehouse, "old").await).await, [0, 1]);
}

#[derive(Clone, Debug)]
enum Step {
    Ingest,
    Merge,
    Keep { as_before: bool },
    Forget(prop::sample::Index),
    Restore(prop::sample::Index),
    Vacuum,
    Tidy { most: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Ingest),
        1 => Just(Step::Merge),
        3 => any::<bool>().prop_map(|as_before| Step::Keep { as_before }),
        1 => any::<prop::sample::Index>().prop_map(Step::Forget),
        1 => any::<prop::sample::Index>().prop_map(Step::Restore),
        1 => Just(Step::Vacuum),
        2 => (0..8_u64).prop_map(|most| Step::Tidy { most }),
    ]
}

/// A table, and what has to be read of it: of each name the version, its id and its rows.
struct CheckedLog {
    warehouse: Warehouse,
    log: Log,
    names: BTreeMap<String, (u64, u64, Vec<i64>)>,
    kept: usize,
    next_id: i64,
}

impl CheckedLog {
    async fn newest(&self) -> Snapshot {
        self.log.read(None).await.unwrap().unwrap()
    }

    fn name(&self, index: &prop::sample::Index) -> Option<String> {
        let names: Vec<_> = self.names.keys().collect();
        (!names.is_empty()).then(|| index.get(&names).to_string())
    }

    async fn go(&mut self, step: &Step) {
        let (warehouse, table) = (&self.warehouse, Table::Sources);
        match step {
            Step::Ingest => {
                self.next_id += 1;
                ingest(warehouse, self.next_id).await;
            }
            Step::Merge => {
                warehouse.compact(table, &MergePolicy::default()).await.unwrap();
            }
            Step::Keep { as_before: old } => {
                self.kept += 1;
                let (name, newest) = (format!("dr{}", self.kept), self.newest().await);
                warehouse.keep(table, &name).await.unwrap();
                if *old {
                    as_before(&self.log, &name).await;
                }
                self.names.insert(name, (newest.version, newest.id(), ids(&newest).await));
            }
            Step::Forget(index) => {
                if let Some(name) = self.name(index) {
                    warehouse.forget(table, &name).await.unwrap();
                    self.names.remove(&name);
                }
            }
            Step::Restore(index) => {
                if let Some(name) = self.name(index) {
                    let as_of = AsOf::Name(name.clone());
                    warehouse.restore(&[table], &as_of, false).await.unwrap();
                    assert_eq!(ids(&self.newest().await).await, self.names[&name].2);
                }
            }
            Step::Vacuum => {
                tokio::time::sleep(Duration::from_millis(2)).await;
                warehouse.vacuum(table, &NO_GRACE).await.unwrap();
            }
            Step::Tidy { most } => {
                warehouse.tidy_log_to(table, Duration::ZERO, *most).await.unwrap();
            }
        }
    }

    async fn check(&self) {
        for (name, (version, id, rows)) in &self.names {
            for as_of in [AsOf::Name(name.clone()), AsOf::Version(*version)] {
                let read = self.warehouse.snapshot(Table::Sources, Some(&as_of)).await;
                let kept = read.unwrap().unwrap();
                assert_eq!((kept.version, kept.id()), (*version, *id), "{as_of}");
                assert_eq!(ids(&kept).await, *rows, "{as_of}");
            }
        }
        let checked = self.warehouse.check(Table::Sources, false).await.unwrap();
        assert_eq!(checked.findings, []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn versions_kept_by_name_are_readable_for_ever(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (warehouse, log) = table(3).await;
            let names = BTreeMap::new();
            let mut checked = CheckedLog { warehouse, log, names, kept: 0, next_id: 0 };
            for step in &steps {
                checked.go(step).await;
                if matches!(step, Step::Tidy { .. } | Step::Vacuum) {
                    checked.check().await;
                }
            }
            checked.check().await;
        });
    }
}
