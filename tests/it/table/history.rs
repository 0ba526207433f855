//! `table history`: every version with its time, its operation, and what it added and removed.

use serde_json::json;

use super::*;

#[test]
fn a_history_has_what_each_version_did_the_newest_first() {
    let survey = Survey::of_two_nights();
    survey.ran(&["maintain", "keep", "dr1"]).succeeded();
    survey.ran(&["maintain", "compact"]).succeeded();
    let history = survey.table(&["history", "--table", "objects"]);
    let entries = history["objects"].as_array().unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            json!([
                entry["version"],
                entry["operation"],
                entry["added"]["rows"],
                entry["removed"]["rows"],
                entry["names"]
            ])
        })
        .collect();
    // Object 1 was replaced in the second night, so the file of the first was written again.
    let expected = [
        json!([2, "Compact", 3, 3, []]),
        json!([1, "Ingest", 3, 2, ["dr1"]]),
        json!([0, "Ingest", 2, 0, []]),
    ];
    assert_eq!(told, expected);
    assert_eq!(history.as_object().unwrap().len(), 1);

    // The rows of a removed file are told by a commit that is not listed.
    let newest = survey.table(&["history", "--limit", "1"]);
    assert_eq!(newest["objects"].as_array().unwrap().len(), 1);
    assert_eq!(newest["objects"][0]["removed"]["rows"], 3);

    let text = survey.ran(&["table", "history"]).succeeded().stdout;
    for said in ["rows +", "Compact", "Ingest", "dr1", "objects", "fp", "sources"] {
        assert!(text.contains(said), "{text}");
    }
    let script = "import deltalake, sys; print([c['operation'] for c in deltalake.DeltaTable(sys.argv[1]).history()])";
    let theirs = deltalake(script, &survey.warehouse.join("objects"));
    assert_eq!(theirs.trim(), "['OPTIMIZE', 'WRITE', 'CREATE TABLE']");
}

#[test]
fn what_is_no_table_or_no_warehouse_is_refused() {
    let survey = Survey::empty();
    let said = survey.ran(&["table", "history"]);
    assert!(said.code == Some(2) && said.stderr.contains("there is no table"), "{said:?}");
    let said = survey.ran(&["table", "history", "--table", "source"]);
    assert!(
        said.code == Some(2) && said.stderr.contains("there are sources, fp, objects"),
        "{said:?}"
    );
}
