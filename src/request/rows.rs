//! Reads the arguments of a REST request for rows into a [`Query`] and how to answer it.

use super::argument::{AS_OF, Argument, COLUMNS, ID, MIDPOINT_MJD_TAI, Takes, WITH_UPPER_LIMITS};
use super::arguments::Arguments;
use super::ignored::{Ignored, Warning};
use super::json::{Scalar, Value};
use super::query::{Asked, query, wrong};
use crate::encode::Format;
use crate::error::{Error, Result};
use crate::query::{Columns, Order, Query, Rows, UnknownColumn};
use crate::schema::{TAG, Table};

pub(super) static OUTPUT_FORMAT: Argument = Argument {
    name: "output-format",
    about: "The format of the answer; `arrow` is an IPC stream.",
    takes: Takes::Word(|| Format::ALL.map(Format::name).to_vec()),
    is_required: false,
    example: "json",
};

pub(super) static IDS_AS: Argument = Argument {
    name: "ids",
    about: "How JSON has ids, which have 64 bits: as numbers, or as texts for readers such as JavaScript and jq, whose numbers have 53.",
    takes: Takes::Word(|| IDS.map(|(word, _)| word).to_vec()),
    is_required: false,
    example: "number",
};

/// The words for ids, and whether they mean texts.
const IDS: [(&str, bool); 2] = [("number", false), ("text", true)];

static EXPLAIN: Argument = Argument {
    name: "explain",
    about: "Instead of rows: the SQL, its parameters, the plan and the row groups it reads, as text.",
    takes: Takes::Flag,
    is_required: false,
    example: "false",
};

/// The arguments of `/api/v1/{sources,objects,fp}`.
#[derive(Debug)]
pub struct RowRequest {
    /// The rows to answer with. Its ids are sorted and unique.
    pub query: Query,
    /// The format of the answer.
    pub format: Format,
    /// Whether ids are texts in JSON.
    pub ids_as_text: bool,
    /// Whether the plan is asked for, not the rows.
    pub explain: bool,
    /// Texts among the ids that are no ids.
    pub ignored_ids: Ignored,
    /// Arguments that the request does not have.
    pub ignored_arguments: Ignored,
}

impl RowRequest {
    /// The arguments of `/api/v1/objects` and `/api/v1/fp`.
    pub const ARGUMENTS: &[&Argument] = &[&ID, &COLUMNS, &OUTPUT_FORMAT, &IDS_AS, &AS_OF, &EXPLAIN];
    /// The arguments of `/api/v1/sources`.
    pub const ARGUMENTS_OF_SOURCES: &[&Argument] = &[
        &ID,
        &COLUMNS,
        &OUTPUT_FORMAT,
        &IDS_AS,
        &MIDPOINT_MJD_TAI,
        &WITH_UPPER_LIMITS,
        &AS_OF,
        &EXPLAIN,
    ];

    /// Reads the merged arguments of a request for a table's rows.
    pub fn parse(table: Table, mut arguments: Arguments<'_>) -> Result<Self> {
        if !arguments.contains_key(ID.name) {
            return Err(missing_id(
                "give one id, several separated by commas, or an array",
                arguments,
            ));
        }
        let Asked { mut query, fp_version, ignored_ids } =
            query(table, Order::NewestFirst, &mut arguments)?;
        let format = arguments.remove(OUTPUT_FORMAT.name).map_or(Ok(Format::Json), format)?;
        let ids_as_text = ids_as_text(&mut arguments)?;
        let explain = flag(&EXPLAIN, &mut arguments)?;
        let with_upper_limits =
            table == Table::Sources && flag(&WITH_UPPER_LIMITS, &mut arguments)?;
        let (_, mut ignored_arguments) = arguments.into_names();
        if with_upper_limits {
            // Without the column of tags, upper limits would be taken for detections.
            match shows_tags(&query.columns) {
                true => {
                    let time = query.rows.time().cloned();
                    query.rows = Rows::SourcesWithUpperLimits { time, fp_version };
                }
                false => ignored_arguments.push("withupperlim, since columns lacks v:tag"),
            }
        }
        Ok(Self { query, format, ids_as_text, explain, ignored_ids, ignored_arguments })
    }

    /// The warning to send with the rows.
    pub fn warning(&self, unknown_columns: &[UnknownColumn]) -> Option<String> {
        let (ids, arguments) = (self.ignored_ids.clone(), self.ignored_arguments.clone());
        let as_of = self.query.as_of.clone();
        let columns = unknown_columns.into();
        Warning { ids, columns, arguments, as_of, cut: None }.text()
    }
}

