//! Limits on the texts of SQL that clients write, statements and filters, so that they are small enough to be planned. A text within the
//! limits is given back as its tokens.
//!
//! Planning recurses as deep as a text is nested, and takes the square of the number of its operators in time. What follows the one text
//! of a list (`IN (1, 2, ...)`, `VALUES (1), (2), ...`) makes nothing deeper, and is counted by its bytes alone.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::error::{Error, Kind, Result};

/// Bytes of a text; 20,000 ids take less than half of them.
pub const MOST_BYTES: usize = 1 << 20;
/// Operators, and keywords beside them: some two hundred terms of a predicate.
pub const MOST_OPERATORS: usize = 600;
/// Names of columns, tables and functions.
const MOST_NAMES: usize = 5_000;
/// Brackets and CASEs within each other, or signs and NOTs before each other.
const MOST_NESTED: usize = 40;
/// Operators `||`. The time to plan them grows with the third power of their number.
const MOST_CONCATENATED: usize = 100;
/// Bytes of a name, such as that of a column.
const MOST_NAME_BYTES: usize = 256;
/// Parts of a name: `diaflight.public.sources.psfFlux` has four.
const MOST_NAME_PARTS: usize = 8;

/// The tokens of a text, blanks and comments among them; `what` it is called in errors. `TooLarge` over a limit, `Argument` where a
/// text or a comment has no end.
pub fn tokens(what: &str, text: &str) -> Result<Vec<TokenWithSpan>> {
    if text.len() > MOST_BYTES {
        return Err(too_large(what, text.len(), "bytes", MOST_BYTES));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
    let tokens = tokens.map_err(|error| Error::argument(format!("{what}: {error}")))?;
    let mut counts = TokenCounts::default();
    for token in &tokens {
        counts.add(what, &token.token)?;
    }
    let TokenCounts { operators, concatenated, names, .. } = counts;
    for (count, of, most) in [
        (operators, "operators and keywords", MOST_OPERATORS),
        (concatenated, "operators || (use concat for many texts)", MOST_CONCATENATED),
        (names, "names", MOST_NAMES),
    ] {
        if count > most {
            return Err(too_large(what, count, of, most));
        }
    }
    Ok(tokens)
}

/// The error for `what`, which has `count` of something where `most` are allowed.
pub fn too_large(what: &str, count: usize, of: &str, most: usize) -> Error {
    Error::new(Kind::TooLarge, format!("{what} has {count} {of}; the limit is {most}"))
}

/// What the tokens so far amount to.
#[derive(Default)]
struct TokenCounts {
    operators: usize,
    concatenated: usize,
    names: usize,
    /// Brackets and CASEs that are open.
    nested: usize,
    /// Signs and NOTs that stand before the next value.
    signs: usize,
    /// Points in the name that is being read.
    name_parts: usize,
    /// Whether a sign may stand here: after a comma or an opening bracket.
    before_value: bool,
    /// Whether `<` opens the type arguments of an array, a struct or a map.
    after_type: bool,
    /// Pairs of brackets right after each other: `INT[][]` is a list of lists.
    bracketed: usize,
    /// Whether the last token closed one.
    after_bracket: bool,
}

impl TokenCounts {
    fn add(&mut self, what: &str, token: &Token) -> Result<()> {
        match token {
            Token::Whitespace(_) => return Ok(()),
            Token::LParen | Token::LBracket | Token::LBrace => self.nested += 1,
            // It is not counted as closed, since `>` may be an operator.
            Token::Lt if self.after_type => self.nested += 1,
            Token::RParen | Token::RBracket | Token::RBrace => {
                self.nested = self.nested.saturating_sub(1);
            }
            Token::Word(word) if word.value.len() > MOST_NAME_BYTES => {
                return Err(too_large(what, word.value.len(), "bytes in a name", MOST_NAME_BYTES));
            }
            Token::Word(word) if word.keyword == Keyword::CASE => self.nested += 1,
            Token::Word(word) if word.keyword == Keyword::END => {
                self.nested = self.nested.saturating_sub(1);
            }
            _ => {}
        }
        self.name_parts = match token {
            Token::Period => self.name_parts + 1,
            Token::Word(_) => self.name_parts,
            _ => 0,
        };
        if self.name_parts >= MOST_NAME_PARTS {
            return Err(too_large(what, self.name_parts + 1, "parts in a name", MOST_NAME_PARTS));
        }
        if self.nested > MOST_NESTED {
            return Err(too_large(
                what,
                self.nested,
                "levels of nested brackets and CASEs",
                MOST_NESTED,
            ));
        }
        self.count_brackets(what, token)?;
        self.signs = if may_be_sign(token) { self.signs + 1 } else { 0 };
        if self.signs > MOST_NESTED {
            return Err(too_large(what, self.signs, "signs before a value", MOST_NESTED));
        }
        let is_sign = matches!(token, Token::Minus | Token::Plus) && self.before_value;
        self.operators += usize::from(is_operator(token) && !is_sign);
        self.concatenated += usize::from(matches!(token, Token::StringConcat));
        let is_name = matches!(token, Token::Word(word) if word.keyword == Keyword::NoKeyword);
        self.names += usize::from(is_name);
        self.before_value = matches!(token, Token::Comma | Token::LParen);
        self.after_type = matches!(token, Token::Word(word) if opens_type(word.keyword));
        Ok(())
    }

    /// Counts the pairs of brackets of lists of lists, and of elements of elements.
    fn count_brackets(&mut self, what: &str, token: &Token) -> Result<()> {
        match token {
            Token::RBracket => self.bracketed += 1,
            Token::LBracket if !self.after_bracket => self.bracketed = 0,
            _ => {}
        }
        self.after_bracket = matches!(token, Token::RBracket);
        match self.bracketed > MOST_NESTED {
            true => Err(too_large(what, self.bracketed, "subscripts [...] in a row", MOST_NESTED)),
            false => Ok(()),
        }
    }
}

fn opens_type(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::ARRAY | Keyword::STRUCT | Keyword::MAP)
}

