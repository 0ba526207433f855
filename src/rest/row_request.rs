//! A request for rows, understood. In: the merged arguments. Out: a [`Query`] and how to answer
//! it, or the error that names the argument and what would be right.

use std::collections::HashSet;

use axum::extract::{OptionalFromRequest, Request};

use super::arguments::{Arguments, COLUMNS, ID, Sent};
use super::json::{Scalar, Value};
use super::rows::Endpoint;
use super::warning::Ignored;
use crate::encode::Format;
use crate::error::{Error, Result};
use crate::query::{Columns, Query, TimeMatch};
use crate::schema::{TIME, Table};
use crate::warehouse::AsOf;

/// The arguments of `/api/v1/{sources,objects,fp}`.
#[derive(Debug)]
pub struct RowRequest {
    /// Ids are sorted, each once.
    pub query: Query,
    pub format: Format,
    /// The plan is asked for, not the rows.
    pub explain: bool,
    pub ignored_ids: Ignored,
}

impl OptionalFromRequest<Endpoint> for RowRequest {
    type Rejection = Error;

    async fn from_request(request: Request, endpoint: &Endpoint) -> Result<Option<Self>> {
        let sent = Sent::receive(request, endpoint.max_body_bytes()).await?;
        sent.parse(|arguments| Self::parse(endpoint.table, arguments))
    }
}

impl RowRequest {
    fn parse(table: Table, mut arguments: Arguments<'_>) -> Result<Self> {
        let mut take = |name: &str| arguments.remove(name);
        let (ids, ignored_ids) = ids(take(ID))?;
        let time = if table == Table::Sources { take(TIME) } else { None };
        let query = Query {
            table,
            ids,
            columns: columns(take(COLUMNS))?,
            time: time.map(|value| TimeMatch::parse(&decimal(value)?)).transpose()?,
            as_of: take("as_of").map(|value| AsOf::parse(&version_or_time(value)?)).transpose()?,
        };
        let format = take("output-format").map_or(Ok(Format::Json), format)?;
        let explain = take("explain").map_or(Ok(false), flag)?;
        Ok(Self { query, format, explain, ignored_ids })
    }
}

fn wrong(argument: &str, right: &str, value: impl std::fmt::Display) -> Error {
    Error::argument(format!("{argument} must be {right}, not {value}"))
}

/// The ids, and what stands in their place without being one.
fn ids(value: Option<Value<'_>>) -> Result<(Vec<i64>, Ignored)> {
    let value = value.ok_or_else(|| {
        Error::argument(
            "diaObjectId is missing: give one id, several separated by commas, or an array",
        )
    })?;
    let (mut ids, mut ignored) = (Vec::new(), Ignored::default());
    let scalars = value.into_scalars();
    if scalars.is_empty() {
        ignored.push("[]");
    }
    let mut add = |text: &str| match text.parse() {
        Ok(id) if text.bytes().all(|byte| byte.is_ascii_digit()) => ids.push(id),
        _ if text.is_empty() => ignored.push("\"\""),
        _ => ignored.push(text),
    };
    for scalar in scalars {
        match scalar {
            Scalar::Text(text) => text.split(',').map(str::trim).for_each(&mut add),
            Scalar::Number(text) if !text.contains(['.', 'e', 'E']) => add(&text),
            other => {
                return Err(wrong(ID, "digits in a text, an integer, or an array of these", other));
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok((ids, ignored))
}

/// The names, in the order asked, each once.
fn columns(value: Option<Value<'_>>) -> Result<Columns> {
    let scalars = match value {
        None | Some(Value::One(Scalar::Null)) => return Ok(Columns::All),
        Some(value) => value.into_scalars(),
    };
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for scalar in scalars {
        let Scalar::Text(text) = scalar else {
            let right = "names such as `r:psfFlux`, separated by commas, or an array of names";
            return Err(wrong(COLUMNS, right, scalar));
        };
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if seen.insert(name.to_string()) {
                names.push(name.to_string());
            }
        }
    }
    let all = names.is_empty() || names == ["*"];
    Ok(if all { Columns::All } else { Columns::Named(names) })
}

fn format(value: Value<'_>) -> Result<Format> {
    let known = match &value {
        Value::One(Scalar::Text(text)) => Format::from_name(text),
        _ => None,
    };
    known.ok_or_else(|| {
        let names = Format::ALL.map(Format::name).join(", ");
        wrong("output-format", &format!("one of {names}"), value)
    })
}

/// The decimals of a time as the client wrote them.
fn decimal(value: Value<'_>) -> Result<String> {
    match value {
        Value::One(Scalar::Text(text) | Scalar::Number(text)) => Ok(text.into_owned()),
        other => Err(wrong(TIME, "a number, or its decimals in a text", other)),
    }
}

fn version_or_time(value: Value<'_>) -> Result<String> {
    match value {
        Value::One(Scalar::Text(text) | Scalar::Number(text)) => Ok(text.trim().to_string()),
        other => Err(wrong("as_of", "a version or an RFC 3339 time", other)),
    }
}

fn flag(value: Value<'_>) -> Result<bool> {
    match &value {
        Value::One(Scalar::Bool(flag)) => Ok(*flag),
        Value::One(Scalar::Text(text)) if text == "true" => Ok(true),
        Value::One(Scalar::Text(text)) if text == "false" => Ok(false),
        _ => Err(wrong("explain", "true or false", value)),
    }
}
