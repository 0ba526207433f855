//! The arguments of a request by name, whatever door they came through. In: the members of a JSON object and, where
//! there is one, a query string. Out: [`Arguments`], from which a request type takes what it knows by name.
//!
//! The query string wins over the JSON, argument by argument. Within one of them, `diaObjectId` and `columns`
//! given again add up; of any other argument the first counts. What nobody asks for is ignored.

use std::borrow::Cow;
use std::collections::HashMap;

use super::argument::{COLUMNS, ID};
use super::json::{self, Scalar, Value};
use crate::error::Result;

/// Values by argument name.
pub type Arguments<'a> = HashMap<Cow<'a, str>, Value<'a>>;

/// The arguments of a JSON object and of a query string (`a=1&b=2`); both may be empty.
pub fn read<'a>(json: &'a [u8], query: &'a str) -> Result<Arguments<'a>> {
    let members = if json.is_empty() { Vec::new() } else { json::members(json)? };
    let pairs = form_urlencoded::parse(query.as_bytes())
        .map(|(name, text)| (name, Value::One(Scalar::Text(text))));
    let mut arguments = merge(members.into_iter());
    arguments.extend(merge(pairs));
    Ok(arguments)
}

fn merge<'a>(given: impl Iterator<Item = (Cow<'a, str>, Value<'a>)>) -> Arguments<'a> {
    let mut arguments = Arguments::new();
    for (name, value) in given {
        let name = if name == "objectId" { Cow::Borrowed(ID.name) } else { name };
        let adds_up = name == ID.name || name == COLUMNS.name;
        match arguments.remove(&name) {
            None => arguments.insert(name, value),
            Some(before) if adds_up => {
                let scalars = before.into_scalars().into_iter().chain(value.into_scalars());
                arguments.insert(name, Value::List(scalars.collect()))
            }
            Some(first) => arguments.insert(name, first),
        };
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(query: &str, body: &str) -> Vec<(String, String)> {
        let shown = |value: Value| {
            let texts = value.into_scalars().into_iter().map(|scalar| scalar.to_string());
            texts.collect::<Vec<_>>().join(" ")
        };
        let arguments = read(body.as_bytes(), query).unwrap().into_iter();
        let mut all: Vec<_> =
            arguments.map(|(name, value)| (name.into_owned(), shown(value))).collect();
        all.sort();
        all
    }

    fn one(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_string(), value.to_string())]
    }

    #[test]
    fn the_query_string_wins_and_repeated_lists_add_up() {
        assert_eq!(merged("diaObjectId=1", r#"{"diaObjectId": 2}"#), one(ID.name, "`1`"));
        assert_eq!(merged("objectId=1", r#"{"diaObjectId": 2}"#), one(ID.name, "`1`"));
        assert_eq!(
            merged("diaObjectId=1&objectId=2&diaObjectId=3", ""),
            one(ID.name, "`1` `2` `3`")
        );
        assert_eq!(
            merged("columns=r%3Ara&columns=+r:dec", ""),
            one(COLUMNS.name, "`r:ra` ` r:dec`")
        );
        assert_eq!(
            merged("output-format=csv&output-format=json", ""),
            one("output-format", "`csv`")
        );
        assert_eq!(
            merged("", r#"{"objectId": 2, "diaObjectId": ["3"]}"#),
            one(ID.name, "the number 2 `3`")
        );
        assert_eq!(merged("a=1&", r#"{"b": true}"#).len(), 2);
        assert_eq!(merged("", ""), []);
        assert_eq!(merged("", "{}"), []);
    }
}
