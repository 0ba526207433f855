//! Reads the places of a crossmatch: a list of pairs or pairs by name in JSON, or the columns `ra` and `dec` of a table in CSV or VOTable.
//! Each coordinate is written as any [position](super::position) is.

use std::sync::Arc;

use super::argument::{Argument, Takes};
use super::arguments::{Arguments, Body};
use super::json::{Scalar, Value};
use super::nested;
use super::position::place;
use super::votable;
use crate::error::{Error, Result};

/// The places.
pub(super) static PLACES: Argument = Argument {
    name: "places",
    about: "The places (ICRS), at most 100,000: in JSON `[[ra, dec], ...]` or `{\"name\": [ra, dec], ...}`, in a query string `ra dec, ra dec`. \
            A body of CSV or VOTable has them as columns `ra` and `dec`, and all else in the query string.",
    takes: Takes::Places,
    is_required: true,
    example: "53.2501 -27.8610,62.5 -47.4",
};

/// The most places of a request.
pub(super) const MOST_PLACES: usize = 100_000;

/// The longest name of a place.
const MOST_NAME_BYTES: usize = 256;

/// Places that are being read.
#[derive(Default)]
pub(super) struct PlaceList {
    /// Right ascensions and declinations in degrees.
    pub places: Vec<[f64; 2]>,
    names: Vec<String>,
}

impl PlaceList {
    /// Takes the places out of a request.
    pub(super) fn take(arguments: &mut Arguments<'_>) -> Result<Self> {
        let (mut places, body) = (Self::default(), arguments.body());
        match (arguments.remove(PLACES.name), body) {
            (_, Body::Csv(bytes)) => places.read_csv(bytes)?,
            (_, Body::Votable(bytes)) => {
                votable::rows(bytes, columns, |pair| places.add(None, pair.map(text_value)))?
            }
            (Some(Value::One(Scalar::Text(text))), _) => {
                for pair in text.split(',') {
                    let (ra, dec) = pair.trim().split_once(char::is_whitespace).unwrap_or_default();
                    places.add(None, [ra, dec].map(text_value))?;
                }
            }
            (Some(_), Body::Json(bytes)) => {
                nested::pairs(bytes, PLACES.name, |name, pair| {
                    places.add(name, pair.map(Value::One))
                })?;
            }
            _ => {}
        }
        match places.places.is_empty() {
            true => Err(Error::argument(
                "places is missing: give [[ra, dec], ...] or {\"name\": [ra, dec], ...}, or a table with columns ra and dec as CSV or VOTable",
            )),
            false => Ok(places),
        }
    }

    /// What they are called: their names, or their numbers from 0.
    pub(super) fn names(&self) -> Arc<[String]> {
        self.names.iter().cloned().collect()
    }

    fn add(&mut self, name: Option<String>, [ra, dec]: [Value<'_>; 2]) -> Result<()> {
        let number = self.places.len();
        if number == MOST_PLACES {
            return Err(Error::argument(format!(
                "places has more than {MOST_PLACES} places: send them in several requests"
            )));
        }
        let name = name.unwrap_or_else(|| number.to_string());
        if name.len() > MOST_NAME_BYTES {
            let bytes = name.len();
            return Err(Error::argument(format!(
                "places, {name:.40}: the name has {bytes} bytes; at most {MOST_NAME_BYTES} are taken, since each row has it"
            )));
        }
        let read = place(ra, dec).map_err(|error| error.context(format!("places, {name:.40}")));
        self.places.push(read?);
        self.names.push(name);
        Ok(())
    }

    fn read_csv(&mut self, bytes: &[u8]) -> Result<()> {
        let failed =
            |error: csv::Error| Error::argument(format!("places: the body is no CSV: {error}"));
        // Spreadsheets begin with it.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let columns = columns(&reader.headers().map_err(failed)?.iter().collect::<Vec<_>>())?;
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(failed)? {
            let cell = |column| text_value(record.get(column).unwrap_or_default());
            self.add(None, columns.map(cell))?;
        }
        Ok(())
    }
}

fn text_value(text: &str) -> Value<'_> {
    Value::One(Scalar::Text(text.into()))
}

