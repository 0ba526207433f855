//! Lists the parts of a request that were ignored, in a warning of bounded length and printable ASCII.

use chrono::Utc;

use crate::query::UnknownColumn;
use crate::warehouse::AsOf;

/// As many names are listed; the others are counted.
const SHOWN_NAMES: usize = 20;
/// A longer name is cut.
const SHOWN_BYTES: usize = 60;

/// Names that were ignored, in the order in which they came. Characters that are not printable ASCII are percent-encoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ignored {
    shown: Vec<String>,
    more: usize,
}

impl Ignored {
    /// Adds a name.
    pub fn push(&mut self, name: &str) {
        self.push_near(name, || None);
    }

    /// Adds a name with the name that was perhaps meant. That is looked for only if the name is listed.
    pub fn push_near<'a>(&mut self, name: &str, meant: impl FnOnce() -> Option<&'a str>) {
        if self.shown.len() == SHOWN_NAMES {
            self.more += 1;
            return;
        }
        let mut shown = String::new();
        for char in name.chars() {
            if shown.len() >= SHOWN_BYTES {
                shown.push_str("...");
                break;
            }
            shown.push_str(&visible(char));
        }
        if let Some(meant) = meant() {
            shown.push_str(&format!(" (perhaps {meant})"));
        }
        self.shown.push(shown);
    }

    /// The first name.
    pub fn first(&self) -> Option<&str> {
        self.shown.first().map(String::as_str)
    }

    /// Whether a name is among those that are listed.
    pub fn lists(&self, name: &str) -> bool {
        self.shown.iter().any(|shown| shown.split(" (perhaps ").next() == Some(name))
    }

    /// Whether nothing was ignored.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// `reason: a, b (and 3 more)`; `None` when there is nothing to say.
    pub fn sentence(&self, reason: &str) -> Option<String> {
        let more = match self.more {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        (!self.shown.is_empty()).then(|| format!("{reason}: {}{more}", self.shown.join(", ")))
    }
}

impl From<&[UnknownColumn]> for Ignored {
    fn from(columns: &[UnknownColumn]) -> Self {
        let mut ignored = Self::default();
        columns
            .iter()
            .for_each(|column| ignored.push_near(&column.name, || column.nearest.as_deref()));
        ignored
    }
}

impl<S: AsRef<str>> FromIterator<S> for Ignored {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut ignored = Self::default();
        names.into_iter().for_each(|name| ignored.push(name.as_ref()));
        ignored
    }
}

/// The warning of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Warning {
    /// Texts among the ids that are no ids.
    pub ids: Ignored,
    /// Columns that the table does not have.
    pub columns: Ignored,
    /// Arguments that the request does not have.
    pub arguments: Ignored,
    /// The version that was asked for.
    pub as_of: Option<AsOf>,
    /// How much of what was asked for the answer has, where that is not all.
    pub cut: Option<String>,
}

impl Warning {
    /// The text of the warning; `None` if there is nothing to warn of.
    pub fn text(&self) -> Option<String> {
        let sentences = [
            self.cut.clone(),
            self.ids.sentence("no diaObjectId (digits within 64 bits)"),
            self.columns.sentence("unknown columns"),
            self.arguments.sentence("ignored arguments"),
            self.future(),
        ];
        let sentences: Vec<_> = sentences.into_iter().flatten().collect();
        (!sentences.is_empty()).then(|| sentences.join("; "))
    }
}

impl Warning {
    /// A warning that `as_of` is in the future: the same request will read other rows then.
    fn future(&self) -> Option<String> {
        let AsOf::Time(time) = self.as_of.as_ref()? else { return None };
        let text = "as_of is in the future: this is the newest version, and later ones will differ";
        (*time > Utc::now()).then(|| text.to_string())
    }
}

fn visible(char: char) -> String {
    match char {
        ' '..='~' if char != '%' => char.to_string(),
        _ => char.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ids: &[&str], columns: &[&str]) -> Option<String> {
        let (ids, columns) = (ids.iter().collect(), columns.iter().collect());
        Warning { ids, columns, ..Warning::default() }.text()
    }

    #[test]
    fn names_are_told() {
        assert_eq!(text(&[], &[]), None);
        let both = "no diaObjectId (digits within 64 bits): abc, -5; unknown columns: x:foo";
        assert_eq!(text(&["abc", "-5"], &["x:foo"]).unwrap(), both);
        assert_eq!(
            text(&[], &["r:ra\r\nSet-Cookie: a", "é%"]).unwrap(),
            "unknown columns: r:ra%0D%0ASet-Cookie: a, %C3%A9%25"
        );
    }

    #[test]
    fn the_length_is_bounded_and_the_rest_counted() {
        let long = "é".repeat(100_000);
        let many = vec![long.as_str(); 1000];
        let value = text(&many, &many).unwrap();
        assert!(value.len() < 4096 && value.ends_with("... (and 980 more)"), "{}", value.len());
        let mut asked = 0;
        let mut ignored = Ignored::default();
        (0..1000).for_each(|_| ignored.push_near("psfflux", || (asked += 1, Some("r:psfFlux")).1));
        assert_eq!(asked, SHOWN_NAMES, "the others are only counted");
        assert!(ignored.sentence("").unwrap().contains("psfflux (perhaps r:psfFlux), "));
    }

    #[test]
    fn a_time_in_the_future_is_told() {
        let text = |text: &str| {
            Warning { as_of: Some(AsOf::parse(text).unwrap()), ..Warning::default() }.text()
        };
        assert!(text("2999-01-01T00:00:00Z").unwrap().contains("in the future"));
        assert_eq!((text("2026-01-01T00:00:00Z"), text("12")), (None, None));
    }
}
