//! The definition of an argument: the name by which requests take it, and what `/openapi.json` says of it. Arguments that several requests
//! have stand here; one of a single request stands in the file of that request.

/// An argument of some endpoint.
#[derive(Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Its description, in sentences.
    pub about: &'static str,
    /// The values that it takes.
    pub takes: Takes,
    /// Whether a request without it is refused.
    pub is_required: bool,
    /// A value as in a query string; empty if the example is an id, which depends on the data.
    pub example: &'static str,
}

/// The values that an argument takes.
#[derive(Debug)]
pub enum Takes {
    /// Integers, as numbers or texts: one, several separated by commas, or an array.
    Ids,
    /// Names: one, several separated by commas, or an array.
    Names,
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
    /// True or false.
    Flag,
    /// A time as a decimal number, whose digits count.
    Decimal,
    /// A number, or a text that stands for one.
    NumberOrText,
    /// A number or an RFC 3339 time.
    VersionOrTime,
    /// Pairs of numbers, in an array or by name; in a query string a text.
    Places,
    /// Numbers of cells by their order, in an object; in a query string a text.
    Cells,
    /// A text, such as a SQL predicate.
    Text,
}

/// The ids of objects.
pub static ID: Argument = Argument {
    name: "diaObjectId",
    about: "The object or objects: an id, several separated by commas, or an array. `objectId` is the same. An unknown \
            id has no rows.",
    takes: Takes::Ids,
    is_required: true,
    example: "",
};

/// The columns to return.
pub static COLUMNS: Argument = Argument {
    name: "columns",
    about: "The columns, with their family, in the order wanted: `r:` Rubin's, `f:` Fink's, `v:` computed by the server, which are \
            there only by name. Absent, empty or `*`: every stored one. Unknown ones are named in `X-Diaflight-Warning`.",
    takes: Takes::Names,
    is_required: false,
    example: "r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr,v:abMag",
};

/// A client's own condition.
pub static FILTER: Argument = Argument {
    name: "filter",
    about: "Only the rows for which this SQL predicate is true. Columns have their stored names, without a family.",
    takes: Takes::Text,
    is_required: false,
    example: "psfFlux > 10000 AND band = 'r'",
};

/// The version since which new rows are wanted.
pub static SINCE: Argument = Argument {
    name: "since",
    about: "First comes what was added after this version, time or name, or after the version of an event's `id`. Without it, what is added \
            from now on.",
    takes: Takes::VersionOrTime,
    is_required: false,
    example: "0",
};

/// A time, or a range of times.
pub static MIDPOINT_MJD_TAI: Argument = Argument {
    name: "midpointMjdTai",
    about: "Only the measurements at this time, MJD in TAI: those whose own value truncated or rounded to as many decimals is equal.",
    takes: Takes::Decimal,
    is_required: false,
    example: "61105.0936434868",
};

/// Whether upper limits are among the rows.
pub static WITH_UPPER_LIMITS: Argument = Argument {
    name: "withupperlim",
    about: "Adds the rows that are not clean detections. `v:tag` says what a row is: `valid`, a diaSource that passes the quality cuts; \
            `badquality`, one that does not; and, at visits without a diaSource, `upperlim`, a forced measurement within five sigma of \
            zero, with its limit in `v:fluxLimit`, `forced`, a significant one, of either sign, and `badforced`, one that is withdrawn or \
            not a number. It is ignored if `columns` is given without `v:tag`, since the rows could not be told apart.",
    takes: Takes::Flag,
    is_required: false,
    example: "true",
};

/// An older version of the table.
pub static AS_OF: Argument = Argument {
    name: "as_of",
    about: "Answers as the table was at a version, or at a time, while its files exist; or as it was when a name was kept.",
    takes: Takes::VersionOrTime,
    is_required: false,
    example: "0",
};
