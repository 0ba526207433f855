//! Placeholders as clients write them: `?` becomes `$1`, `$2` and so on. DataFusion would take every `?` for one and the same parameter.

use std::borrow::Cow;

use datafusion::sql::sqlparser::tokenizer::{Location, Token};

use crate::error::{Error, Result};
use crate::plan::bounds;

/// Numbers the `?` of a statement from left to right; those in texts, quoted names and comments are left alone. A
/// statement without any comes back as it is. `Argument` where `?` and `$1` are mixed, or a text has no end; `TooLarge` where it is
/// too large to be planned.
pub(crate) fn numbered(text: &str) -> Result<Cow<'_, str>> {
    let (mut marks, mut named) = (Vec::new(), None);
    for token in bounds::tokens("the statement", text)? {
        match token.token {
            Token::Placeholder(name) if name == "?" => marks.push(token.span.start),
            Token::Placeholder(name) => named = Some(name),
            _ => {}
        }
    }
    match (marks.is_empty(), named) {
        (true, _) => Ok(Cow::Borrowed(text)),
        (false, None) => Ok(Cow::Owned(replaced(text, &marks))),
        (false, Some(name)) => Err(Error::argument(format!(
            "the statement has both `?` and `{name}`; use one of the two forms for all parameters"
        ))),
    }
}

/// The text with `$n` in place of the n-th `?`. Locations count lines and characters from 1.
fn replaced(text: &str, marks: &[Location]) -> String {
    let mut numbered = String::with_capacity(text.len() + marks.len());
    let mut here = Location::new(1, 1);
    let mut count = 0;
    for character in text.chars() {
        if marks.get(count) == Some(&here) {
            count += 1;
            numbered.push_str(&format!("${count}"));
        } else {
            numbered.push(character);
        }
        here = match character {
            '\n' => Location::new(here.line + 1, 1),
            _ => Location::new(here.line, here.column + 1),
        };
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn question_marks_are_numbered_from_left_to_right() {
        let text = "SELECT ? AS é,\n  ?+?\r\n, '\u{1f52d}', ?";
        assert_eq!(numbered(text).unwrap(), "SELECT $1 AS é,\n  $2+$3\r\n, '\u{1f52d}', $4");
    }

    #[test]
    fn texts_names_and_comments_keep_theirs() {
        let text = "SELECT '?', 'it''s ?', \"a?\", `b?` /* ? /* ? */ */ -- ?\n, $$?$$, ? -- ?";
        let expected = text.replace(", ? --", ", $1 --");
        assert_eq!(numbered(text).unwrap(), expected);
    }

    #[test]
    fn what_is_numbered_already_is_left_as_it_is() {
        for text in ["SELECT $1, $2", "SELECT $name", "SELECT 1", ""] {
            assert!(matches!(numbered(text), Ok(Cow::Borrowed(same)) if same == text));
        }
    }

    #[test]
    fn mixed_and_unended_statements_are_refused() {
        for text in ["SELECT ?, $2", "SELECT $1, ?", "SELECT 'abc", "SELECT /* ?"] {
            assert_eq!(numbered(text).unwrap_err().kind(), Kind::Argument, "{text}");
        }
    }
}
