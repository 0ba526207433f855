//! `table undo`: one commit is undone whatever came after it, and no row is there twice.

use super::*;

#[test]
fn one_commit_is_undone_whatever_came_after_it() {
    let survey = Survey::of_two_nights();
    survey.ingest(&[(1, 11, NIGHTS[0] + 0.001), (7, 71, NIGHTS[0])]);
    survey.ingest(&[(8, 81, NIGHTS[1])]);
    let done = survey.table(&["undo", "2", "--table", "sources"]);
    assert_eq!((&done["done"]["version"], &done["done"]["committed"]), (&2.into(), &4.into()));
    assert_eq!(survey.rows()[0], ["11", "12", "21", "31", "81"]);
    let times = survey.sql("SELECT \"midpointMjdTai\" FROM sources WHERE \"diaSourceId\" = 11");
    assert_eq!(times, [NIGHTS[0].to_string()], "the row that it had replaced is there again");

    survey.ran(&["maintain", "compact"]).succeeded();
    let said = survey.ran(&["table", "undo", "3", "--table", "sources"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr.contains("version 3 cannot be undone") && said.stderr.contains("table restore"),
        "{said:?}"
    );
    for wrong in
        [&["undo", "1"][..], &["delete", "--night", "2026-03-05", "--object", "1"], &["delete"]]
    {
        let said = survey.ran(&[&["table"], wrong].concat());
        assert_eq!(said.code, Some(2), "{said:?}");
    }
}

/// A deleted night that was ingested again would be there twice.
#[test]
fn what_was_added_again_does_not_come_back() {
    let survey = Survey::of_two_nights();
    let whole = survey.rows();
    survey.table(&["delete", "--night", &survey.first_night()]);
    // Ids between those of the night are no obstacle.
    survey.ingest(&[(4, 15, NIGHTS[1])]);
    for table in ["sources", "fp", "objects"] {
        survey.table(&["undo", "2", "--table", table, "--dry-run"]);
    }
    survey.ingest(&[(1, 11, NIGHTS[0]), (2, 21, NIGHTS[0])]);
    survey.ran(&["maintain", "compact"]).succeeded();
    let (rows, versions) = (survey.rows(), survey.versions());
    assert_ne!(rows, whole);
    for (table, id) in
        [("sources", "diaSourceId"), ("fp", "diaForcedSourceId"), ("objects", "diaObjectId 2")]
    {
        for dry in [&["--dry-run"][..], &[]] {
            let said = survey.ran(&[&["table", "undo", "2", "--table", table], dry].concat());
            assert_eq!(said.code, Some(2), "{said:?}");
            for part in ["has been added again since", id, "table restore"] {
                assert!(said.stderr.contains(part), "{said:?}");
            }
        }
    }
    assert_eq!((survey.rows(), survey.versions()), (rows, versions));
}

#[test]
fn a_deletion_is_undone_once() {
    let survey = Survey::of_two_nights();
    let whole = survey.rows();
    survey.table(&["delete", "--night", &survey.first_night()]);
    for table in ["sources", "fp", "objects"] {
        survey.table(&["undo", "2", "--table", table]);
    }
    assert_eq!(survey.rows(), whole);
    let again = survey.ran(&["table", "undo", "2", "--table", "sources"]);
    assert!(
        again.code == Some(2) && again.stderr.contains("what it removed is there again"),
        "{again:?}"
    );
    assert_eq!(survey.rows(), whole);
}
