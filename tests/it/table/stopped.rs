//! Commands that change all tables and are stopped between two of them: each state on the way is whole, and the same command completes it.

use std::fs;

use chrono::{SecondsFormat, Utc};

use super::*;

impl Survey {
    /// Runs a command while a folder stands where the next version of `fp` would be. It has to say which table is changed already.
    fn stopped_at_fp(&self, arguments: &[&str], already: &str) {
        let next = format!("fp/_delta_log/{:020}.json", self.versions()[1] + 1);
        let in_the_way = self.warehouse.join(next);
        fs::create_dir(&in_the_way).unwrap();
        let said = self.ran(arguments);
        fs::remove_dir(&in_the_way).unwrap();
        assert!(said.code != Some(0), "{said:?}");
        let told = format!("{already} already; the same command, run again, completes it");
        assert!(said.stderr.contains(&told), "{said:?}");
    }

    fn objects_without_sources(&self) -> Vec<String> {
        self.sql(
            "SELECT \"diaObjectId\" FROM objects LEFT ANTI JOIN sources USING (\"diaObjectId\")",
        )
    }
}

#[test]
fn no_object_is_without_its_sources_on_the_way() {
    let survey = Survey::of_two_nights();
    let whole = survey.rows();
    let before = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let night = survey.first_night();
    let delete = ["table", "delete", "--night", &night];
    survey.stopped_at_fp(&delete, "objects is at version 2");
    assert_eq!(survey.objects_without_sources(), [""; 0]);
    survey.ran(&delete).succeeded();
    assert_eq!(survey.rows(), ids(&[12, 31], &[12, 31], &[1, 3]));

    // Object 2 comes back: after its sources.
    let dry = survey.table(&["restore", &before, "--dry-run"]);
    let order: Vec<_> = (0..3).map(|index| dry["done"][index]["table"].clone()).collect();
    assert_eq!(order, ["sources", "fp", "objects"]);
    let restore = ["table", "restore", &before];
    survey.stopped_at_fp(&restore, "sources is at version 3");
    assert_eq!(survey.objects_without_sources(), [""; 0]);
    assert_eq!(survey.rows()[2], ["1", "3"]);
    survey.ran(&restore).succeeded();
    assert_eq!(survey.rows(), whole);
}
