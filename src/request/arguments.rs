//! The [`Arguments`] of a request by name, from a JSON object and, where there is one, a query string. A request type takes those that it
//! knows.
//!
//! The query string wins over the JSON, argument by argument. Within one of them, `diaObjectId` and `columns`
//! given again add up; of any other argument the first counts. What nobody asks for is read over: its name is told, with the one
//! that was perhaps meant, and its value never kept.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::argument::{COLUMNS, ID};
use super::ignored::Ignored;
use super::json::{self, Scalar, Value};
use crate::error::Result;
use crate::nearest::nearest;

/// The arguments of a request.
#[derive(Debug, Default)]
pub struct Arguments<'a> {
    values: HashMap<&'static str, Value<'a>>,
    /// Names that the request does not know.
    unknown: Ignored,
}

/// Reads the arguments with these names from a JSON object and a query string (`a=1&b=2`). Both may be empty.
pub fn read<'a>(json: &'a [u8], query: &'a str, names: &[&'static str]) -> Result<Arguments<'a>> {
    let mut arguments = Arguments::default();
    let mut wanted = |name: &str| {
        let name = if name == "objectId" { ID.name } else { name };
        let known = names.iter().copied().find(|known| *known == name);
        if known.is_none() {
            arguments.unknown.push_near(name, || nearest(name, names.iter().copied()));
        }
        known
    };
    let members = if json.is_empty() { Vec::new() } else { json::members(json, &mut wanted)? };
    let pairs = form_urlencoded::parse(query.as_bytes())
        .filter_map(|(name, text)| Some((wanted(&name)?, Value::One(Scalar::Text(text)))));
    let pairs = merged(pairs);
    arguments.values = merged(members.into_iter());
    arguments.values.extend(pairs);
    Ok(arguments)
}

impl<'a> Arguments<'a> {
    /// Whether an argument is given.
    pub fn contains_key(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Takes an argument out.
    pub fn remove(&mut self, name: &str) -> Option<Value<'a>> {
        self.values.remove(name)
    }

    /// Whether no argument was given, known or unknown.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.unknown.is_empty()
    }

    /// The known arguments that were not taken out, sorted, and the unknown ones.
    pub fn into_names(self) -> (Vec<&'static str>, Ignored) {
        let mut names: Vec<_> = self.values.into_keys().collect();
        names.sort_unstable();
        (names, self.unknown)
    }
}

fn merged<'a>(
    given: impl Iterator<Item = (&'static str, Value<'a>)>,
) -> HashMap<&'static str, Value<'a>> {
    let mut values: HashMap<_, Value<'a>> = HashMap::new();
    for (name, value) in given {
        let adds_up = name == ID.name || name == COLUMNS.name;
        match values.entry(name) {
            Entry::Vacant(entry) => _ = entry.insert(value),
            Entry::Occupied(mut entry) if adds_up => entry.get_mut().add(value),
            Entry::Occupied(_) => {}
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(query: &str, body: &str) -> Vec<(String, String)> {
        let shown = |value: Value| {
            let texts = value.into_scalars().into_iter().map(|scalar| scalar.to_string());
            texts.collect::<Vec<_>>().join(" ")
        };
        let names = [ID.name, COLUMNS.name, "output-format", "a", "b"];
        let arguments = read(body.as_bytes(), query, &names).unwrap().values.into_iter();
        let mut all: Vec<_> =
            arguments.map(|(name, value)| (name.to_string(), shown(value))).collect();
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

    #[test]
    fn unknown_names_are_told_and_many_repeats_take_no_longer() {
        let arguments = read(br#"{"x": [1], "a": 1}"#, "y=2&b=3", &["a", "b"]).unwrap();
        let (left, unknown) = arguments.into_names();
        assert_eq!((left, unknown), (vec!["a", "b"], ["x", "y"].into_iter().collect()));
        assert!(!read(b"", "x=1", &[]).unwrap().is_empty());

        let repeats = 200_000; // what is quadratic in them takes minutes
        let body = format!("{{{}\"a\": 1}}", "\"objectId\": 7,".repeat(repeats));
        let mut arguments = read(body.as_bytes(), "", &[ID.name, "a"]).unwrap();
        assert_eq!(arguments.remove(ID.name).unwrap().into_scalars().len(), repeats);
    }
}
