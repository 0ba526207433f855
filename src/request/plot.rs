//! Reads the arguments of a request for a picture into a [`PlotRequest`], or an error that names the argument and what would be right.

use super::argument::{Argument, ID, Takes};
use super::arguments::Arguments;
use super::ignored::{Ignored, Warning};
use super::json::{Scalar, Value};
use super::query::{Asked, query, wrong};
use super::rows::missing_id;
use crate::error::{Error, Result};
use crate::plot::{Picture, Quantity};
use crate::query::{ObjectIds, Order};
use crate::schema::Table;

static OUTPUT_FORMAT: Argument = Argument {
    name: "output-format",
    about: "The format of the picture.",
    takes: Takes::Word(|| Picture::ALL.map(Picture::name).to_vec()),
    is_required: false,
    example: "svg",
};

static QUANTITY: Argument = Argument {
    name: "quantity",
    about: "What is drawn: the flux on the difference image in nJy, or its AB magnitude, where upper limits stand as arrows.",
    takes: Takes::Word(|| Quantity::ALL.map(Quantity::name).to_vec()),
    is_required: false,
    example: "flux",
};

/// The arguments of `/api/v1/plot`.
#[derive(Debug)]
pub struct PlotRequest {
    /// The object to draw.
    pub dia_object_id: i64,
    /// The format of the picture.
    pub picture: Picture,
    /// What to draw of the object.
    pub quantity: Quantity,
    ignored_arguments: Ignored,
}

impl PlotRequest {
    /// The arguments of `/api/v1/plot`.
    pub const ARGUMENTS: &[&Argument] = &[&ID, &OUTPUT_FORMAT, &QUANTITY];

    /// Reads the merged arguments of a request.
    pub fn parse(mut arguments: Arguments<'_>) -> Result<Self> {
        if !arguments.contains_key(ID.name) {
            return Err(missing_id("give the id of an object", arguments));
        }
        let Asked { query: asked, ignored_ids, .. } =
            query(Table::Sources, Order::NewestFirst, &mut arguments)?;
        let dia_object_id = match &asked.ids {
            ObjectIds::Listed(ids) if ids.len() == 1 && ignored_ids.is_empty() => ids[0],
            _ => {
                let text = "diaObjectId must be one id, all digits: a picture shows one object";
                return Err(Error::argument(text));
            }
        };
        let picture = word(&OUTPUT_FORMAT, Picture::ALL, Picture::name, &mut arguments)?;
        let quantity = word(&QUANTITY, Quantity::ALL, Quantity::name, &mut arguments)?;
        let (_, ignored_arguments) = arguments.into_names();
        Ok(Self { dia_object_id, picture, quantity, ignored_arguments })
    }

    /// The warning to send with the picture.
    pub fn warning(&self) -> Option<String> {
        Warning { arguments: self.ignored_arguments.clone(), ..Warning::default() }.text()
    }
}

/// The one of `all` that an argument names; the first if the argument is not given.
fn word<T: Copy, const N: usize>(
    argument: &Argument,
    all: [T; N],
    name: fn(T) -> &'static str,
    arguments: &mut Arguments<'_>,
) -> Result<T> {
    let Some(value) = arguments.remove(argument.name) else { return Ok(all[0]) };
    let known = match &value {
        Value::One(Scalar::Text(text)) => all.into_iter().find(|one| name(*one) == text),
        _ => None,
    };
    known.ok_or_else(|| {
        let right = format!("one of {}", all.map(name).join(", "));
        wrong(argument.name, &right, value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::arguments::{self, Body};

    fn parsed(query: &str) -> Result<PlotRequest> {
        let names: Vec<_> = PlotRequest::ARGUMENTS.iter().map(|argument| argument.name).collect();
        PlotRequest::parse(arguments::read(Body::Json(b""), query, &names)?)
    }

    #[test]
    fn one_object_is_drawn_as_asked() {
        let plain = parsed("diaObjectId=7").unwrap();
        assert_eq!((plain.picture, plain.quantity), (Picture::Svg, Quantity::Flux));
        let asked = parsed("objectId=+7&output-format=png&quantity=magnitude").unwrap();
        assert_eq!((asked.picture, asked.quantity), (Picture::Png, Quantity::Magnitude));
        assert_eq!(asked.dia_object_id, 7);
    }

    #[test]
    fn a_wrong_argument_is_refused_by_name() {
        for (query, name, right) in [
            ("quantity=flux", "diaObjectId", "missing"),
            ("diaObjectId=7,8", "diaObjectId", "one id"),
            ("diaObjectId=seven", "diaObjectId", "one id"),
            ("diaObjectId=7&output-format=gif", "output-format", "svg, png"),
            ("diaObjectId=7&quantity=mass", "quantity", "flux, magnitude"),
        ] {
            let text = parsed(query).err().unwrap().to_string();
            assert!(text.contains(name) && text.contains(right), "{query}: {text}");
        }
    }
}
