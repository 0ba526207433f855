//! A place that a person types into the search box: right ascension and declination as `/api/v1/conesearch` takes them, and a radius in
//! arcseconds after them if it is not the usual one (`53.25 -27.86 r=30`). Here it is taken apart; the page of the search reads the parts.

use form_urlencoded::Serializer;

/// The right ascension, the declination and the radius, as they were typed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypedPlace {
    ra: String,
    dec: String,
    radius: String,
}

/// A longer text is no place.
const MOST_BYTES: usize = 100;
/// A coordinate has degrees or hours, minutes and seconds.
const MOST_WORDS: usize = 3;
/// Degrees and hours have three digits at most. What has more and is whole is an id.
const MOST_WHOLE_DIGITS: usize = 3;
const USUAL_RADIUS_ARCSEC: &str = "60";

impl TypedPlace {
    /// Takes a text apart; `None` if it is no place.
    ///
    /// An id is digits alone, so a list of ids has no point, sign, colon or unit in it, and a place has: two whole numbers are ids.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.len() > MOST_BYTES {
            return None;
        }
        let text: String = text.chars().map(plain).collect();
        let text = text.replacen(',', " , ", 1);
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let radius = words.pop_if(|word| word.starts_with("r="));
        let (ra, dec) = halves(&words)?;
        let both = || ra.iter().chain(dec);
        let is_place = both().all(|word| is_of_place(word)) && !both().all(|word| is_whole(word));
        let has_id = both().any(|word| is_whole(word) && word.len() > MOST_WHOLE_DIGITS);
        let is_short = [ra, dec].iter().all(|words| (1..=MOST_WORDS).contains(&words.len()));
        let radius = radius.and_then(|word| word.strip_prefix("r=")).unwrap_or(USUAL_RADIUS_ARCSEC);
        (is_place && is_short && !has_id).then(|| Self {
            ra: ra.join(" "),
            dec: dec.join(" "),
            radius: radius.to_string(),
        })
    }

    /// The page of the search, relative to the root of the pages.
    pub(crate) fn page(&self) -> String {
        let page = "cone?".to_string();
        let mut arguments = Serializer::for_suffix(page.clone(), page.len());
        for (name, value) in [("ra", &self.ra), ("dec", &self.dec), ("radius", &self.radius)] {
            arguments.append_pair(name, value);
        }
        arguments.finish()
    }
}

/// The declination begins behind the comma, else at the sign, else half-way.
fn halves<'a>(words: &'a [&'a str]) -> Option<(&'a [&'a str], &'a [&'a str])> {
    if let Some(comma) = words.iter().position(|word| *word == ",") {
        return Some((&words[..comma], &words[comma + 1..]));
    }
    let sign = words.iter().skip(1).position(|word| word.starts_with(['+', '-']));
    match sign {
        Some(sign) => Some(words.split_at(sign + 1)),
        None => words.len().is_multiple_of(2).then(|| words.split_at(words.len() / 2)),
    }
}

/// The letters for the signs of typography, which the pages have themselves.
fn plain(c: char) -> char {
    match c {
        '°' => 'd',
        '′' | '\'' => 'm',
        '″' | '"' => 's',
        '−' => '-',
        c => c,
    }
}

fn is_of_place(word: &str) -> bool {
    let is_of_number = |c: char| c.is_ascii_digit() || "+-.".contains(c);
    word.starts_with(is_of_number) && word.chars().all(|c| is_of_number(c) || ":hdms".contains(c))
}

fn is_whole(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<[String; 3]> {
        TypedPlace::read(text).map(|TypedPlace { ra, dec, radius }| [ra, dec, radius])
    }

    #[test]
    fn every_notation_is_taken_apart() {
        for (text, ra, dec) in [
            ("53.25 -27.86", "53.25", "-27.86"),
            (" 53.25,-27.86 ", "53.25", "-27.86"),
            ("53.25 , 27.86", "53.25", "27.86"),
            ("53.25\t+27.86", "53.25", "+27.86"),
            ("53 -27", "53", "-27"),
            ("03h33m00.33s -27d51m39.74s", "03h33m00.33s", "-27d51m39.74s"),
            ("03h 33m 00.33s 27d 51m 39.74s", "03h 33m 00.33s", "27d 51m 39.74s"),
            ("03:33:00.33 -27:51:39.74", "03:33:00.33", "-27:51:39.74"),
            ("03:33:00, 27:51:39", "03:33:00", "27:51:39"),
            ("03 33 00.33 -27 51 39.74", "03 33 00.33", "-27 51 39.74"),
            ("03 33 00.33 27 51 39.74", "03 33 00.33", "27 51 39.74"),
            ("03 33, -27 51 39.74", "03 33", "-27 51 39.74"),
            // As the pages show it.
            ("03h33m00.330s −27°51′39.74″", "03h33m00.330s", "-27d51m39.74s"),
        ] {
            let parts = |radius: &str| Some([ra, dec, radius].map(String::from));
            assert_eq!(read(text), parts("60"), "{text}");
            assert_eq!(read(&format!("{text} r=7.5")), parts("7.5"), "{text}");
        }
    }

    #[test]
    fn ids_are_no_place() {
        for text in [
            "1 2",
            "1,2",
            "53 27",
            "12",
            "313897383979122767",
            "313897383979122767, 170028485706776685",
            "313897383979122767 -5",
            "313897383979122767 3.5",
            "03 33 00 27 51 39",
            "1 2 r=30",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_no_place() {
        for text in [
            "",
            ",",
            "M31",
            "x-y",
            "53.25",
            "53.25,",
            ", -27.86",
            "-27.86",
            "1.5, 2, 3",
            "1.5;2.5",
            "1 2 3 4 -5.5",
            "1 -2 3 4 5",
            "53.25 abc",
            "h m",
            "1.5 2.5 3.5",
            "<b> 1.5",
            "NaN 1.5",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&format!("1.5 {}", "2".repeat(100))), None);
        assert!(read("97.5 -97.5").is_some(), "the page of the search says what is wrong with it");
    }

    #[test]
    fn a_page_has_the_parts_as_they_were_typed() {
        let page = TypedPlace::read("03:33:00.33 +27 51 39.74 r=a&b").unwrap().page();
        assert_eq!(page, "cone?ra=03%3A33%3A00.33&dec=%2B27+51+39.74&radius=a%26b");
    }
}
