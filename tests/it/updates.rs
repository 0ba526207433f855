//! Objects whose newest states wait as updates beside their table: every door shows what it shows of a table in which they were replaced at
//! once, other Delta readers have each object once, and what takes back or tidies up knows of them.

mod deleted_by_others;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::{FlightClient, FlightDescriptor};
use diaflight::error::Kind;
use diaflight::ingest::{IngestOptions, ingest};
use diaflight::schema::Table;
use diaflight::survey::{SurveyOptions, generate, write_packets};
use diaflight::warehouse::{
    AsOf, Change, Doomed, MergeKind, MergePolicy, Operation, VacuumOptions, Warehouse,
};
use futures::TryStreamExt;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use crate::alerts::{self, Alert};
use crate::formats::decode;
use crate::nights;
use crate::program::run;
use crate::python;
use crate::server::Server;

/// The nights of a survey, and two warehouses with the same alerts.
struct Twins {
    folder: TempDir,
    nights: Vec<PathBuf>,
}

fn survey(objects: u64, nights: &str) -> SurveyOptions {
    SurveyOptions { objects, seed: 5, nights: nights.parse().unwrap() }
}

impl Twins {
    async fn new(objects: u64) -> Self {
        let folder = tempdir().unwrap();
        let packets = folder.path().join("packets");
        let options = survey(objects, "300..305");
        write_packets(&packets, &options, false, &CancellationToken::new(), &|_| ()).unwrap();
        let nights = fs::read_dir(&packets).unwrap().map(|night| night.unwrap().path());
        let mut nights: Vec<_> = nights.collect();
        nights.sort();
        assert!(nights.len() > 3, "{nights:?}");
        let twins = Self { folder, nights };
        let before = survey(objects, "0..299");
        generate(&twins.warehouse("updates"), &before, &|_| ()).await.unwrap();
        for name in ["at-once", "growing"] {
            let copy = ["-a", &twins.url("updates"), &twins.url(name)];
            assert!(Command::new("cp").args(copy).status().unwrap().success());
        }
        for night in 0..twins.nights.len() {
            twins.ingest("updates", night).await;
            twins.ingest("at-once", night).await;
        }
        twins
    }

    fn url(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }

    fn warehouse(&self, name: &str) -> Warehouse {
        Warehouse::open(&self.url(name)).unwrap()
    }

    async fn ingest(&self, name: &str, night: usize) {
        ingest_file(&self.warehouse(name), &self.nights[night], name == "updates").await;
    }

    fn sql(&self, name: &str, statement: &str) -> Value {
        let url = self.url(name);
        run(["sql", "--format", "json", "--warehouse", &url, statement]).succeeded().json()
    }
}

async fn ingest_file(warehouse: &Warehouse, file: &Path, leaves_updates: bool) {
    let rewrite_bytes = if leaves_updates { 0 } else { u64::MAX };
    let (memory_bytes, temp_dir) = (64 << 20, None);
    let options =
        IngestOptions { history: true, memory_bytes, temp_dir, rewrite_bytes, schemas: None };
    let inputs = [file.to_str().unwrap().to_string()];
    let summary = ingest(warehouse, &inputs, &options, &|_| ()).await.unwrap();
    assert_eq!(summary.refused.count, 0);
}

/// How many files of updates there are.
async fn update_files(warehouse: &Warehouse) -> usize {
    let objects = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    objects.update_files().count()
}

