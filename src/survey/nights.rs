//! A run of the survey's nights, as `--nights` names it: `FIRST..LAST`, numbers from 0, the survey's first night, both ends included; a
//! single number is that night.

use std::fmt;
use std::str::FromStr;

use super::plan::NIGHTS;

/// Nights of a survey, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nights {
    /// The first one.
    pub first: u16,
    /// The last one, included.
    pub last: u16,
}

impl Nights {
    /// The whole survey.
    pub const ALL: Self = Self { first: 0, last: NIGHTS - 1 };
}

impl fmt::Display for Nights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last } => write!(f, "{first}..{last}"),
        }
    }
}

impl FromStr for Nights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (Ok(first), Ok(last)) = (first.parse(), last.parse()) else {
            return Err("expected a number or two, such as 90 or 0..29".to_string());
        };
        if last >= NIGHTS {
            return Err(format!("the nights of a survey are 0 to {}", Self::ALL.last));
        }
        match first <= last {
            true => Ok(Self { first, last }),
            false => Err(format!("the first night comes first: {last}..{first}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_are_what_their_text_says() {
        for (text, first, last) in [("0..29", 0, 29), ("90..90", 90, 90), ("399", 399, 399)] {
            let nights = Nights { first, last };
            assert_eq!(text.parse(), Ok(nights));
            assert_eq!(nights.to_string().parse(), Ok(nights));
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_would_be_right() {
        for (text, expected) in [
            ("", "such as 90 or 0..29"),
            ("..29", "such as 90 or 0..29"),
            ("1..2..3", "such as 90 or 0..29"),
            ("-1", "such as 90 or 0..29"),
            ("400", "0 to 399"),
            ("0..400", "0 to 399"),
            ("30..3", "3..30"),
        ] {
            let refused = text.parse::<Nights>().unwrap_err();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }
}