/// The numbers of the columns `ra` and `dec`.
fn columns(names: &[&str]) -> Result<[usize; 2]> {
    let place = |wanted: &str| {
        let found = names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        found.ok_or_else(|| {
            let there: Vec<_> = names.iter().take(10).map(|name| format!("{name:.40}")).collect();
            Error::argument(format!("places: the table has no column {wanted}; it has {there:?}"))
        })
    };
    Ok([place("ra")?, place("dec")?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::arguments;

    fn read(body: Body<'_>, query: &str) -> Result<(Vec<[f64; 2]>, Vec<String>)> {
        let mut arguments = arguments::read(body, query, &[PLACES.name])?;
        PlaceList::take(&mut arguments).map(|places| (places.places, places.names))
    }

    const VOTABLE: &str = "<?xml version='1.0'?><VOTABLE><RESOURCE><TABLE><FIELD name='id' datatype='int'/>
        <FIELD name='RA' datatype='double'></FIELD><FIELD name='dec' datatype='double'/><DATA><TABLEDATA>
        <TR><TD/><TD>10.5</TD><TD>-20</TD></TR><TR><TD>1</TD><TD>01:00:00</TD><TD>+0 30 0</TD></TR>
        </TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>";

    #[test]
    fn places_come_as_pairs_by_name_or_as_columns() {
        let expected = vec![[10.5, -20.0], [15.0, 0.5]];
        let list = br#"{"places": [[10.5, -20], ["01:00:00", "+0 30 0"]], "n": 1}"#;
        let named = br#"{"n": [[1, 2]], "places": {"b": [10.5, "-20"], "a": ["1h", "0d30m"]}}"#;
        let csv = b"\xef\xbb\xbfdec,name,ra\n-20,\"x,y\",10.5\n+0 30 0,z,01:00:00\n";
        let numbers = vec!["0".to_string(), "1".to_string()];
        for (body, names) in [
            (Body::Json(list), numbers.clone()),
            (Body::Json(named), vec!["b".to_string(), "a".to_string()]),
            (Body::Csv(csv), numbers.clone()),
            (Body::Votable(VOTABLE.as_bytes()), numbers.clone()),
        ] {
            assert_eq!(read(body, "").unwrap(), (expected.clone(), names));
        }
        let both = read(Body::Json(b""), "places=10.5+-20,15%200.5").unwrap();
        assert_eq!(both, (expected, numbers));
    }

    #[test]
    fn many_attributes_take_no_longer() {
        // What is quadratic in them takes minutes.
        let attributes: String = (0..400_000).map(|number| format!("a{number}='' ")).collect();
        let document = VOTABLE.replace("<FIELD name='id'", &format!("<FIELD {attributes}"));
        assert_eq!(read(Body::Votable(document.as_bytes()), "").unwrap().0.len(), 2);
    }

    #[test]
    fn what_is_no_place_is_named() {
        let json = |text: &'static str| Body::Json(text.as_bytes());
        let long = format!(r#"{{"places": {{"{}": [1, 2]}}}}"#, "n".repeat(257));
        let many = format!("ra,dec\n{}", "1,2\n".repeat(MOST_PLACES + 1));
        for (body, named) in [
            (json("{}"), "places is missing"),
            (json(r#"{"places": []}"#), "places is missing"),
            (json(r#"{"places": [[1, 2], [1, 91]]}"#), "places, 1: dec must be from -90 to 90"),
            (json(r#"{"places": [[1]]}"#), "places must be"),
            (json(r#"{"places": [[1, 2, 3]]}"#), "places must be"),
            (json(r#"{"places": [1, 2]}"#), "places must be"),
            (json(r#"{"places": {"a": 1}}"#), "places must be"),
            (json(r#"{"places": {"a": [null, 1]}}"#), "places, a: ra must be"),
            (json(r#"{"places": "1 2, 3"}"#), "places, 1: ra must be"),
            (
                Body::Csv(b"ra,Dek\n1,2\n"),
                "places: the table has no column dec; it has [\"ra\", \"Dek\"]",
            ),
            (Body::Csv(b"ra,dec\n1\n"), "places: the body is no CSV"),
            (Body::Json(long.as_bytes()), "places, nnnn"),
            (Body::Csv(many.as_bytes()), "places has more than 100000 places"),
            (
                Body::Votable(b"<VOTABLE><TABLE><DATA><BINARY2>"),
                "places: the VOTable has its rows as BINARY",
            ),
            (
                Body::Votable(b"<VOTABLE><TABLE><DATA><TABLEDATA>"),
                "places: the table has no column ra",
            ),
            (Body::Votable(b"ra,dec\n1,2"), "places: the VOTable has no TABLEDATA that ends"),
        ] {
            let error = read(body, "").expect_err(named).to_string();
            assert!(error.starts_with(named), "{error}");
        }
    }
}
