//! SQL texts of every kind of nesting that may be deep.

/// Texts that are the deeper the larger `n` is, as predicates of a row of the sources.
pub fn predicates(n: usize) -> Vec<(&'static str, String)> {
    let joined = |part: &str, by: &str| vec![part; n].join(by);
    let cases = "CASE WHEN psfFlux > 1 THEN 1 ELSE ".repeat(n);
    vec![
        ("OR", joined("psfFlux > 1", " OR ")),
        ("AND", joined("psfFlux > 1", " AND ")),
        ("OR of others", (0..n).map(|i| format!("visit = {i}")).collect::<Vec<_>>().join(" OR ")),
        ("+", format!("{} > 1", joined("psfFlux", " + "))),
        ("1 + 1", format!("{} > 1", joined("1", " + "))),
        ("NOT", format!("{} forced", "NOT ".repeat(n)).replace("forced", "isDipole")),
        ("-", format!("{}psfFlux > 1", "- ".repeat(n))),
        ("(", format!("{}psfFlux > 1{}", "(".repeat(n), ")".repeat(n))),
        ("( in vain", format!("{}psfFlux > 1", "(".repeat(n))),
        ("CASE", format!("{cases} 2 {} = 2", "END ".repeat(n))),
        ("WHEN", format!("CASE {} ELSE true END", "WHEN psfFlux > 1 THEN false ".repeat(n))),
        ("IS NULL", format!("psfFlux {}", "IS NULL ".repeat(n))),
        ("abs", format!("{}psfFlux{} > 1", "abs(".repeat(n), ")".repeat(n))),
        ("CAST", format!("{}psfFlux{} > 1", "CAST(".repeat(n), " AS DOUBLE)".repeat(n))),
        ("::", format!("psfFlux{} > 1", "::DOUBLE".repeat(n))),
        ("BETWEEN", format!("{} true", "psfFlux BETWEEN 1 AND 2 = ".repeat(n))),
        ("IN", format!("{}visit IN (1){}", "(".repeat(n), ") IN (true)".repeat(n))),
        ("least", format!("least({}) > 1", joined("psfFlux", ", "))),
        ("LIKE", format!("band LIKE '{}'", "%a".repeat(n))),
        ("name", format!("{} > 1", joined("a", "."))),
        ("digits", format!("psfFlux > 1{}", "0".repeat(n))),
    ]
}

/// Texts that are the deeper the larger `n` is, as statements.
pub fn statements(n: usize) -> Vec<(&'static str, String)> {
    let tables = (0..n).map(|i| format!("(SELECT 1) AS t{i}")).collect::<Vec<_>>();
    let joins =
        (1..n).map(|i| format!("JOIN objects AS t{i} ON t{i}.diaObjectId = t0.diaObjectId "));
    let chain = (1..=n).map(|i| format!(", t{i} AS (SELECT n + 1 AS n FROM t{})", i - 1));
    let arrays = format!("{}INT{}", "ARRAY<".repeat(n), ">".repeat(n));
    let mut all = vec![
        ("subquery", format!("{}SELECT 1{}", "SELECT * FROM (".repeat(n), ")".repeat(n))),
        ("scalar subquery", format!("{}1{}", "SELECT (".repeat(n), ")".repeat(n))),
        ("IN subquery", format!("{}SELECT 1{}", "SELECT 1 WHERE 1 IN (".repeat(n), ")".repeat(n))),
        ("( FROM", format!("SELECT * FROM {}objects{}", "(".repeat(n), ")".repeat(n))),
        ("( FROM in vain", format!("SELECT * FROM {}objects", "(".repeat(n))),
        ("( query", format!("{}SELECT 1{}", "(".repeat(n), ")".repeat(n))),
        ("UNION ALL", vec!["SELECT 1"; n].join(" UNION ALL ")),
        ("EXCEPT", vec!["SELECT 1"; n].join(" EXCEPT ")),
        ("tables", format!("SELECT 1 FROM {}", tables.join(", "))),
        ("JOIN", format!("SELECT 1 FROM objects AS t0 {}", joins.collect::<String>())),
        (
            "WITH",
            format!("WITH t0 AS (SELECT 1 AS n){} SELECT * FROM t{n}", chain.collect::<String>()),
        ),
        ("EXPLAIN", format!("{}SELECT 1", "EXPLAIN ".repeat(n))),
        ("[", format!("SELECT {}1{}", "[".repeat(n), "]".repeat(n))),
        ("[1]", format!("SELECT [1]{}", "[1]".repeat(n))),
        ("||", format!("SELECT {}", vec!["'a'"; n].join(" || "))),
        ("ARRAY", format!("SELECT CAST(NULL AS {arrays})")),
        ("columns", format!("SELECT {} FROM objects", vec!["ra"; n].join(" + 0, "))),
        ("VALUES", format!("VALUES {}", vec!["(1, 'a')"; n].join(", "))),
        ("ORDER BY", format!("SELECT 1 FROM objects ORDER BY {}", vec!["ra"; n].join(", "))),
        (
            "OVER",
            format!(
                "SELECT {} FROM objects",
                (0..n)
                    .map(|i| format!("sum(ra) OVER (ORDER BY dec + {i})"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        ),
    ];
    let predicates = predicates(n).into_iter();
    all.extend(
        predicates.map(|(name, text)| (name, format!("SELECT count(*) FROM sources WHERE {text}"))),
    );
    all
}
