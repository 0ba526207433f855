//! Texts as XML has them.

use std::borrow::Cow;

use quick_xml::escape::partial_escape;

/// A text as the content of an element.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    match xml_characters(text) {
        Cow::Borrowed(text) => partial_escape(text),
        Cow::Owned(text) => Cow::Owned(partial_escape(&text).into_owned()),
    }
}

/// The text without the characters that XML 1.0 cannot contain, not even escaped.
pub(super) fn xml_characters(text: &str) -> Cow<'_, str> {
    let is_forbidden = |c: char| match c {
        '\t' | '\n' | '\r' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        c => c < ' ',
    };
    match text.contains(is_forbidden) {
        true => Cow::Owned(text.replace(is_forbidden, "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}
