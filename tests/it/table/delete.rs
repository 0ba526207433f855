//! `table delete`: rows go from all tables, and files without them stay.

use diaflight::schema::Table;
use diaflight::warehouse::{Warehouse, described};

use super::*;

/// Whether all files of the tables are sorted by their footers, and how many there are.
async fn sorted_files(survey: &Survey) -> usize {
    let warehouse = Warehouse::open(survey.path()).unwrap();
    let mut count = 0;
    for table in Table::ALL {
        let snapshot = warehouse.snapshot(table, None).await.unwrap().unwrap();
        let files = described(&snapshot.store, table, snapshot.files.clone()).await.unwrap();
        assert!(files.iter().all(|file| file.sorted), "{files:?}");
        count += files.len();
    }
    count
}

#[tokio::test]
async fn an_object_goes_from_all_tables() {
    let survey = Survey::of_two_nights();
    let before = survey.data_files("sources");
    let dry = survey.table(&["delete", "--object", "2", "--dry-run"]);
    assert_eq!(survey.versions(), [1, 1, 1]);
    let done = survey.table(&["delete", "--object", "2"]);
    assert_eq!(survey.rows(), ids(&[11, 12, 31], &[11, 12, 31], &[1, 3]));
    for (index, table) in ["objects", "fp", "sources"].into_iter().enumerate() {
        let (dry, done) = (&dry["done"]["tables"][index], &done["done"]["tables"][index]);
        assert_eq!(
            (&done["table"], &done["rows"], &done["committed"]),
            (&table.into(), &1.into(), &2.into())
        );
        assert_eq!((&dry["rows"], &dry["files_removed"]), (&done["rows"], &done["files_removed"]));
    }
    // The file of the second night stayed, one of the first was written anew.
    let after = survey.data_files("sources");
    assert_eq!(before.iter().filter(|file| after.contains(file)).count(), before.len());
    assert_eq!(done["done"]["tables"][2]["files_removed"], 1);
    assert!(sorted_files(&survey).await > 3);
    assert_eq!(survey.sql("SELECT count(*) FROM \"sources@1\""), ["4"]);

    // There is nothing left to delete, and no commit of nothing.
    let again = survey.table(&["delete", "--object", "2"]);
    assert_eq!(again["done"]["tables"][0]["rows"], 0);
    assert_eq!(survey.versions(), [2, 2, 2]);
    let script = "import deltalake, sys; t = deltalake.DeltaTable(sys.argv[1]); \
                  print(t.history()[0]['operation'], t.count())";
    assert_eq!(deltalake(script, &survey.warehouse.join("fp")).trim(), "DELETE 3");
}

#[tokio::test]
async fn a_night_goes_with_the_objects_that_have_no_other() {
    let survey = Survey::of_two_nights();
    let date = survey.first_night();
    let first = date.replace('-', "");
    let done = survey.table(&["delete", "--night", &date]);
    assert_eq!(survey.rows(), ids(&[12, 31], &[12, 31], &[1, 3]));
    assert_eq!(done["done"]["objects_kept"], 1, "object 1 has another source");
    let left = survey.sql(&format!("SELECT count(*) FROM nights WHERE day_obs = {first}"));
    assert_eq!(left, ["0"]);
    assert!(sorted_files(&survey).await >= 3);
    let said = survey.ran(&["table", "delete", "--night", "1960-01-01"]);
    assert!(said.code == Some(2) && said.stderr.contains("--night 1960-01-01"), "{said:?}");
}

/// Object 2 has no source left; the other object's forced photometry of other nights stays.
#[test]
fn an_object_that_vanishes_takes_its_forced_photometry_along() {
    let survey = Survey::empty();
    survey.ingest_alerts(&[
        Alert::new(2, 21, NIGHTS[0]).with_forced(22, NIGHTS[1]),
        Alert::new(1, 11, NIGHTS[0]).with_forced(13, NIGHTS[1]),
        Alert::new(1, 12, NIGHTS[1]),
    ]);
    survey.table(&["delete", "--night", &survey.first_night()]);
    assert_eq!(survey.rows(), ids(&[12], &[13], &[1]));
}

/// Ingests and deletions at the same time: nothing but the object is lost.
#[test]
fn a_deletion_beside_ingests_loses_nothing_else() {
    let survey = Survey::of_two_nights();
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let survey = &survey;
            scope.spawn(move || {
                for night in 0..3 {
                    let id = 100 * (writer + 1) + night;
                    survey.ingest(&[(id, id, NIGHTS[1] + 1.0)]);
                }
            });
        }
        for _ in 0..3 {
            survey.table(&["delete", "--object", "1"]);
        }
        survey.ran(&["maintain", "compact"]).succeeded();
    });
    let added = [100, 101, 102, 200, 201, 202];
    let expected = |own: &[i64]| [own, &added].concat();
    let rows = expected(&[21, 31]);
    assert_eq!(survey.rows(), ids(&rows, &rows, &expected(&[2, 3])));
}
