//! Another engine deletes objects from the table while updates of them wait beside it, of which it knows nothing: they are gone at every
//! door, in every version since, until an alert brings one back.

use super::*;

/// A warehouse with updates of the objects 5 to 24.
struct Deleted {
    folder: TempDir,
    warehouse: Warehouse,
    url: String,
}

impl Deleted {
    async fn new() -> Self {
        let deleted = Self::before_updates().await;
        for night in 1..3 {
            deleted.ingest(night).await;
        }
        assert_eq!(update_files(&deleted.warehouse).await, 2);
        deleted
    }

    /// The same before there were updates.
    async fn before_updates() -> Self {
        let folder = tempdir().unwrap();
        let warehouse = small(folder.path(), 1).await;
        let url = folder.path().join("w").to_str().unwrap().to_string();
        Self { folder, warehouse, url }
    }

    async fn ingest(&self, night: i64) {
        ingest_file(&self.warehouse, &night_of(self.folder.path(), night, 5..25), true).await;
    }

    /// Has deltalake change the table of objects.
    fn change(&self, url: &str, call: &str) {
        let script = self.folder.path().join("change.py");
        let text = format!(
            "import deltalake, sys\nobjects = deltalake.DeltaTable(sys.argv[1] + '/objects')\nobjects.{call}\n"
        );
        fs::write(&script, text).unwrap();
        python::run(&script, &[url], &[]);
    }

    fn rows(&self, statement: &str) -> Value {
        run(["sql", "--format", "json", "--warehouse", &self.url, statement]).succeeded().json()
    }

    /// The objects below 100, as a table or a version of it has them.
    fn objects(&self, of: &str) -> Vec<i64> {
        let few = format!("SELECT diaObjectId FROM {of} WHERE diaObjectId < 100 ORDER BY 1");
        let rows = self.rows(&few);
        rows.as_array().unwrap().iter().map(|row| row["diaObjectId"].as_i64().unwrap()).collect()
    }

    async fn may_be(&self) -> bool {
        self.warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap().foreign_deletes
    }
}

