//! The arguments of REST: the name, the meaning, the values and an example of each. In: nothing. Out: what requests take values by, and
//! what `/openapi.json` says of them.

use crate::encode::Format;
use crate::plot::Quantity;
use crate::schema::Table;

use super::plot::Picture;

/// An argument that some endpoint has.
#[derive(Debug)]
pub struct Argument {
    pub name: &'static str,
    /// Sentences.
    pub about: &'static str,
    pub takes: Takes,
    /// A value as it stands in a query string; empty where only the data can tell one.
    pub example: &'static str,
}

/// The values of an argument.
#[derive(Debug)]
pub enum Takes {
    /// Integers, or their digits; one, several separated by commas, or an array.
    Ids,
    /// Names; one, several separated by commas, or an array.
    Names,
    /// One of these.
    Word(fn() -> Vec<&'static str>),
    Flag,
    /// A number whose digits count.
    Decimal,
    /// A number or an RFC 3339 time.
    VersionOrTime,
}

pub static ID: Argument = Argument {
    name: "diaObjectId",
    about: "The object or objects: an id, several separated by commas, or an array. `objectId` is the same. An id that nobody \
            knows has no rows.",
    takes: Takes::Ids,
    example: "",
};

pub static COLUMNS: Argument = Argument {
    name: "columns",
    about: "The columns, with their family, in the order wanted: `r:` Rubin's, `f:` Fink's, `v:` computed by the server, which are \
            there only by name. Absent, empty or `*`: every stored one. Unknown ones are named in `X-Diaflight-Warning`.",
    takes: Takes::Names,
    example: "r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr,v:abMag",
};

pub static OUTPUT_FORMAT: Argument = Argument {
    name: "output-format",
    about: "The format of the answer; `arrow` is an IPC stream.",
    takes: Takes::Word(|| Format::ALL.map(Format::name).to_vec()),
    example: "json",
};

pub static MIDPOINT_MJD_TAI: Argument = Argument {
    name: "midpointMjdTai",
    about: "Only the measurements at this time, MJD in TAI: those whose own value truncated or rounded to as many decimals is equal.",
    takes: Takes::Decimal,
    example: "61105.0936434868",
};

pub static WITH_UPPER_LIMITS: Argument = Argument {
    name: "withupperlim",
    about: "Also what is no clean detection, told apart by `v:tag`: `valid`, a diaSource that passes the quality cuts; `badquality`, one \
            that does not; at visits without a diaSource, `upperlim`, a forced measurement within five sigma of zero, with its limit in \
            `v:fluxLimit`, `forced`, a significant one, of either sign, and `badforced`, one that is withdrawn or no number. Where `columns` lacks `v:tag`, it is ignored: nothing would tell the rows apart.",
    takes: Takes::Flag,
    example: "true",
};

pub static AS_OF: Argument = Argument {
    name: "as_of",
    about: "Answers as the table was at a version, or at a time, while its files exist; or as it was when a name was kept.",
    takes: Takes::VersionOrTime,
    example: "0",
};

pub static EXPLAIN: Argument = Argument {
    name: "explain",
    about: "Instead of rows: the SQL, its parameters, the plan and the row groups it reads, as text.",
    takes: Takes::Flag,
    example: "false",
};

pub static PICTURE_FORMAT: Argument = Argument {
    name: "output-format",
    about: "The format of the picture.",
    takes: Takes::Word(|| Picture::ALL.map(Picture::name).to_vec()),
    example: "svg",
};

pub static QUANTITY: Argument = Argument {
    name: "quantity",
    about: "What is drawn: the flux on the difference image in nJy, or its AB magnitude, where upper limits stand as arrows.",
    takes: Takes::Word(|| Quantity::ALL.map(Quantity::name).to_vec()),
    example: "flux",
};

pub static ENDPOINT: Argument = Argument {
    name: "endpoint",
    about: "The endpoint whose fields are asked for.",
    takes: Takes::Word(|| Table::ALL.map(Table::path).to_vec()),
    example: "/api/v1/sources",
};

pub static COMPUTED: Argument = Argument {
    name: "computed",
    about: "Also the fields that the server computes (`v:`).",
    takes: Takes::Flag,
    example: "true",
};
