//! What of a request was ignored. In: names. Out: a warning of bounded length, in printable ASCII.

/// As many names are told, the others counted.
const SHOWN_NAMES: usize = 20;
/// A longer name is cut.
const SHOWN_BYTES: usize = 60;

/// Names to tell the client about, in the order in which they came, percent-encoded where a
/// character is not printable ASCII.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ignored {
    shown: Vec<String>,
    more: usize,
}

impl Ignored {
    pub fn push(&mut self, name: &str) {
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
        self.shown.push(shown);
    }

    /// The one that came first.
    pub fn first(&self) -> Option<&str> {
        self.shown.first().map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// `reason: a, b (and 3 more)`; `None` when there is nothing to say.
    fn sentence(&self, reason: &str) -> Option<String> {
        let more = match self.more {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        (!self.shown.is_empty()).then(|| format!("{reason}: {}{more}", self.shown.join(", ")))
    }
}

impl<S: AsRef<str>> FromIterator<S> for Ignored {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut ignored = Self::default();
        names.into_iter().for_each(|name| ignored.push(name.as_ref()));
        ignored
    }
}

/// What an answer says beside its rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Warning {
    /// What stands among the ids without being one.
    pub ids: Ignored,
    pub columns: Ignored,
    pub arguments: Ignored,
}

impl Warning {
    /// `None` without anything to say.
    pub fn text(&self) -> Option<String> {
        let sentences = [
            self.ids.sentence("no diaObjectId (digits within 64 bits)"),
            self.columns.sentence("unknown columns"),
            self.arguments.sentence("ignored arguments"),
        ];
        let sentences: Vec<_> = sentences.into_iter().flatten().collect();
        (!sentences.is_empty()).then(|| sentences.join("; "))
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
        Warning { ids, columns, arguments: Ignored::default() }.text()
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
    }
}
