//! The secret tokens that open what is not for everyone. No log, message or help text shows one.

mod tokens;

use std::convert::Infallible;
use std::fmt::{self, Debug, Formatter};
use std::str::FromStr;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

pub use tokens::Tokens;

/// Who sent a request: the name of the token that it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User(pub Arc<str>);

/// A secret word. Its `Debug` does not show it.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// The word itself, to send to a server. It must not be logged or shown.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Refuses a token that clients could not send: it goes into a header as it is.
    pub fn check(&self) -> Result<()> {
        if self.0.is_empty() || !self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::argument(
                "the token must be printable ASCII characters without a space, and at least one",
            ));
        }
        Ok(())
    }

    /// Whether a word is the token, compared in constant time.
    pub fn is(&self, sent: &str) -> bool {
        self.0.as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

/// Accepts any text: clap quotes a value that it refuses. [`Token::check`] comes later.
impl FromStr for Token {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
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
        token.check().unwrap();
        assert!(token.is("s3cret") && !token.is("s3cre") && !token.is(""));
        assert_eq!(format!("{token:?}"), "Token(..)");
        for wrong in ["", "two words", "line\nend", "é"] {
            let error = wrong.parse::<Token>().unwrap().check().unwrap_err().to_string();
            assert!(error.contains("ASCII") && (wrong.is_empty() || !error.contains(wrong)));
        }
    }
}