fn may_be_sign(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword == Keyword::NOT,
        token => matches!(token, Token::Minus | Token::Plus | Token::Tilde),
    }
}

/// Whether a token may nest the plan deeper. Values, names and what separates them do not.
fn is_operator(token: &Token) -> bool {
    use Keyword::{AS, FALSE, NULL, NoKeyword, TRUE};
    match token {
        Token::Word(word) => !matches!(word.keyword, NoKeyword | AS | NULL | TRUE | FALSE),
        Token::Number(..)
        | Token::Placeholder(_)
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::DollarQuotedString(_) => false,
        Token::Comma | Token::Period | Token::SemiColon | Token::EOF => false,
        Token::LParen | Token::RParen | Token::RBracket | Token::RBrace => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let error = tokens("the filter", text).unwrap_err();
        assert_eq!(error.kind(), Kind::TooLarge, "{error}");
        error.to_string()
    }

    #[test]
    fn long_lists_and_names_in_all_their_parts_are_small() {
        let ids = (0..20_000).map(|i| (170_028_485_706_776_685_u64 + i).to_string());
        let ids = ids.collect::<Vec<_>>().join(", ");
        let rows = vec!["(-1.5, 'it''s', NULL, true, $1)"; 20_000].join(",");
        let columns = vec!["\"s\".\"psfFlux\" AS \"the flux\""; 1_500].join(", ");
        for text in [
            format!("SELECT * FROM sources WHERE diaObjectId IN ({ids})"),
            format!("VALUES {rows}"),
            format!("SELECT {columns} FROM diaflight.public.sources AS s"),
            String::new(),
        ] {
            tokens("the statement", &text).unwrap();
        }
    }

    #[test]
    fn what_is_over_a_limit_is_told_which() {
        let many = MOST_OPERATORS + 1;
        for deep in [
            "NOT a ",
            "- a ",
            "1 + ",
            "a OR ",
            "a[1]",
            "a::int",
            "(SELECT 1) UNION ",
            "~ a ",
            "IS NULL ",
        ] {
            let text = format!("a {}", deep.repeat(many));
            assert!(refused(&text).ends_with("the limit is 600"), "{deep}");
        }
        assert!(
            refused(&"(".repeat(100))
                .contains("levels of nested brackets and CASEs; the limit is 40")
        );
        for sign in ["NOT ", "- ", "~ "] {
            let text = format!("{}a", sign.repeat(41));
            assert!(refused(&text).contains("41 signs before a value; the limit is 40"), "{text}");
        }
        assert!(refused(&"ARRAY<".repeat(41)).contains("brackets and CASEs; the limit is 40"));
        assert!(refused(&"STRUCT<a ".repeat(41)).contains("brackets and CASEs; the limit is 40"));
        for brackets in ["[]", "[3]"] {
            let text = format!("NULL::INT{}", brackets.repeat(41));
            assert!(refused(&text).contains("in a row; the limit is 40"));
        }
        assert!(refused(&"a || ".repeat(101)).contains("texts); the limit is 100"));
        assert!(refused(&"a.".repeat(100)).contains("parts in a name; the limit is 8"));
        assert!(refused(&"a".repeat(300)).contains("300 bytes in a name; the limit is 256"));
        assert!(refused(&"a, ".repeat(6_000)).contains("6000 names; the limit is 5000"));
        let long = format!("'{}'", "a".repeat(MOST_BYTES));
        assert!(refused(&long).contains("bytes; the limit is 1048576"));
    }

    #[test]
    fn a_text_without_an_end_is_no_text() {
        for text in ["'abc", "/* abc", "\"abc"] {
            let error = tokens("the filter", text).unwrap_err();
            assert!(error.to_string().starts_with("the filter: "), "{error}");
            assert_eq!(error.kind(), Kind::Argument);
        }
    }
}
