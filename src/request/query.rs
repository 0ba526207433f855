//! Reads the arguments that select rows and columns of a table into a [`Query`]. The rules are the same for REST and Flight.

use std::collections::HashSet;

use super::argument::{AS_OF, Argument, COLUMNS, FILTER, ID, MIDPOINT_MJD_TAI};
use super::arguments::Arguments;
use super::ignored::Ignored;
use super::json::{Scalar, Value};
use crate::error::{Error, Result};
use crate::query::{Columns, ObjectIds, Order, Query, Rows, TimeMatch};
use crate::schema::Table;
use crate::warehouse::AsOf;

/// The most names of columns in one request: several times as many as any table has.
const MAX_NAMES: usize = 2000;

/// The arguments of a query, parsed.
#[derive(Debug)]
pub struct Asked {
    /// The query that the arguments ask for.
    pub query: Query,
    /// The version of the forced photometry, if `as_of` has one beside that of the sources.
    pub fp_version: Option<u64>,
    /// Texts among the ids that are no ids.
    pub ignored_ids: Ignored,
}

/// Takes the arguments of a query out of those of a request. The ids are sorted and unique; without `diaObjectId`, the rows are those of
/// every object.
pub fn query(table: Table, order: Order, arguments: &mut Arguments<'_>) -> Result<Asked> {
    let mut take = |argument: &Argument| arguments.remove(argument.name);
    let (ids, ignored_ids) = match take(&ID) {
        Some(value) => ids(value).map(|(ids, ignored)| (ObjectIds::Listed(ids), ignored))?,
        None => (ObjectIds::EVERY, Ignored::default()),
    };
    let time = |value| TimeMatch::parse(&decimal(value)?);
    let rows = match table {
        Table::Sources => {
            let time = take(&MIDPOINT_MJD_TAI).map(time).transpose()?;
            Rows::Sources { order, time }
        }
        _ => Rows::all(table, order),
    };
    let (as_of, fp_version) = take(&AS_OF).map_or(Ok((None, None)), |value| as_of(table, value))?;
    let query =
        Query { rows, ids, columns: columns(take(&COLUMNS))?, filter: None, limit: None, as_of };
    Ok(Asked { query, fp_version, ignored_ids })
}

/// The error for the value of an argument.
pub fn wrong(argument: &str, right: &str, value: impl std::fmt::Display) -> Error {
    Error::argument(format!("{argument} must be {right}, not {value}"))
}

/// Parses an id: digits only, within 64 bits.
pub fn id(text: &str) -> Option<i64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A SQL predicate, as text.
pub fn predicate(value: Value<'_>) -> Result<String> {
    match value {
        Value::One(Scalar::Text(text)) => Ok(text.into_owned()),
        other => {
            let right = "a SQL predicate in a text, such as `psfFlux > 1000`";
            Err(wrong(FILTER.name, right, other))
        }
    }
}

