//! A request for a picture, understood. In: the merged arguments. Out: a [`PlotRequest`], or the error that names the argument and
//! what would be right.

use super::argument::{Argument, ID, Takes};
use super::arguments::Arguments;
use super::ignored::{Ignored, Warning};
use super::json::{Scalar, Value};
use super::query::{Asked, query, wrong};
use super::rows::missing_id;
use crate::error::{Error, Result};
use crate::plot::{Picture, Quantity, WITHDRAWN};
use crate::query::{Columns, ObjectIds, Order, Query};
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
    pub dia_object_id: i64,
    pub picture: Picture,
    pub quantity: Quantity,
    /// The detections told apart by quality, and the upper limits among them.
    pub detections: Query,
    /// The detections alone, for tables without the columns that tell them apart.
    pub untagged: Query,
    pub forced: Query,
    ignored_arguments: Ignored,
}

impl PlotRequest {
    pub const ARGUMENTS: &[&Argument] = &[&ID, &OUTPUT_FORMAT, &QUANTITY];

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
        let named =
            |names: &[&str]| Columns::Named(names.iter().map(|name| name.to_string()).collect());
        let measured = ["r:midpointMjdTai", "r:band", "r:psfFlux", "r:psfFluxErr"];
        let tagged = [&measured[..], &["v:tag", "v:fluxLimit"]].concat();
        let of = |table, columns| Query::newest_first(table, vec![dia_object_id], named(columns));
        let detections = Query::with_upper_limits(vec![dia_object_id], named(&tagged));
        let untagged = of(Table::Sources, &measured);
        let forced = of(Table::Fp, &[&measured[..], &[WITHDRAWN]].concat());
        let (_, ignored_arguments) = arguments.into_names();
        Ok(Self {
            dia_object_id,
            picture,
            quantity,
            detections,
            untagged,
            forced,
            ignored_arguments,
        })
    }

    /// What to tell beside the picture.
    pub fn warning(&self) -> Option<String> {
        Warning { arguments: self.ignored_arguments.clone(), ..Warning::default() }.text()
    }
}

/// The one of `all` that an argument names; the first where it is not given.
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
    use crate::query::Rows;
    use crate::request::arguments::{self, Body};

    fn parsed(query: &str) -> Result<PlotRequest> {
        let names: Vec<_> = PlotRequest::ARGUMENTS.iter().map(|argument| argument.name).collect();
        PlotRequest::parse(arguments::read(Body::Json(b""), query, &names)?)
    }

    #[test]
    fn one_object_is_drawn_as_asked() {
        let plain = parsed("diaObjectId=7").unwrap();
        assert_eq!((plain.picture, plain.quantity), (Picture::Svg, Quantity::Flux));
        let upper_limits = Rows::SourcesWithUpperLimits { time: None, fp_version: None };
        assert_eq!(plain.detections.rows, upper_limits);
        let asked = parsed("objectId=+7&output-format=png&quantity=magnitude").unwrap();
        assert_eq!((asked.picture, asked.quantity), (Picture::Png, Quantity::Magnitude));
        assert_eq!(asked.forced.ids, ObjectIds::Listed(vec![7]));
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