const STATEMENTS: [&str; 12] = [
    "SELECT * FROM objects ORDER BY diaObjectId",
    "SELECT count(*) AS n FROM objects",
    "SELECT count(*) AS n, sum(nDiaSources) AS s, max(lastDiaSourceMjdTai) AS t FROM objects",
    "SELECT nDiaSources, count(*) AS n FROM objects GROUP BY 1 ORDER BY 1",
    "SELECT diaObjectId FROM objects WHERE nDiaSources > 3 ORDER BY diaObjectId",
    "SELECT diaObjectId, ra FROM objects WHERE lastDiaSourceMjdTai < (SELECT max(lastDiaSourceMjdTai) - 1 FROM objects) ORDER BY 1",
    "SELECT diaObjectId, nDiaSources FROM objects ORDER BY nDiaSources DESC, diaObjectId LIMIT 7",
    "SELECT o.diaObjectId, o.nDiaSources, count(*) AS n FROM objects o JOIN sources s ON s.diaObjectId = o.diaObjectId GROUP BY 1, 2 ORDER BY 1",
    "SELECT nDiaSources FROM objects WHERE diaObjectId = (SELECT min(diaObjectId) FROM objects)",
    "SELECT diaObjectId FROM objects WHERE diaObjectId > 170000000000000000 ORDER BY diaObjectId DESC",
    "SELECT ra FROM objects ORDER BY ra LIMIT 3 OFFSET 2",
    "SELECT count(DISTINCT diaObjectId) AS n, count(nDiaSources) AS m FROM objects",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_has_the_newest_state_of_each_object() {
    let twins = Twins::new(3000).await;
    let files = update_files(&twins.warehouse("updates")).await;
    assert!(files > 1, "{files} files of updates");
    assert_eq!(update_files(&twins.warehouse("at-once")).await, 0);
    for statement in STATEMENTS {
        let rows = twins.sql("at-once", statement);
        assert!(!rows.as_array().unwrap().is_empty(), "{statement}");
        assert_eq!(twins.sql("updates", statement), rows, "{statement}");
    }
    // A limit is of rows that are shown.
    let some = twins.sql("updates", "SELECT diaObjectId FROM objects LIMIT 40");
    assert_eq!(some.as_array().unwrap().len(), 40);
    let plan = run([
        "sql",
        "--warehouse",
        &twins.url("updates"),
        "EXPLAIN SELECT ra FROM objects WHERE nDiaSources > 3",
    ]);
    assert!(plan.succeeded().stdout.contains("is_newest"));
}

async fn over_flight(server: &Server, arguments: Value) -> decode::Table {
    let channel = Endpoint::new(server.url.clone()).unwrap().connect().await.unwrap();
    let mut client = FlightClient::new(channel);
    let descriptor = FlightDescriptor::new_cmd(arguments.to_string());
    let info = client.get_flight_info(descriptor).await.unwrap();
    let told = info.total_records;
    let schema = Arc::new(info.clone().try_decode_schema().unwrap());
    let mut batches = Vec::new();
    for endpoint in info.endpoint {
        let rows = client.do_get(endpoint.ticket.unwrap()).await.unwrap();
        batches.extend(rows.try_collect::<Vec<_>>().await.unwrap());
    }
    let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    assert!([rows as i64, -1].contains(&told), "{told} rows were told, {rows} came");
    decode::Table::of(&schema, &batches)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_has_the_newest_state_of_each_object() {
    let twins = Twins::new(3000).await;
    let [updates, at_once] = ["updates", "at-once"].map(|name| twins.url(name));
    let (updates, at_once) =
        (Server::serve(&updates, &[]).await, Server::serve(&at_once, &[]).await);
    let all = twins.sql("at-once", "SELECT diaObjectId FROM objects ORDER BY diaObjectId");
    let ids: Vec<i64> =
        all.as_array().unwrap().iter().map(|row| row["diaObjectId"].as_i64().unwrap()).collect();
    let get = async |server: &Server, path: &str| {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    };
    for id in ids.iter().step_by(41) {
        for path in [
            format!("/api/v1/objects?diaObjectId={id}"),
            format!("/api/v1/objects?diaObjectId={id}&columns=r:nDiaSources&output-format=csv"),
        ] {
            assert_eq!(get(&updates, &path).await, get(&at_once, &path).await, "{path}");
        }
    }
    let list: Vec<_> = ids.iter().map(i64::to_string).collect();
    let arguments = json!({ "diaObjectId": list.join(",") });
    let [one, other] =
        [&updates, &at_once].map(|server| server.post("/api/v1/objects", &arguments));
    let (one, other) = (one.await.text().await.unwrap(), other.await.text().await.unwrap());
    assert_eq!(one, other);
    let rows: Vec<Value> = serde_json::from_str(&one).unwrap();
    assert_eq!(rows.len(), ids.len());
    for arguments in [
        json!({"endpoint": "objects"}),
        json!({"endpoint": "objects", "columns": "r:diaObjectId,r:nDiaSources"}),
        json!({"endpoint": "objects", "diaObjectId": list[3]}),
    ] {
        let rows = async |server: &Server| {
            let mut rows = over_flight(server, arguments.clone()).await.rows;
            rows.sort_by_cached_key(|row| format!("{row:?}"));
            rows
        };
        assert_eq!(rows(&updates).await, rows(&at_once).await, "{arguments}");
    }
}

/// What deltalake reads: of the table each object once, and with the updates the newest state.
#[tokio::test(flavor = "multi_thread")]
async fn other_readers_have_each_object_once_and_may_read_the_updates() {
    let twins = Twins::new(3000).await;
    let script = twins.folder.path().join("read.py");
    fs::write(
        &script,
        "import deltalake, json, sys
objects = deltalake.DeltaTable(sys.argv[1] + '/objects').to_pyarrow_table().to_pandas()
try:
    updates = deltalake.DeltaTable(sys.argv[1] + '/objects/_updates').to_pyarrow_table().to_pandas()
except deltalake.exceptions.TableNotFoundError:
    updates = objects[:0]
both = __import__('pandas').concat([objects, updates])
newest = both.sort_values(['diaObjectId', 'alertMidpointMjdTai']).groupby('diaObjectId').tail(1)
print(json.dumps({
    'rows': len(objects),
    'objects': objects.diaObjectId.nunique(),
    'updates': len(updates),
    'own': int(objects.nDiaSources.sum()),
    'newest': int(newest.nDiaSources.sum()),
}))
",
    )
    .unwrap();
    let read = |name: &str| -> Value {
        serde_json::from_str(&python::run(&script, &[&twins.url(name)], &[])).unwrap()
    };
    let (updates, at_once) = (read("updates"), read("at-once"));
    assert_eq!(updates["rows"], updates["objects"]);
    assert_eq!(updates["rows"], at_once["rows"]);
    assert!(updates["updates"].as_u64() > Some(5) && at_once["updates"] == 0, "{updates}");
    assert!(updates["own"].as_u64() < at_once["own"].as_u64(), "{updates} {at_once}");
    assert_eq!(updates["newest"], at_once["own"]);
    twins.warehouse("updates").fold(Table::Objects, &MergePolicy::DEFAULT).await.unwrap();
    assert_eq!(update_files(&twins.warehouse("updates")).await, 0);
    let folded = read("updates");
    assert_eq!((&folded["updates"], &folded["own"]), (&json!(0), &at_once["own"]));
}

/// A server follows the commits of updates; what it answers of earlier versions stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_shows_an_update_as_soon_as_it_is_committed() {
    let twins = Twins::new(3000).await;
    let url = twins.url("growing");
    let warehouse = twins.warehouse("growing");
    let (last, nights) = twins.nights.split_last().unwrap();
    for night in nights {
        ingest_file(&warehouse, night, true).await;
    }
    let before = update_files(&warehouse).await;
    let version = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap().version;
    let refresh = [("DIAFLIGHT_REFRESH_MS", "20".to_string())];
    let server = Server::serve(&url, &refresh).await;
    let newest = "SELECT diaObjectId, nDiaSources FROM objects ORDER BY lastDiaSourceMjdTai DESC, diaObjectId LIMIT 1";
    let object = twins.sql("at-once", newest)[0].clone();
    let path =
        format!("/api/v1/objects?diaObjectId={}&columns=r:nDiaSources", object["diaObjectId"]);
    let state = async |path: &str| {
        let answer = server.get(path).await;
        let tag = answer.headers().get("etag").map(|tag| tag.to_str().unwrap().to_string());
        let rows: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        (rows, tag)
    };
    let (old, old_tag) = state(&path).await;
    ingest_file(&warehouse, last, true).await;
    assert_eq!(update_files(&warehouse).await, before + 1);
    let new = loop {
        let (new, tag) = state(&path).await;
        if tag != old_tag {
            break new;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(new[0]["r:nDiaSources"], object["nDiaSources"]);
    assert_ne!(new, old);
    assert_eq!(state(&format!("{path}&as_of={version}")).await.0, old);
    // Folded, its answers are the same.
    warehouse.compact(Table::Objects, &MergePolicy::DEFAULT).await.unwrap();
    assert_eq!(update_files(&warehouse).await, 0);
    assert_eq!(state(&path).await.0, new);
    assert_eq!(state(&format!("{path}&as_of={version}")).await.0, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_taken_back_checked_and_tidied_up() {
    let twins = Twins::new(3000).await;
    let (warehouse, url) = (twins.warehouse("updates"), twins.url("updates"));
    let all = "SELECT * FROM objects ORDER BY diaObjectId";
    let now = twins.sql("updates", all);
    let newest = async || warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let version = newest().await.version;
    let at = |version: u64| {
        twins.sql("updates", &format!("SELECT * FROM objects@{version} ORDER BY diaObjectId"))
    };
    let before = at(version - 1);
    assert_ne!(before, now);
    // An undo takes the last updates away, and a restoration brings them back.
    warehouse.undo(Table::Objects, version, false).await.unwrap();
    assert_eq!(twins.sql("updates", all), before);
    let restored =
        warehouse.restore(&[Table::Objects], &AsOf::Version(version), false).await.unwrap();
    assert!(restored[0].files_added > 0);
    assert_eq!(twins.sql("updates", all), now);
    // A name keeps them, whatever is folded and deleted afterwards.
    warehouse.keep(Table::Objects, "paper").await.unwrap();
    let checked = run(["maintain", "check", "--warehouse", &url]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    warehouse.fold(Table::Objects, &MergePolicy::DEFAULT).await.unwrap();
    let folded = newest().await.version;
    assert_eq!(twins.sql("updates", all), now);
    let none = VacuumOptions { grace: Duration::ZERO };
    let left = async || warehouse.vacuum(Table::Objects, &none).await.unwrap().files_deleted;
    left().await;
    assert_eq!(twins.sql("updates", "SELECT * FROM \"objects@paper\" ORDER BY diaObjectId"), now);
    warehouse.forget(Table::Objects, "paper").await.unwrap();
    assert!(left().await > 0);
    assert_eq!(twins.sql("updates", all), now);
    let refused = warehouse.undo(Table::Objects, folded, false).await.unwrap_err();
    assert!(refused.to_string().contains("cannot be undone"), "{refused}");
    assert_eq!(run(["maintain", "check", "--warehouse", &url]).code, Some(0));
}

/// An object is deleted with its updates, and is not there after a fold either.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_deleted_with_its_updates() {
    let twins = Twins::new(3000).await;
    let warehouse = twins.warehouse("updates");
    let updated = "SELECT diaObjectId FROM objects ORDER BY lastDiaSourceMjdTai DESC LIMIT 1";
    let id = twins.sql("updates", updated)[0]["diaObjectId"].as_i64().unwrap();
    let count = twins.sql("updates", "SELECT count(*) AS n FROM objects")[0]["n"].as_u64().unwrap();
    let deleted = warehouse.delete(&Doomed::Object(id), false).await.unwrap();
    let rows: Vec<_> = deleted.tables.iter().map(|table| (table.table, table.rows)).collect();
    assert!(rows.contains(&("objects", 1)), "{rows:?}");
    for _ in 0..2 {
        let left = twins.sql("updates", &format!("SELECT count(*) AS n, count(CASE WHEN diaObjectId = {id} THEN 1 END) AS it FROM objects"));
        assert_eq!(left, json!([{"n": count - 1, "it": 0}]));
        warehouse.fold(Table::Objects, &MergePolicy::DEFAULT).await.unwrap();
    }
}

/// The commits before a checkpoint may be cleaned up.
#[tokio::test]
async fn a_checkpoint_names_the_updates() {
    let folder = tempdir().unwrap();
    let warehouse = small(folder.path(), 0).await;
    let log = folder.path().join("w/objects/_delta_log");
    let first = log.join("00000000000000000000.json");
    let seldom = fs::read_to_string(&first).unwrap();
    let often =
        seldom.replace(r#""delta.checkpointInterval":"50""#, r#""delta.checkpointInterval":"10""#);
    assert_ne!(often, seldom);
    fs::write(&first, often).unwrap();
    for night in 0..11 {
        ingest_file(&warehouse, &night_of(folder.path(), night, 5..25), true).await;
    }
    let snapshot = async || warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let before = snapshot().await;
    assert!(before.updates.is_some() && before.update_files().count() > 2);
    assert!(log.join("00000000000000000009.checkpoint.parquet").exists());
    for version in 0..=9 {
        fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let after = snapshot().await;
    assert_eq!((after.updates, &after.files), (before.updates, &before.files));
}

/// The packets of a night with an alert of each of some objects.
fn night_of(folder: &Path, night: i64, objects: Range<i64>) -> PathBuf {
    let alert = |object| Alert::new(object, object * 1000 + night, 61000.0 + night as f64);
    let alerts: Vec<_> = objects.map(alert).collect();
    let packets = alerts::packets(&alerts);
    nights::write_packets(folder, &format!("{night}.avro"), &packets).into()
}

/// A survey, so large that no fold is worth it, and some objects that are new in the first of some nights and have an update in each other.
async fn small(folder: &Path, nights: i64) -> Warehouse {
    let warehouse = Warehouse::open(folder.join("w").to_str().unwrap()).unwrap();
    generate(&warehouse, &survey(20_000, "0..60"), &|_| ()).await.unwrap();
    for night in 0..nights {
        ingest_file(&warehouse, &night_of(folder, night, 5..25), true).await;
    }
    warehouse
}

/// The states of some objects.
async fn states(warehouse: &Warehouse, ids: &str) -> String {
    let url = warehouse.location().url.to_file_path().unwrap();
    let sql = format!("SELECT * FROM objects WHERE diaObjectId IN ({ids}) ORDER BY diaObjectId");
    run(["sql", "--format", "csv", "--warehouse", url.to_str().unwrap(), &sql]).succeeded().stdout
}

async fn version(warehouse: &Warehouse) -> u64 {
    warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap().version
}

/// Work that has read a table with updates is done anew where rows are taken back meanwhile, and not where some are added.
#[tokio::test]
async fn a_fold_is_done_anew_where_updates_are_taken_back_meanwhile() {
    let folder = tempdir().unwrap();
    let warehouse = small(folder.path(), 4).await;
    let base = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let fold = || Change {
        operation: Operation::Compact,
        schema: base.schema.clone(),
        add: Vec::new(),
        remove: Vec::new(),
    };
    ingest_file(&warehouse, &night_of(folder.path(), 4, 7..9), true).await;
    warehouse.commit(Table::Objects, Some(&base), fold()).await.unwrap();
    warehouse.undo(Table::Objects, base.version, false).await.unwrap();
    let late = warehouse.commit(Table::Objects, Some(&base), fold()).await.unwrap_err();
    assert_eq!(late.kind(), Kind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_later_versions_rely_on_is_not_undone() {
    let folder = tempdir().unwrap();
    let warehouse = small(folder.path(), 3).await;
    // New objects, then an update of one of them.
    ingest_file(&warehouse, &night_of(folder.path(), 3, 9000..9010), true).await;
    let added = version(&warehouse).await;
    ingest_file(&warehouse, &night_of(folder.path(), 4, 9005..9006), true).await;
    let refused = |version| {
        let warehouse = warehouse.clone();
        async move {
            let error = warehouse.undo(Table::Objects, version, false).await.unwrap_err();
            assert!(error.to_string().contains("cannot be undone"), "{error}");
            error.to_string()
        }
    };
    assert!(refused(added).await.contains("update of object 9005"));
    // Updates that are folded into a part of the table only.
    let before = states(&warehouse, "9005, 10").await;
    let few = MergePolicy { fold_bytes: 1, fold_after: Duration::ZERO, ..MergePolicy::DEFAULT };
    let done = warehouse.merge_due(Table::Objects, &few, &[], &|_| ()).await.unwrap().unwrap();
    assert_eq!(done.0.kind, MergeKind::Fold);
    done.1.unwrap();
    assert!(update_files(&warehouse).await > 0);
    refused(added - 1).await;
    refused(version(&warehouse).await).await;
    assert_eq!(states(&warehouse, "9005, 10").await, before);
}

/// A version of the updates that nothing names, with a column that the table does not have.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_ingest_left_of_updates_is_nobodys() {
    let folder = tempdir().unwrap();
    let warehouse = small(folder.path(), 4).await;
    let before = states(&warehouse, "5, 6, 7").await;
    let objects = folder.path().join("w/objects");
    let log = |path: &str| objects.join(path);
    let last = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension() == Some("json".as_ref())).max().unwrap()
    };
    // As if the process had been killed between its two commits.
    let packets = night_of(folder.path(), 4, 5..8);
    ingest_file(&warehouse, &packets, true).await;
    let after = states(&warehouse, "5, 6, 7").await;
    assert_ne!(after, before);
    fs::remove_file(last(&log("_delta_log"))).unwrap();
    let orphan = last(&log("_updates/_delta_log"));
    let text = fs::read_to_string(&orphan).unwrap();
    let first = fs::read_to_string(log("_updates/_delta_log/00000000000000000000.json")).unwrap();
    let metadata = first.lines().find(|line| line.contains("metaData")).unwrap();
    let mut metadata: Value = serde_json::from_str(metadata).unwrap();
    let mut schema: Value =
        serde_json::from_str(metadata["metaData"]["schemaString"].as_str().unwrap()).unwrap();
    let column = json!({"name": "theirs", "type": "double", "nullable": true, "metadata": {}});
    schema["fields"].as_array_mut().unwrap().push(column);
    metadata["metaData"]["schemaString"] = schema.to_string().into();
    fs::write(&orphan, format!("{text}\n{metadata}")).unwrap();
    assert_eq!(states(&warehouse, "5, 6, 7").await, before);
    ingest_file(&warehouse, &packets, true).await;
    assert_eq!(states(&warehouse, "5, 6, 7").await, after);
    assert_eq!(
        run(["maintain", "check", "--warehouse", folder.path().join("w").to_str().unwrap()]).code,
        Some(0)
    );
    warehouse.fold(Table::Objects, &MergePolicy::DEFAULT).await.unwrap();
    assert_eq!(states(&warehouse, "5, 6, 7").await, after);
}

/// Neither the newest alerts nor older ones, whose states updates have replaced.
#[tokio::test]
async fn the_same_alerts_again_make_no_version() {
    let folder = tempdir().unwrap();
    let warehouse = small(folder.path(), 4).await;
    let before = version(&warehouse).await;
    for night in [3, 1, 0] {
        ingest_file(&warehouse, &night_of(folder.path(), night, 5..25), true).await;
        assert_eq!(version(&warehouse).await, before, "night {night}");
    }
}