/// The ids, and the texts among them that are no ids.
fn ids(value: Value<'_>) -> Result<(Vec<i64>, Ignored)> {
    let (mut ids, mut ignored) = (Vec::new(), Ignored::default());
    let scalars = value.into_scalars();
    if scalars.is_empty() {
        ignored.push("[]");
    }
    let mut add = |text: &str| match id(text) {
        Some(id) => ids.push(id),
        None if text.is_empty() => ignored.push("\"\""),
        None => ignored.push(text),
    };
    for scalar in scalars {
        match scalar {
            Scalar::Text(text) => text.split(',').map(str::trim).for_each(&mut add),
            Scalar::Number(text) if !text.contains(['.', 'e', 'E']) => add(&text),
            other => {
                return Err(wrong(
                    ID.name,
                    "digits in a text, an integer, or an array of these",
                    other,
                ));
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    ids.shrink_to_fit();
    Ok((ids, ignored))
}

/// The names in the order given, each once.
pub(super) fn columns(value: Option<Value<'_>>) -> Result<Columns> {
    let scalars = match value {
        None | Some(Value::One(Scalar::Null)) => return Ok(Columns::All),
        Some(value) => value.into_scalars(),
    };
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for scalar in scalars {
        let Scalar::Text(text) = scalar else {
            let right = "names such as `r:psfFlux`, separated by commas, or an array of names";
            return Err(wrong(COLUMNS.name, right, scalar));
        };
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if seen.insert(name.to_string()) {
                names.push(name.to_string());
            }
            if names.len() > MAX_NAMES {
                let text = format!("columns has more than {MAX_NAMES} names; leave it out for all");
                return Err(Error::argument(text));
            }
        }
    }
    let all = names.is_empty() || names == ["*"];
    Ok(if all { Columns::All } else { Columns::Named(names) })
}

/// The decimals of a time as the client wrote them.
fn decimal(value: Value<'_>) -> Result<String> {
    match value {
        Value::One(Scalar::Text(text) | Scalar::Number(text)) => Ok(text.into_owned()),
        other => Err(wrong(MIDPOINT_MJD_TAI.name, "a number, or its decimals in a text", other)),
    }
}

/// Parses a version, a time or a name; or the versions of the sources and of the forced photometry, as the header of an answer has them
/// (`12; fp=7`).
fn as_of(table: Table, value: Value<'_>) -> Result<(Option<AsOf>, Option<u64>)> {
    let text = version_or_time(&AS_OF, value)?;
    let both = text.split_once("; fp=").map(|(sources, fp)| (sources.parse(), fp.parse()));
    match (both, table) {
        (Some((Ok(sources), Ok(fp))), Table::Sources) => {
            Ok((Some(AsOf::Version(sources)), Some(fp)))
        }
        (Some((Ok(_), Ok(fp))), Table::Fp) => Ok((Some(AsOf::Version(fp)), None)),
        (Some((Ok(_), Ok(_))), Table::Objects) => Err(Error::argument(format!(
            "as_of: {text} has versions of sources and fp, not of objects"
        ))),
        _ => {
            let as_of = AsOf::parse(&text).map_err(|error| error.context(AS_OF.name))?;
            Ok((Some(as_of), None))
        }
    }
}

/// The text of an argument that takes a version or a time.
pub(super) fn version_or_time(argument: &Argument, value: Value<'_>) -> Result<String> {
    match value {
        Value::One(Scalar::Text(text) | Scalar::Number(text)) => Ok(text.trim().to_string()),
        other => Err(wrong(argument.name, "a version or an RFC 3339 time", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::arguments::{self, Body};

    fn parsed(table: Table, body: &str) -> Result<Asked> {
        let names = [&ID, &COLUMNS, &MIDPOINT_MJD_TAI, &AS_OF].map(|argument| argument.name);
        query(
            table,
            Order::ByObject,
            &mut arguments::read(Body::Json(body.as_bytes()), "", &names).unwrap(),
        )
    }

    fn ids_of(value: &str) -> (Vec<i64>, Ignored) {
        let asked = parsed(Table::Fp, &format!("{{\"diaObjectId\": {value}}}")).unwrap();
        let ObjectIds::Listed(ids) = asked.query.ids else { panic!("not by id") };
        (ids, asked.ignored_ids)
    }

    #[test]
    fn without_ids_every_object_is_asked_for() {
        let asked = parsed(Table::Sources, r#"{"columns": "r:ra"}"#).unwrap();
        assert_eq!(asked.query.ids, ObjectIds::Within(i64::MIN..=i64::MAX));
        assert_eq!(asked.ignored_ids, Ignored::default());
    }

    #[test]
    fn ids_are_read_in_every_way_of_writing_them() {
        for value in
            [r#"" 7 ,  12,7 ""#, r#"["12", 7]"#, r#"[12, "7,12"]"#, "[7, 12, 7]", r#""007,12""#]
        {
            assert_eq!(ids_of(value), (vec![7, 12], Ignored::default()), "{value}");
        }
        assert_eq!(ids_of("9223372036854775807").0, [i64::MAX]);
    }

    #[test]
    fn what_is_no_id_is_ignored_and_told() {
        let big = "99999999999999999999999999";
        for (value, told) in [
            (r#""12,abc,-5""#, &["abc", "-5"][..]),
            (r#"["12", "x y", -5]"#, &["x y", "-5"]),
            (r#"[12, 9223372036854775808]"#, &["9223372036854775808"]),
            (&format!("[12, {big}]"), &[big]),
            (r#""12,+3,1.0,7:x,١""#, &["+3", "1.0", "7:x", "١"]),
            (r#""12,""#, &["\"\""]),
        ] {
            assert_eq!(ids_of(value), (vec![12], told.iter().collect()), "{value}");
        }
        assert_eq!(ids_of("[]"), (vec![], ["[]"].iter().collect()));
        assert_eq!(ids_of(r#"" ""#), (vec![], ["\"\""].iter().collect()));
    }

    #[test]
    fn columns_are_named_once_in_the_order_asked() {
        let columns_of = |value: &str| {
            let body = format!("{{\"diaObjectId\": 1, \"columns\": {value}}}");
            parsed(Table::Fp, &body).unwrap().query.columns
        };
        for value in ["null", r#""""#, r#"" * ""#, r#"["*"]"#, "[]", r#"",""#] {
            assert_eq!(columns_of(value), Columns::All, "{value}");
        }
        let named = Columns::Named(vec!["r:ra".into(), "f:a b".into(), "x".into()]);
        for value in [r#"" r:ra ,f:a b,x,,r:ra""#, r#"["r:ra", "f:a b,x", "x"]"#] {
            assert_eq!(columns_of(value), named, "{value}");
        }
        assert_eq!(parsed(Table::Fp, r#"{"diaObjectId": 1}"#).unwrap().query.columns, Columns::All);
    }

    #[test]
    fn a_time_keeps_its_decimals_and_is_for_sources_alone() {
        let time_of = |table, value: &str| {
            let body = format!("{{\"diaObjectId\": 1, \"midpointMjdTai\": {value}}}");
            parsed(table, &body).map(|asked| asked.query.rows.time().cloned())
        };
        for text in ["61105.095800700", "61105", "6.1105e4"] {
            let expected = Some(TimeMatch::parse(text).unwrap());
            assert_eq!(time_of(Table::Sources, text).unwrap(), expected);
            assert_eq!(time_of(Table::Sources, &format!("\"{text}\"")).unwrap(), expected);
        }
        for table in [Table::Objects, Table::Fp] {
            assert_eq!(time_of(table, "[true]").unwrap(), None);
        }
    }

    #[test]
    fn the_text_of_the_header_is_a_version() {
        let as_of = |table| {
            let body = r#"{"diaObjectId": 1, "as_of": "12; fp=7"}"#;
            parsed(table, body).map(|asked| (asked.query.as_of, asked.fp_version))
        };
        assert_eq!(as_of(Table::Sources).unwrap(), (Some(AsOf::Version(12)), Some(7)));
        assert_eq!(as_of(Table::Fp).unwrap(), (Some(AsOf::Version(7)), None));
        assert!(as_of(Table::Objects).unwrap_err().to_string().contains("12; fp=7"));
        for wrong in ["12; fp=x", "12; fp=", "; fp=7", "12;fp=7; fp=8"] {
            let body = format!(r#"{{"diaObjectId": 1, "as_of": "{wrong}"}}"#);
            assert!(parsed(Table::Sources, &body).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_argument_is_refused_by_name() {
        for (member, name, right) in [
            (r#""diaObjectId": null"#, "diaObjectId", "null"),
            (r#""diaObjectId": true"#, "diaObjectId", "true"),
            (r#""diaObjectId": 1.5"#, "diaObjectId", "integer"),
            (r#""diaObjectId": 1e3"#, "diaObjectId", "integer"),
            (r#""diaObjectId": {"a": 1}"#, "diaObjectId", "digits"),
            (r#""diaObjectId": [["1"]]"#, "diaObjectId", "digits"),
            (r#""diaObjectId": ["1", null]"#, "diaObjectId", "null"),
            (r#""diaObjectId": 1, "columns": 5"#, "columns", "the number 5"),
            (r#""diaObjectId": 1, "columns": [1, 2]"#, "columns", "names"),
            (r#""diaObjectId": 1, "columns": [null]"#, "columns", "null"),
            (r#""diaObjectId": 1, "midpointMjdTai": true"#, "midpointMjdTai", "number"),
            (r#""diaObjectId": 1, "midpointMjdTai": null"#, "midpointMjdTai", "null"),
            (r#""diaObjectId": 1, "midpointMjdTai": [61105]"#, "midpointMjdTai", "an array"),
            (r#""diaObjectId": 1, "midpointMjdTai": "noon""#, "midpointMjdTai", "noon"),
            (r#""diaObjectId": 1, "midpointMjdTai": """#, "midpointMjdTai", "number"),
            (r#""diaObjectId": 1, "as_of": false"#, "as_of", "RFC 3339"),
        ] {
            let error = parsed(Table::Sources, &format!("{{{member}}}"));
            let error = error.expect_err(member);
            assert_eq!(error.kind(), crate::error::Kind::Argument, "{member}");
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(right), "{member}: {text}");
        }
    }
}
