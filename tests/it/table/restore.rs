//! `table restore`: an older version comes back as a new one; all tables or none.

use std::fs;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};

use super::*;
use crate::server::Server;

fn now() -> String {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    std::thread::sleep(Duration::from_millis(5));
    now
}

#[tokio::test]
async fn a_wrong_ingest_is_taken_back_by_one_command() {
    let survey = Survey::of_two_nights();
    let before = (survey.rows(), now());
    survey.ingest(&[(1, 13, NIGHTS[1] + 1.0), (9, 91, NIGHTS[1] + 1.0)]);
    let after = survey.rows();
    assert_eq!(after, ids(&[11, 12, 13, 21, 31, 91], &[11, 12, 13, 21, 31, 91], &[1, 2, 3, 9]));
    let server = Server::serve(survey.path(), &[]).await;

    let dry = survey.table(&["restore", &before.1, "--dry-run"]);
    assert_eq!((survey.versions(), survey.rows()), ([2, 2, 2], after.clone()));
    let done = survey.table(&["restore", &before.1]);
    for (index, table) in ["objects", "fp", "sources"].into_iter().enumerate() {
        let (dry, done) = (&dry["done"][index], &done["done"][index]);
        assert_eq!(
            (&done["table"], &done["from"], &done["to"]),
            (&table.into(), &2.into(), &1.into())
        );
        assert_eq!((&done["committed"], &dry["committed"]), (&3.into(), &Value::Null));
        assert_eq!(done["rows_removed"], dry["rows_removed"]);
    }
    assert_eq!(survey.rows(), before.0);
    while server.get("/api/v1/sources?diaObjectId=9").await.text().await.unwrap() != "[]" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_ne!(
        server.get("/api/v1/sources?diaObjectId=9&as_of=2").await.text().await.unwrap(),
        "[]"
    );

    // Again, there is nothing to do; and the other way round works, too.
    let again = survey.ran(&["table", "restore", &before.1]).succeeded().stdout;
    assert!(
        again.contains("sources: has the rows of version 1 already; nothing to restore"),
        "{again}"
    );
    assert_eq!(survey.versions(), [3, 3, 3]);
    for table in ["sources", "fp", "objects"] {
        survey.table(&["restore", "2", "--table", table]);
    }
    assert_eq!(survey.rows(), after);

    let script = "import deltalake, sys; t = deltalake.DeltaTable(sys.argv[1]); \
                  print(t.history()[0]['operation'], t.count())";
    assert_eq!(deltalake(script, &survey.warehouse.join("sources")).trim(), "RESTORE 6");
}

#[test]
fn a_name_restores_all_tables_and_a_version_one() {
    let survey = Survey::of_two_nights();
    let kept = survey.rows();
    survey.ran(&["maintain", "keep", "dr1"]).succeeded();
    survey.ingest(&[(4, 41, NIGHTS[1])]);
    let said = survey.ran(&["table", "restore", "1"]);
    assert!(said.code == Some(2) && said.stderr.contains("name it with --table"), "{said:?}");
    survey.table(&["restore", "dr1"]);
    assert_eq!(survey.rows(), kept);
    survey.table(&["restore", "0", "--table", "objects"]);
    assert_eq!(survey.rows()[2], ["1", "2"]);
    for (wrong, reason) in [
        ("dr2", "kept are dr1"),
        ("2020-01-01T00:00:00Z", "it has 0 ("),
        ("x/y", "or a name (dr1)"),
    ] {
        let said = survey.ran(&["table", "restore", wrong]);
        assert!(said.code == Some(2) && said.stderr.contains(reason), "{said:?}");
    }
}

/// Version 0 of one table has lost a file: no table is restored to that time.
#[test]
fn nothing_is_restored_unless_every_table_can_be() {
    let survey = Survey::empty();
    survey.ingest(&[(1, 11, NIGHTS[0]), (2, 21, NIGHTS[0])]);
    let first = now();
    let files = survey.data_files("sources");
    survey.ingest(&[(1, 11, NIGHTS[0] + 0.01), (3, 31, NIGHTS[1])]);
    survey.ran(&["maintain", "compact"]).succeeded();
    let (rows, versions) = (survey.rows(), survey.versions());
    fs::remove_file(&files[0]).unwrap();
    let said = survey.ran(&["table", "restore", &first]);
    assert_eq!(said.code, Some(2), "{said:?}");
    for part in [
        "sources: version 0 cannot be restored",
        "the oldest version that can be restored is ",
        "nothing was changed",
    ] {
        assert!(said.stderr.contains(part), "{said:?}");
    }
    let oldest =
        said.stderr.split("can be restored is ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!((survey.rows(), survey.versions()), (rows, versions));
    survey.table(&["restore", oldest, "--table", "sources"]);
}

/// An ingest commits to sources first and to objects last: a time between them would leave sources without their objects.
#[test]
fn a_time_within_an_ingest_is_refused_and_says_which_is_right() {
    let survey = Survey::of_two_nights();
    let history = survey.table(&["history"]);
    let [sources, objects] =
        ["sources", "objects"].map(|table| history[table][0]["time"].as_str().unwrap().to_string());
    assert!(sources < objects, "{sources} {objects}");
    let refused = survey.ran(&["table", "restore", &sources]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("between two commits of one command"), "{}", refused.stderr);
    assert_eq!(survey.versions(), [1, 1, 1]);
    survey.table(&["restore", &objects]);
    assert_eq!(survey.versions(), [1, 1, 1], "all is as it was then");
}
