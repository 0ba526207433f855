//! The secret that opens what is not for everyone. In: text. Out: a value that no log, message or help shows.

use std::fmt::{self, Debug, Formatter};
use std::str::FromStr;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

/// One word of printable ASCII. Its `Debug` keeps it to itself.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// The word itself, to be sent, never to be shown.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether somebody knows it, in a time that does not tell how much of it.
    pub fn is(&self, sent: &str) -> bool {
        self.0.as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

/// A token goes into a header as it is.
impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::argument(
                "the token must be printable ASCII characters without a space, and at least one",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl Debug for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_never_shown() {
        let token: Token = "s3cret".parse().unwrap();
        assert!(token.is("s3cret") && !token.is("s3cre") && !token.is(""));
        assert_eq!(format!("{token:?}"), "Token(..)");
        for wrong in ["", "two words", "line\nend", "é"] {
            let error = wrong.parse::<Token>().unwrap_err().to_string();
            assert!(error.contains("ASCII") && (wrong.is_empty() || !error.contains(wrong)));
        }
    }
}