fn without(gone: &[i64]) -> Vec<i64> {
    (5..25).filter(|object| !gone.contains(object)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_gone_at_every_door() {
    let deleted = Deleted::new().await;
    let refresh = [("DIAFLIGHT_REFRESH_MS", "20".to_string())];
    let server = Server::serve(&deleted.url, &refresh).await;
    let found = async |server: &Server| -> Vec<i64> {
        let path = "/api/v1/objects?diaObjectId=6,7,8,24&columns=r:diaObjectId&output-format=json";
        let rows = server.get(path).await.text().await.unwrap();
        let rows: Value = serde_json::from_str(&rows).unwrap();
        rows.as_array().unwrap().iter().map(|row| row["r:diaObjectId"].as_i64().unwrap()).collect()
    };
    assert_eq!(found(&server).await, [6, 7, 8, 24]);
    let (before, count) = (version(&deleted.warehouse).await, "SELECT count(*) AS n FROM objects");
    let all = deleted.rows(count)[0]["n"].as_i64().unwrap();
    // Parts of a file, then all that is left of it.
    for (which, gone) in [("IN (7, 24)", vec![7, 24]), ("< 100", (5..25).collect())] {
        deleted.change(&deleted.url, &format!("delete('diaObjectId {which}')"));
        assert!(deleted.may_be().await);
        let left: Vec<_> = [6, 7, 8, 24].into_iter().filter(|one| !gone.contains(one)).collect();
        for _ in 0..500 {
            if found(&server).await == left {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(found(&server).await, left, "a server that follows");
        assert_eq!(found(&Server::serve(&deleted.url, &[]).await).await, left, "a new server");
        let some = json!({"endpoint": "objects", "diaObjectId": "6,7,8,24"});
        assert_eq!(over_flight(&server, some).await.rows.len(), left.len());
        let whole = over_flight(&server, json!({"endpoint": "objects"})).await;
        assert_eq!(whole.rows.len() as i64, all - gone.len() as i64);
        assert_eq!(deleted.objects("objects"), without(&gone));
        assert_eq!(deleted.rows(count)[0]["n"], all - gone.len() as i64);
        let of_one = deleted.rows("SELECT nDiaSources FROM objects WHERE diaObjectId = 7");
        assert_eq!(of_one, json!([]));
    }
    assert_eq!(deleted.objects(&format!("\"objects@{before}\"")), without(&[]));
}

/// Names, commits that change no row, and what is restored remember it.
#[tokio::test(flavor = "multi_thread")]
async fn later_versions_know_it_until_a_fold() {
    let deleted = Deleted::new().await;
    let warehouse = &deleted.warehouse;
    deleted.change(&deleted.url, "delete('diaObjectId = 7')");
    let changed = version(warehouse).await;
    warehouse.keep(Table::Objects, "then").await.unwrap();
    let base = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let (schema, none) = (base.schema.clone(), Vec::new);
    let nothing = Change { operation: Operation::Compact, schema, add: none(), remove: none() };
    warehouse.commit(Table::Objects, Some(&base), nothing).await.unwrap();
    deleted.change(&deleted.url, "optimize.compact()");
    assert_eq!(deleted.objects("objects"), without(&[7]));
    let often = MergePolicy { young_runs: [2; 3], ..MergePolicy::DEFAULT };
    let (merge, done) =
        warehouse.merge_due(Table::Objects, &often, &[], &|_| ()).await.unwrap().unwrap();
    done.unwrap();
    assert_eq!((merge.kind, update_files(warehouse).await), (MergeKind::Updates, 1));
    assert_eq!(deleted.objects("objects"), without(&[7]));
    warehouse.fold(Table::Objects, &MergePolicy::DEFAULT).await.unwrap();
    assert_eq!((update_files(warehouse).await, deleted.may_be().await), (0, false));
    assert_eq!(deleted.objects("objects"), without(&[7]));
    warehouse.restore(&[Table::Objects], &AsOf::Version(changed), false).await.unwrap();
    assert_eq!((update_files(warehouse).await, deleted.may_be().await), (2, true));
    assert_eq!(deleted.objects("objects"), without(&[7]));
    assert_eq!(deleted.objects("\"objects@then\""), without(&[7]));
}

/// Work that began before there were updates, and that does not have to be done anew, knows it, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_commit_knows_it() {
    let deleted = Deleted::before_updates().await;
    let warehouse = &deleted.warehouse;
    let base = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    assert_eq!(base.updates, None);
    deleted.ingest(1).await;
    deleted.change(&deleted.url, "delete('diaObjectId = 7')");
    let (operation, schema) = (Operation::Compact, base.schema.clone());
    let nothing = Change { operation, schema, add: Vec::new(), remove: Vec::new() };
    warehouse.commit(Table::Objects, Some(&base), nothing).await.unwrap();
    assert_eq!(update_files(warehouse).await, 1);
    assert_eq!(deleted.objects("objects"), without(&[7]));
}

/// The next ingest folds first, so that an alert of such an object makes it anew.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_brings_one_back_as_if_no_update_had_waited() {
    let deleted = Deleted::new().await;
    let twin = deleted.folder.path().join("twin").to_str().unwrap().to_string();
    assert!(Command::new("cp").args(["-a", &deleted.url, &twin]).status().unwrap().success());
    let folded = Warehouse::open(&twin).unwrap();
    folded.fold(Table::Objects, &MergePolicy::DEFAULT).await.unwrap();
    for url in [&deleted.url, &twin] {
        deleted.change(url, "delete('diaObjectId IN (7, 8)')");
    }
    let night = night_of(deleted.folder.path(), 9, 7..8);
    for warehouse in [&deleted.warehouse, &folded] {
        ingest_file(warehouse, &night, true).await;
    }
    assert_eq!(deleted.objects("objects"), without(&[8]));
    let ids = "5, 6, 7, 8, 9, 24";
    assert_eq!(states(&deleted.warehouse, ids).await, states(&folded, ids).await);
    assert!(!deleted.may_be().await);
}

/// What deletes no row is nothing to ask the table about.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_rearranges_rows_costs_nothing() {
    let deleted = Deleted::new().await;
    let before = version(&deleted.warehouse).await;
    deleted.change(&deleted.url, "optimize.z_order(['ra'])");
    assert!(version(&deleted.warehouse).await > before);
    assert!(!deleted.may_be().await);
    assert_eq!(deleted.objects("objects"), without(&[]));
}
