//! A secret word that opens a door. In: text. Out: a value that no log, message or help shows.

use std::convert::Infallible;
use std::fmt::{self, Debug, Formatter};
use std::str::FromStr;

/// Any text; its `Debug` keeps it to itself.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The word itself, to be compared or sent, never to be shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Takes everything: clap would quote what it refuses.
impl FromStr for Token {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_string()))
    }
}

impl Debug for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
