//! The [`Arguments`] of a request by name, from its [`Body`] and, where there is one, its query string. A request type takes those that it
//! knows.
//!
//! The query string wins over the body, argument by argument. Within one of them, `diaObjectId` and `columns`
//! given again add up; of any other argument the first counts, and the warning says so. What nobody asks for is read over: its name is
//! told, with the one that was perhaps meant, and its value never kept.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use super::argument::{COLUMNS, ID};
use super::ignored::Ignored;
use super::json::{self, Scalar, Value};
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::query::ObjectIds;
use crate::schema::Table;

/// The body of a request, by its media type. Either may be empty.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// An object whose members are arguments.
    Json(&'a [u8]),
    /// Pairs as in a query string, `a=1&b=2`: HTML forms send them.
    Form(&'a [u8]),
    /// A table whose first line names its columns: no arguments.
    Csv(&'a [u8]),
    /// A table as a VOTable: no arguments.
    Votable(&'a [u8]),
    /// A map of the sky in FITS: no arguments.
    Fits(&'a [u8]),
}

impl Default for Body<'_> {
    fn default() -> Self {
        Self::Json(b"")
    }
}

/// The arguments of a request.
#[derive(Debug, Default)]
pub struct Arguments<'a> {
    values: HashMap<&'static str, Value<'a>>,
    body: Body<'a>,
    /// Names that the request does not know, and those that were given again.
    unknown: Ignored,
}

/// Reads the arguments with these names from a body and a query string (`a=1&b=2`).
pub fn read<'a>(body: Body<'a>, query: &'a str, names: &[&'static str]) -> Result<Arguments<'a>> {
    let mut arguments = Arguments { body, ..Arguments::default() };
    let mut wanted = |name: &str| {
        let name = if name == "objectId" { ID.name } else { name };
        let known = names.iter().copied().find(|known| *known == name);
        if known.is_none() {
            arguments.unknown.push_near(name, || nearest(name, names.iter().copied()));
        }
        known
    };
    let members = match body {
        Body::Json(b"") | Body::Csv(_) | Body::Votable(_) | Body::Fits(_) => Vec::new(),
        Body::Json(json) => json::members(json, &mut wanted)?,
        Body::Form(form) => pairs(form, &mut wanted),
    };
    let pairs = pairs(query.as_bytes(), &mut wanted);
    let mut again = BTreeSet::new();
    arguments.values = merged(members, &mut again);
    arguments.values.extend(merged(pairs, &mut again));
    for name in again {
        arguments.unknown.push(&format!("{name} given again (the first counts)"));
    }
    Ok(arguments)
}

/// The pairs of a query string whose names are wanted.
fn pairs<'a>(
    text: &'a [u8],
    mut wanted: impl FnMut(&str) -> Option<&'static str>,
) -> Vec<(&'static str, Value<'a>)> {
    form_urlencoded::parse(text)
        .filter_map(|(name, value)| Some((wanted(&name)?, Value::One(Scalar::Text(value)))))
        .collect()
}

impl<'a> Arguments<'a> {
    /// Whether an argument is given.
    pub fn contains_key(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The body of the request.
    pub fn body(&self) -> Body<'a> {
        self.body
    }

    /// Takes an argument out.
    pub fn remove(&mut self, name: &str) -> Option<Value<'a>> {
        self.values.remove(name)
    }

    /// Whether no argument was given, known or unknown.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.unknown.is_empty()
    }

    /// The names of those that are left, which the request has no use for. Where all rows of a table are asked for there may be none: a
    /// misspelt argument would then do so.
    pub fn ignored(self, table: Table, ids: &ObjectIds) -> Result<Ignored> {
        let (left, mut ignored) = self.into_names();
        let name = left.first().copied().or(ignored.first());
        if let (ObjectIds::Within(_), Some(name)) = (ids, name) {
            let table = table.name();
            return Err(Error::argument(format!(
                "there is no argument {name} for reading the whole table {table}; give diaObjectId for the rows of some objects"
            )));
        }
        left.into_iter().for_each(|name| ignored.push(name));
        Ok(ignored)
    }

    /// The known arguments that were not taken out, sorted, and the unknown ones.
    pub fn into_names(self) -> (Vec<&'static str>, Ignored) {
        let mut names: Vec<_> = self.values.into_keys().collect();
        names.sort_unstable();
        (names, self.unknown)
    }
}

/// One value for each name. The names of other arguments than ids and columns that are given more than once go to `again`.
fn merged<'a>(
    given: Vec<(&'static str, Value<'a>)>,
    again: &mut BTreeSet<&'static str>,
) -> HashMap<&'static str, Value<'a>> {
    let mut values: HashMap<_, Value<'a>> = HashMap::new();
    for (name, value) in given {
        let adds_up = name == ID.name || name == COLUMNS.name;
        match values.entry(name) {
            Entry::Vacant(entry) => _ = entry.insert(value),
            Entry::Occupied(mut entry) if adds_up => entry.get_mut().add(value),
            Entry::Occupied(_) => _ = again.insert(name),
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(query: &str, body: &str) -> Vec<(String, String)> {
        merged_with(query, Body::Json(body.as_bytes()))
    }

    fn merged_with(query: &str, body: Body<'_>) -> Vec<(String, String)> {
        let shown = |value: Value| {
            let texts = value.into_scalars().into_iter().map(|scalar| scalar.to_string());
            texts.collect::<Vec<_>>().join(" ")
        };
        let names = [ID.name, COLUMNS.name, "output-format", "a", "b"];
        let arguments = read(body, query, &names).unwrap().values.into_iter();
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
        let form = Body::Form(b"diaObjectId=1,2&objectId=%203&a=x+y");
        let expected = [("a", "`x y`"), (ID.name, "`1,2` ` 3`")];
        let expected = expected.map(|(name, value)| (name.to_string(), value.to_string()));
        assert_eq!(merged_with("", form), expected);
        assert_eq!(merged_with("a=1&diaObjectId=4", form).len(), 2);
        assert_eq!(merged_with("diaObjectId=4", form)[1].1, "`4`");
        assert_eq!(merged("a=1&", r#"{"b": true}"#).len(), 2);
        assert_eq!(merged("", ""), []);
        assert_eq!(merged("", "{}"), []);
    }

    #[test]
    fn unknown_names_are_told_and_many_repeats_take_no_longer() {
        let arguments = read(Body::Json(br#"{"x": [1], "a": 1}"#), "y=2&b=3", &["a", "b"]).unwrap();
        let (left, unknown) = arguments.into_names();
        assert_eq!((left, unknown), (vec!["a", "b"], ["x", "y"].into_iter().collect()));
        assert!(!read(Body::Json(b""), "x=1", &[]).unwrap().is_empty());
        for (body, query) in [("", "a=1&a=2&a=3&b=4"), (r#"{"a": 1, "b": 4, "a": 2}"#, "")] {
            let arguments = read(Body::Json(body.as_bytes()), query, &["a", "b"]).unwrap();
            assert_eq!(arguments.values["a"].clone().into_scalars().len(), 1);
            let (_, told) = arguments.into_names();
            assert_eq!(
                told.sentence("ignored").unwrap(),
                "ignored: a given again (the first counts)"
            );
        }

        let repeats = 200_000; // what is quadratic in them takes minutes
        let body = format!("{{{}\"a\": 1}}", "\"objectId\": 7,".repeat(repeats));
        let mut arguments = read(Body::Json(body.as_bytes()), "", &[ID.name, "a"]).unwrap();
        assert_eq!(arguments.remove(ID.name).unwrap().into_scalars().len(), repeats);
    }
}
