//! Reads the region of a search into a [`Region`]: a map or a MOC in FITS, as the body, in base64, or as the text that Python makes of
//! bytes; a MOC in JSON; or a polygon.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::argument::{Argument, Takes};
use super::arguments::{Arguments, Body};
use super::json::{Scalar, Value};
use super::nested;
use super::position::place;
use super::query::wrong;
use crate::error::{Error, Result};
use crate::limits::HeldMemory;
use crate::region::{MOST_CORNERS, MocCells, Region, SkyMap};

/// A file in base64.
pub(super) static SKYMAP: Argument = Argument {
    name: "skymap",
    about: "A map of the sky, or a MOC, in FITS, gzipped or not, as base64. The body of a POST may be the file itself.",
    takes: Takes::Text,
    is_required: false,
    example: "H4sIAAAAAAACA+3XTWuDMBzHcQ976J7fQm45CdFDGYOyqUm7MJs4k4K+/zewl7CoJ0MdqGG9/D54+SN8G4mBauSxKgUhO3KGJbPl0laymei9zu+prJGGTPTY/J5QnAAAAAAALNVYoYzUakdoLpXN8lLQNb1//f+cLuwl53vJdmEvnegtWF9V6JOy4b4XDn/1kvk9u5ei5CbYfljbVqLfD3pS8puufZ/tXtfHofdFA5yPfn39/tKq1jnvTott6br1DT0eYn3usHUr7HqfIivduK6qay5qqQ6up0JsSKFd0bTG9YoQz8szK2Kdd72UpduYJXHCbJK+Meau+b+A72kAAFgiGlxFY9fefOPNt968ef8ZzXfe/XtvfvDmx4/NaH7y7j9780sEAAAAAHABvyH9gxHAIQAA",
};

/// A file as Python's `str` of its bytes.
pub(super) static BAYESTAR: Argument = Argument {
    name: "bayestar",
    about: "The same as the text that Python makes of bytes, `b'\\x1f\\x8b...'`, as Fink's portal sends it.",
    takes: Takes::Text,
    is_required: false,
    example: r#"b'\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xd7Mk\x830\x1c\xc7q\x0f{\xe8\x9e\xdfBn9\t\xd1C\x19\x83\xb2\xa9I\xbb0\x9b8\x93\x82\xbe\xff7\xb0\x97\xb0\xa8\'C\x1d\xa8a\xbd\xfc>x\xf9#|\x1b\x89\x81j\xe4\xb1*\x05!;r\x86%\xb3\xe5\xd2V\xb2\x99\xe8\xbd\xce\xef\xa9\xac\x91\x86L\xf4\xd8\xfc\x9eP\x9c\x00\x00\x00\x00\x00,\xd5X\xa1\x8c\xd4jGh.\x95\xcd\xf2R\xd05\xbd\x7f\xfd\xff\x9c.\xec%\xe7{\xc9va/\x9d\xe8-X_U\xe8\x93\xb2\xe1\xbe\x17\x0e\x7f\xf5\x92\xf9=\xbb\x97\xa2\xe4&\xd8~X\xdbV\xa2\xdf\x0fzR\xf2\x9b\xae}\x9f\xed^\xd7\xc7\xa1\xf7E\x03\x9c\x8f~}\xfd\xfe\xd2\xaa\xd69\xefN\x8bm\xe9\xba\xf5\r=\x1eb}\xee\xb0u+\xecz\x9f"+\xdd\xb8\xae\xaak.j\xa9\x0e\xae\xa7BlH\xa1]\xd1\xb4\xc6\xf5\x8a\x10\xcf\xcb3+b\x9dw\xbd\x94\xa5\xdb\x98%q\xc2l\x92\xbe1\xe6\xae\xf9\xbf\x80\xefi\x00\x00X"\x1a\\Ec\xd7\xde|\xe3\xcd\xb7\xde\xbcy\xff\x19\xcdw\xde\xfd{o~\xf0\xe6\xc7\x8f\xcdh~\xf2\xee?{\xf3K\x04\x00\x00\x00\x00p\x01\xbf!\xfd\x83\x11\xc0!\x00\x00'"#,
};

/// A MOC.
pub(super) static MOC: Argument = Argument {
    name: "moc",
    about: "A MOC as JSON: an object of the numbers of cells (nested) by their order.",
    takes: Takes::Cells,
    is_required: false,
    example: "{\"5\":[9000,9001],\"6\":[36008]}",
};

/// A polygon.
pub(super) static POLYGON: Argument = Argument {
    name: "polygon",
    about: "A polygon by its corners, 3 to 1,000 within half of the sky: `[[ra, dec], ...]`, in a query string `ra dec, ra dec, ra dec`. Its \
            sides are arcs of great circles.",
    takes: Takes::Places,
    is_required: false,
    example: "53 -28,54 -28,53.5 -27.5",
};

