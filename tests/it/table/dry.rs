//! `--dry-run` of maintenance: the numbers of the real run, and nothing changed.

use std::process::Command;

use super::*;

/// Every file of the warehouse, with its size and time.
fn listing(survey: &Survey) -> String {
    let mut find = Command::new("find");
    let printed = find.arg(survey.path()).args(["-type", "f", "-printf", "%p %s %T@\n"]).output();
    let mut lines: Vec<_> =
        String::from_utf8(printed.unwrap().stdout).unwrap().lines().map(str::to_string).collect();
    lines.sort();
    lines.join("\n")
}

#[test]
fn a_dry_run_tells_what_the_run_would_do_and_changes_nothing() {
    let survey = Survey::of_two_nights();
    survey.ran(&["maintain", "keep", "dr1"]).succeeded();
    let both = |arguments: &[&str]| {
        let before = listing(&survey);
        let dry = survey.ran(&[arguments, &["--dry-run", "--json"]].concat()).succeeded().json();
        assert_eq!(listing(&survey), before, "{arguments:?}");
        let text = survey.ran(&[arguments, &["--dry-run"]].concat()).succeeded().stdout;
        assert!(text.contains("would"), "{text}");
        let real = survey.ran(&[arguments, &["--json"]].concat()).succeeded().json();
        assert_ne!(listing(&survey), before, "{arguments:?}");
        (dry, real)
    };
    let (dry, real) = both(&["maintain", "compact"]);
    for table in ["sources", "fp", "objects"] {
        for key in ["files_removed", "rows"] {
            assert_eq!(dry[table][key], real[table][key], "{table} {key}");
        }
    }
    let (dry, real) = both(&["maintain", "forget", "dr1"]);
    assert_eq!(dry, real);
    let (dry, real) = both(&["maintain", "vacuum", "--grace-hours", "0"]);
    assert_eq!(dry, real);
    assert!(real["sources"]["files_deleted"].as_u64() > Some(0), "{real}");
}

/// The command as an operator has it: exit code 1 and a line for each finding.
#[test]
fn a_check_names_what_is_missing_and_exits_with_1() {
    let survey = Survey::of_two_nights();
    let whole = survey.ran(&["maintain", "check"]).succeeded().stdout;
    assert!(whole.ends_with(" 0 findings\n"), "{whole}");
    let file = survey.data_files("fp").remove(0);
    std::fs::remove_file(&file).unwrap();
    let said = survey.ran(&["maintain", "check"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let line = format!("fp: {}: it is in the log and not in the store: ", file.display());
    assert!(said.stdout.starts_with(&line), "{said:?}");
    let repaired = survey.ran(&["maintain", "check", "--repair", "--json"]).succeeded().json();
    let done = repaired["findings"][0]["repaired"].as_str().unwrap();
    assert!(done.starts_with("taken out of the table"), "{done}");
    survey.ran(&["maintain", "check"]).succeeded();
}
