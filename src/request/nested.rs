//! Reads the members of a JSON body that are arrays of arrays or objects of arrays, one element at a time.

use json_event_parser::{JsonEvent, SliceJsonParser};

use super::json::{Scalar, malformed, scalar};
use crate::error::{Error, Result};

/// Takes the pairs of a member of a JSON object: those of an array, or those of an object with their names.
pub(super) fn pairs<'a>(
    body: &'a [u8],
    name: &str,
    mut take: impl FnMut(Option<String>, [Scalar<'a>; 2]) -> Result<()>,
) -> Result<()> {
    let Some((first, mut events)) = member(body, name)? else { return Ok(()) };
    let (list, object) = (JsonEvent::StartArray, JsonEvent::StartObject);
    if first != list && first != object {
        return Err(no_pairs(name));
    }
    loop {
        let (called, begins) = match events.parse_next().map_err(malformed)? {
            JsonEvent::EndArray | JsonEvent::EndObject => return Ok(()),
            JsonEvent::ObjectKey(called) => {
                (Some(called.into_owned()), events.parse_next().map_err(malformed)?)
            }
            event => (None, event),
        };
        if begins != list {
            return Err(no_pairs(name));
        }
        take(called, pair(name, &mut events)?)?;
    }
}

/// Takes the numbers of a member of a JSON object, which is an object of arrays, `{"3": [1, 2]}`: each with the name of its array.
pub(super) fn lists(
    body: &[u8],
    name: &str,
    mut take: impl FnMut(&str, &str) -> Result<()>,
) -> Result<()> {
    let Some((first, mut events)) = member(body, name)? else { return Ok(()) };
    if first != JsonEvent::StartObject {
        return Err(no_lists(name));
    }
    while let JsonEvent::ObjectKey(list) = events.parse_next().map_err(malformed)? {
        if events.parse_next().map_err(malformed)? != JsonEvent::StartArray {
            return Err(no_lists(name));
        }
        loop {
            match events.parse_next().map_err(malformed)? {
                JsonEvent::EndArray => break,
                JsonEvent::Number(number) => take(&list, &number)?,
                _ => return Err(no_lists(name)),
            }
        }
    }
    Ok(())
}

/// How the value of a member begins, and what follows; `None` if there is no such member.
fn member<'a>(body: &'a [u8], name: &str) -> Result<Option<(JsonEvent<'a>, SliceJsonParser<'a>)>> {
    let mut events = SliceJsonParser::new(body);
    events.parse_next().map_err(malformed)?;
    while let JsonEvent::ObjectKey(key) = events.parse_next().map_err(malformed)? {
        let first = events.parse_next().map_err(malformed)?;
        if key == name {
            return Ok(Some((first, events)));
        }
        scalar(first, &mut events).map_err(malformed)?;
    }
    Ok(None)
}

fn no_lists(name: &str) -> Error {
    let right = "an object of arrays of whole numbers, such as {\"3\": [1, 2]}";
    Error::argument(format!("{name} must be {right}"))
}

/// The two values of an array that has just begun.
fn pair<'a>(name: &str, events: &mut SliceJsonParser<'a>) -> Result<[Scalar<'a>; 2]> {
    let mut next = || events.parse_next().map_err(malformed);
    let values = [next()?, next()?];
    if next()? != JsonEvent::EndArray {
        return Err(no_pairs(name));
    }
    let [one, other] = values.map(|event| match event {
        JsonEvent::Number(text) => Ok(Scalar::Number(text)),
        JsonEvent::String(text) => Ok(Scalar::Text(text)),
        JsonEvent::Null => Ok(Scalar::Null),
        _ => Err(no_pairs(name)),
    });
    Ok([one?, other?])
}

fn no_pairs(name: &str) -> Error {
    Error::argument(format!("{name} must be [[ra, dec], ...] or {{\"name\": [ra, dec], ...}}"))
}