/// Takes the region out of a request. `level`: the credible level, which a map needs.
pub(super) fn region(
    arguments: &mut Arguments<'_>,
    level: Option<f64>,
    memory: HeldMemory,
) -> Result<SkyMap> {
    let body = arguments.body();
    let file = |name, bytes: &[u8], memory| {
        SkyMap::from_fits(bytes, level, memory).map_err(|error| error.context(name))
    };
    let given = [&SKYMAP, &BAYESTAR, &MOC, &POLYGON];
    let given = given.map(|argument| (argument.name, arguments.remove(argument.name)));
    let mut given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
    match (body, given.next(), given.next()) {
        (Body::Fits(bytes), None, _) => file("the body", bytes, memory),
        (Body::Fits(_), Some((name, _)), _) => Err(two("the body", name)),
        (_, Some((name, _)), Some((other, _))) => Err(two(name, other)),
        (_, None, _) => Err(Error::argument(
            "a region is missing: send a map of the sky in FITS as the body, or give one of skymap, bayestar, moc, polygon",
        )),
        (_, Some((name, value)), None) if name == SKYMAP.name => {
            file(name, &base64(text(&SKYMAP, value)?)?, memory)
        }
        (_, Some((name, value)), None) if name == BAYESTAR.name => {
            file(name, &python_bytes(&text(&BAYESTAR, value)?)?, memory)
        }
        (_, Some(_), None) if level.is_some() => Err(Error::argument(
            "credible_level is given, but a MOC or a polygon has no probabilities: leave it out",
        )),
        (_, Some((name, value)), None) => {
            let region = match name == MOC.name {
                true => moc(body, value, memory),
                false => polygon(body, value, memory),
            };
            let region = region.map_err(|error| error.context(name))?;
            Ok(SkyMap { region, observed: None })
        }
    }
}

fn two(one: &str, other: &str) -> Error {
    Error::argument(format!("there are two regions, {one} and {other}: give one"))
}

fn text<'a>(argument: &Argument, value: Value<'a>) -> Result<Cow<'a, str>> {
    match value {
        Value::One(Scalar::Text(text)) => Ok(text),
        other => Err(wrong(argument.name, "a text", other)),
    }
}

fn base64(text: Cow<'_, str>) -> Result<Vec<u8>> {
    // In a query string, a plus stands for a space.
    let mut text = text.replace(' ', "+");
    text.retain(|char| !char.is_ascii_whitespace());
    STANDARD.decode(text).map_err(|error| {
        Error::argument(format!("{} must be base64 of a FITS file: {error}", SKYMAP.name))
    })
}

/// Reads a literal of Python's bytes. Nothing of it is evaluated.
fn python_bytes(text: &str) -> Result<Vec<u8>> {
    let wrong = || {
        let text = "bayestar must be the text that Python makes of bytes, such as b'\\x1f\\x8b...'";
        Error::argument(text)
    };
    let quoted = text.trim().strip_prefix('b').ok_or_else(wrong)?;
    let quote =
        quoted.chars().next().filter(|quote| ['\'', '"'].contains(quote)).ok_or_else(wrong)?;
    let inner =
        quoted.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).ok_or_else(wrong)?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next() {
                Some(b'x') => {
                    let mut digit = || char::from(rest.next()?).to_digit(16);
                    let value = digit().zip(digit()).map(|(high, low)| 16 * high + low);
                    value.and_then(|value| u8::try_from(value).ok()).ok_or_else(wrong)?
                }
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(escaped @ (b'\\' | b'\'' | b'"')) => escaped,
                _ => return Err(wrong()),
            },
            byte if byte.is_ascii() && char::from(byte) != quote => byte,
            _ => return Err(wrong()),
        });
    }
    Ok(bytes)
}

fn moc(body: Body<'_>, value: Value<'_>, memory: HeldMemory) -> Result<Region> {
    let mut cells = MocCells::new(memory);
    let take = |order: &str, number: &str| {
        let wrong =
            || Error::argument(format!("`{order:.20}`, `{number:.20}`: no order and cell of it"));
        let order = order.parse().map_err(|_| wrong())?;
        cells.push(order, number.parse().map_err(|_| wrong())?)
    };
    match (value, body) {
        (Value::One(Scalar::Text(text)), _) => {
            nested::lists(format!("{{\"moc\":{text}}}").as_bytes(), MOC.name, take)?;
        }
        (_, Body::Json(bytes)) => nested::lists(bytes, MOC.name, take)?,
        (other, _) => return Err(wrong(MOC.name, "an object", other)),
    }
    cells.into_region()
}

fn polygon(body: Body<'_>, value: Value<'_>, memory: HeldMemory) -> Result<Region> {
    let mut corners = Vec::new();
    let mut add = |[ra, dec]: [Value<'_>; 2]| {
        let number = corners.len();
        if number == MOST_CORNERS {
            return Err(Error::argument(format!("there are more than {MOST_CORNERS} corners")));
        }
        let read = place(ra, dec).map_err(|error| error.context(format!("corner {number}")));
        corners.push(read?);
        Ok(())
    };
    match (value, body) {
        (Value::One(Scalar::Text(text)), _) => {
            for pair in text.split(',') {
                let (ra, dec) = pair.trim().split_once(char::is_whitespace).unwrap_or_default();
                add([ra, dec].map(|text| Value::One(Scalar::Text(text.into()))))?;
            }
        }
        (_, Body::Json(bytes)) => nested::pairs(bytes, POLYGON.name, |name, pair| match name {
            None => add(pair.map(Value::One)),
            Some(_) => Err(Error::argument("the corners are a list, [[ra, dec], ...]")),
        })?,
        (other, _) => return Err(wrong(POLYGON.name, "[[ra, dec], ...]", other)),
    }
    Region::from_corners(&corners, memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_python_writes_them() {
        for (text, bytes) in [
            (r"b'\x1f\x8b\x08a\\\'\n\r\t'", &b"\x1f\x8b\x08a\\'\n\r\t"[..]),
            (r#"b"it's""#, b"it's"),
            (" b'' ", b""),
        ] {
            assert_eq!(python_bytes(text).unwrap(), bytes, "{text}");
        }
        for text in [
            "",
            "b",
            "b'",
            "'a'",
            "b'a\"",
            "b'a",
            r"b'\x1'",
            r"b'\q'",
            "b'é'",
            "b'a'b'",
            "b'a' + b'b'",
            "__import__('os')",
            r"b'\'",
        ] {
            assert!(python_bytes(text).is_err(), "{text}");
        }
    }
}