/// The error of a request without an object. It suggests the argument that was perhaps meant.
pub fn missing_id(right: &str, arguments: Arguments<'_>) -> Error {
    let unknown = arguments.into_names().1.sentence("; unknown arguments").unwrap_or_default();
    Error::argument(format!("diaObjectId is missing: {right}{unknown}"))
}

fn shows_tags(columns: &Columns) -> bool {
    match columns {
        Columns::All => true,
        Columns::Named(names) => names.iter().any(|name| name == TAG),
    }
}

/// Whether ids are texts.
pub(super) fn ids_as_text(arguments: &mut Arguments<'_>) -> Result<bool> {
    let Some(value) = arguments.remove(IDS_AS.name) else { return Ok(false) };
    let known = match &value {
        Value::One(Scalar::Text(text)) => IDS.iter().find(|(word, _)| word == text),
        _ => None,
    };
    known.map(|(_, is_text)| *is_text).ok_or_else(|| {
        let words = IDS.map(|(word, _)| word).join(", ");
        wrong(IDS_AS.name, &format!("one of {words}"), value)
    })
}

pub(super) fn format(value: Value<'_>) -> Result<Format> {
    let known = match &value {
        Value::One(Scalar::Text(text)) => Format::from_name(text),
        _ => None,
    };
    known.ok_or_else(|| {
        let names = Format::ALL.map(Format::name).join(", ");
        wrong(OUTPUT_FORMAT.name, &format!("one of {names}"), value)
    })
}

/// The value of a flag, false if it is not given. Python's spelling (`True`) is accepted, too.
pub(crate) fn flag(argument: &Argument, arguments: &mut Arguments<'_>) -> Result<bool> {
    let Some(value) = arguments.remove(argument.name) else { return Ok(false) };
    match &value {
        Value::One(Scalar::Bool(flag)) => Ok(*flag),
        Value::One(Scalar::Text(text)) if text == "true" || text == "True" => Ok(true),
        Value::One(Scalar::Text(text)) if text == "false" || text == "False" => Ok(false),
        _ => Err(wrong(argument.name, "true or false", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::arguments::{self, Body};

    fn parsed(table: Table, body: &str) -> Result<RowRequest> {
        let known = match table {
            Table::Sources => RowRequest::ARGUMENTS_OF_SOURCES,
            _ => RowRequest::ARGUMENTS,
        };
        let names: Vec<_> = known.iter().map(|argument| argument.name).collect();
        RowRequest::parse(table, arguments::read(Body::Json(body.as_bytes()), "", &names)?)
    }

    #[test]
    fn flags_and_formats() {
        let request = parsed(Table::Fp, r#"{"diaObjectId": 1}"#).unwrap();
        assert_eq!((request.format, request.explain), (Format::Json, false));
        for (explain, expected) in [("true", true), ("\"true\"", true), ("false", false)] {
            let body = format!(
                r#"{{"diaObjectId": 1, "output-format": "csv", "explain": {explain}, "x": {{}}}}"#
            );
            let request = parsed(Table::Fp, &body).unwrap();
            assert_eq!((request.format, request.explain), (Format::Csv, expected));
        }
    }

    #[test]
    fn a_wrong_argument_is_refused_by_name() {
        for (member, name, right) in [
            (r#""columns": "r:ra""#, "diaObjectId", "missing"),
            (r#""diaobjectid": 1"#, "diaObjectId is missing", "diaobjectid (perhaps diaObjectId)"),
            (
                r#""diaObjectId": 1, "output-format": "xml""#,
                "output-format",
                "json, csv, votable, parquet, arrow",
            ),
            (r#""diaObjectId": 1, "output-format": "JSON""#, "output-format", "`JSON`"),
            (r#""diaObjectId": 1, "output-format": null"#, "output-format", "null"),
            (r#""diaObjectId": 1, "output-format": 1"#, "output-format", "the number 1"),
            (r#""diaObjectId": 1, "output-format": ["csv"]"#, "output-format", "an array"),
            (r#""diaObjectId": 1, "explain": 1"#, "explain", "true or false"),
            (r#""diaObjectId": 1, "explain": "yes""#, "explain", "`yes`"),
        ] {
            let error = parsed(Table::Sources, &format!("{{{member}}}"));
            let error = error.expect_err(member);
            assert_eq!(error.kind(), crate::error::Kind::Argument, "{member}");
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(right), "{member}: {text}");
        }
    }
}
