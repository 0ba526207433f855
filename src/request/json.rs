//! Reads the JSON body of a request: the members of one object that have the wanted names, each with its value as the client wrote it. An
//! id of any size keeps its digits, a time its decimals.
//!
//! Every byte is looked at once, nothing is kept of what is not wanted, and depth costs nothing but a byte a level.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use json_event_parser::{JsonEvent, JsonSyntaxError, SliceJsonParser};

use crate::error::{Error, Result};

/// A JSON value that is not an array or an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as its text.
    Number(Cow<'a, str>),
    /// A string, without its escapes.
    Text(Cow<'a, str>),
    /// An object, or an array within an array. No argument takes one, so its contents are not kept.
    Nested,
}

/// The value of an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A single value.
    One(Scalar<'a>),
    /// An array of single values.
    List(Vec<Scalar<'a>>),
}

impl<'a> Value<'a> {
    /// The values followed by others.
    pub fn add(&mut self, more: Self) {
        let mut scalars = std::mem::replace(self, Value::List(Vec::new())).into_scalars();
        scalars.append(&mut more.into_scalars());
        *self = Value::List(scalars);
    }

    /// The number that a single value is, or that its text stands for.
    pub fn number<T: FromStr>(&self) -> Option<T> {
        match self {
            Value::One(Scalar::Text(text) | Scalar::Number(text)) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The value, or the elements of the list.
    pub fn into_scalars(self) -> Vec<Scalar<'a>> {
        match self {
            Value::One(scalar) => vec![scalar],
            Value::List(scalars) => scalars,
        }
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Null => f.write_str("null"),
            Scalar::Bool(value) => write!(f, "{value}"),
            Scalar::Number(text) => write!(f, "the number {text:.40}"),
            Scalar::Text(text) => write!(f, "`{text:.40}`"),
            Scalar::Nested => f.write_str("an object or a nested array"),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::One(scalar) => scalar.fmt(f),
            Value::List(_) => f.write_str("an array"),
        }
    }
}

/// Reads a JSON object, and keeps the members that `wanted` names. Anything but an object is an `Argument` error.
pub fn members<'a>(
    body: &'a [u8],
    mut wanted: impl FnMut(&str) -> Option<&'static str>,
) -> Result<Vec<(&'static str, Value<'a>)>> {
    let mut events = SliceJsonParser::new(body);
    if events.parse_next().map_err(malformed)? != JsonEvent::StartObject {
        return Err(Error::argument(
            "the body must be a JSON object, such as {\"diaObjectId\": \"170028485706776685\"}",
        ));
    }
    let mut members = Vec::new();
    while let JsonEvent::ObjectKey(name) = events.parse_next().map_err(malformed)? {
        match wanted(&name) {
            Some(name) => members.push((name, value(&mut events).map_err(malformed)?)),
            None => {
                let first = events.parse_next().map_err(malformed)?;
                scalar(first, &mut events).map_err(malformed)?;
            }
        }
    }
    match events.parse_next().map_err(malformed)? {
        JsonEvent::Eof => Ok(members),
        _ => Err(Error::argument("the body must be one JSON object, with nothing after it")),
    }
}

pub(super) fn malformed(error: JsonSyntaxError) -> Error {
    Error::argument(format!("the body is not valid JSON: {error}"))
}

fn value<'a>(events: &mut SliceJsonParser<'a>) -> Result<Value<'a>, JsonSyntaxError> {
    let first = events.parse_next()?;
    if first != JsonEvent::StartArray {
        return Ok(Value::One(scalar(first, events)?));
    }
    let mut elements = Vec::new();
    loop {
        match events.parse_next()? {
            JsonEvent::EndArray => return Ok(Value::List(elements)),
            event => elements.push(scalar(event, events)?),
        }
    }
}

pub(super) fn scalar<'a>(
    event: JsonEvent<'a>,
    events: &mut SliceJsonParser<'a>,
) -> Result<Scalar<'a>, JsonSyntaxError> {
    Ok(match event {
        JsonEvent::Null => Scalar::Null,
        JsonEvent::Boolean(value) => Scalar::Bool(value),
        JsonEvent::Number(text) => Scalar::Number(text),
        JsonEvent::String(text) => Scalar::Text(text),
        _ => {
            skip(events)?;
            Scalar::Nested
        }
    })
}

/// Skips to the end of the object or array that has just begun.
fn skip(events: &mut SliceJsonParser<'_>) -> Result<(), JsonSyntaxError> {
    let mut depth = 1;
    while depth > 0 {
        match events.parse_next()? {
            JsonEvent::StartObject | JsonEvent::StartArray => depth += 1,
            JsonEvent::EndObject | JsonEvent::EndArray => depth -= 1,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text() {
        let body = br#" {"a": 61105.095800700, "b": [1e3, 99999999999999999999, "\u0061,b", null],
            "c": {"x": [[{}]]}, "d": [[1, [2]], {"y": 1}, true]} "#;
        let names = ["a", "b", "c", "d"];
        let members = members(body, |name| names.into_iter().find(|one| *one == name)).unwrap();
        let number = |text| Scalar::Number(Cow::Borrowed(text));
        let expected = [
            ("a", Value::One(number("61105.095800700"))),
            (
                "b",
                Value::List(vec![
                    number("1e3"),
                    number("99999999999999999999"),
                    Scalar::Text("a,b".into()),
                    Scalar::Null,
                ]),
            ),
            ("c", Value::One(Scalar::Nested)),
            ("d", Value::List(vec![Scalar::Nested, Scalar::Nested, Scalar::Bool(true)])),
        ];
        assert_eq!(members, expected);
    }

    #[test]
    fn what_is_not_wanted_is_read_over_and_must_be_json_all_the_same() {
        let wanted = |name: &str| (name == "a").then_some("a");
        let body = br#"{"x": [1, [2, {"a": 3}]], "a": 4, "y": {"a": [5]}, "z": "a"}"#;
        let four = Value::One(Scalar::Number("4".into()));
        assert_eq!(members(body, wanted).unwrap(), [("a", four)]);
        for body in [r#"{"x": [1, }, "a": 1}"#, r#"{"x": [[[, "a": 1}"#, r#"{"x": "#] {
            assert!(members(body.as_bytes(), wanted).is_err(), "{body}");
        }
    }

    #[test]
    fn only_one_object_is_a_body() {
        let all = |_: &str| Some("a");
        for body in
            ["null", "[1]", "1", "\"a\"", "{\"a\": 1", "{\"a\": }", "{a: 1}", "{} {}", "nonsense"]
        {
            let error = members(body.as_bytes(), all).unwrap_err();
            assert!(error.to_string().contains("the body"), "{body}: {error}");
            assert_eq!(error.kind(), crate::error::Kind::Argument);
        }
        assert!(members(b"{\"a\": \"\xff\"}", all).is_err());
        let deep = format!("{{\"a\": {}", "[".repeat(1 << 20));
        assert!(members(deep.as_bytes(), all).is_err());
    }
}
