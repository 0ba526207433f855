//! What people type into a search box or a path: ids, a place, and what is neither.

use std::collections::HashSet;

use super::typed_place::TypedPlace;
use crate::error::{Error, Kind, Result};
use crate::request::argument::ID;
use crate::request::arguments::Arguments;
use crate::request::ignored::Ignored;
use crate::request::json::Scalar;
use crate::request::missing_id;
use crate::request::query::{id, wrong};

/// The most objects that a page lists: some MB of HTML.
const MOST_IDS: usize = 10_000;
/// As many words that are no ids are shown; the rest are counted.
const SHOWN_NOT_IDS: usize = 20;
/// A longer word is cut.
const SHOWN_CHARACTERS: usize = 40;

/// What stands in a search box.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Typed {
    /// The place, if it is one.
    pub place: Option<TypedPlace>,
    /// In the order typed, each once.
    pub ids: Vec<i64>,
    /// The first words that are no ids.
    pub not_ids: Vec<String>,
    /// How many more of these there are.
    pub more_not_ids: usize,
    /// Arguments beside what was typed.
    pub ignored: Ignored,
}

/// What was typed into the search box of a request.
pub(crate) fn from_arguments(mut arguments: Arguments<'_>) -> Result<Typed> {
    let Some(value) = arguments.remove(ID.name) else {
        return Err(missing_id("type one id, several, or a position", arguments));
    };
    let mut words = Vec::new();
    for scalar in value.into_scalars() {
        match scalar {
            Scalar::Text(text) | Scalar::Number(text) => words.push(text),
            other => return Err(wrong(ID.name, "ids as text or integers", other)),
        }
    }
    let ignored = arguments.into_names().1;
    if let [text] = &words[..]
        && let Some(place) = TypedPlace::read(text)
    {
        return Ok(Typed { place: Some(place), ignored, ..Typed::default() });
    }
    let typed = typed(words.iter().flat_map(|text| text.split(is_separator)))?;
    Ok(Typed { ignored, ..typed })
}

/// What a page says of arguments beside those that it takes.
pub(crate) fn ignored(arguments: &Ignored, taken: &str) -> Option<String> {
    arguments.sentence(&format!(
        "Ignored, since a page shows the newest data and takes no arguments but {taken}"
    ))
}

/// Ids come out of tables and lists, separated by commas, semicolons or blanks.
fn is_separator(c: char) -> bool {
    c.is_whitespace() || [',', ';'].contains(&c)
}

fn typed<'a>(words: impl Iterator<Item = &'a str>) -> Result<Typed> {
    let (mut typed, mut seen) = (Typed::default(), HashSet::new());
    for word in words.filter(|word| !word.is_empty()) {
        match id(word) {
            Some(id) => {
                if seen.insert(id) {
                    typed.ids.push(id);
                }
            }
            None if typed.not_ids.len() == SHOWN_NOT_IDS => typed.more_not_ids += 1,
            None => typed.not_ids.push(word.chars().take(SHOWN_CHARACTERS).collect()),
        }
        if typed.ids.len() > MOST_IDS {
            let text = format!(
                "a page lists {MOST_IDS} objects at most: ask /api/v1/objects for more, with a POST"
            );
            return Err(Error::new(Kind::TooLarge, text));
        }
    }
    Ok(typed)
}

/// The refusal of what should be an id.
pub(crate) fn malformed(text: &str) -> Error {
    let text = format!(
        "there is no /{text:.40}: an object's page is named by its diaObjectId, up to 19 digits such as 313897383979122767; \
         / lists what there is"
    );
    Error::new(Kind::NotFound, text)
}

/// The refusal of what stands in the search box and is neither an id nor a place.
pub(crate) fn neither(words: &[String]) -> Error {
    let text = words.join(" ");
    let text = format!(
        "there is neither an object nor a place `{text:.80}`: type a diaObjectId, up to 19 digits such as 313897383979122767, or right \
         ascension and declination (ICRS), such as 53.25 -27.86, 03h33m00.33s -27d51m39.74s or 03:33:00.33 -27:51:39.74"
    );
    Error::new(Kind::NotFound, text)
}

/// The refusal of an id that the table has no object for.
pub(crate) fn unknown(id: i64, version: u64) -> Error {
    let text =
        format!("there is no diaObjectId {id} in the table objects, as of its version {version}");
    Error::new(Kind::NotFound, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_among_anything() {
        let typed = |text: &str| typed(text.split(is_separator)).unwrap();
        let not_ids = vec!["a".into(), "-5".into()];
        let expected = Typed { ids: vec![12, 7], not_ids, ..Typed::default() };
        assert_eq!(typed(" 12,7;a\n12\t, -5,"), expected);
        assert_eq!(typed(" ,\n"), Typed::default());
    }

    #[test]
    fn what_is_kept_of_a_long_text_is_bounded_and_nothing_is_left_out_untold() {
        let junk = "x ".repeat(100_000);
        let typed = |text: &str| typed(text.split(is_separator));
        let kept = typed(&junk).unwrap();
        assert_eq!(
            (kept.not_ids.len(), kept.more_not_ids),
            (SHOWN_NOT_IDS, 100_000 - SHOWN_NOT_IDS)
        );
        let ids =
            |count: usize| (0..2 * count).map(|i| format!("{} ", i % count)).collect::<String>();
        assert_eq!(typed(&ids(MOST_IDS)).unwrap().ids.len(), MOST_IDS);
        let error = typed(&ids(MOST_IDS + 1)).unwrap_err();
        assert_eq!(error.kind(), Kind::TooLarge);
        assert!(error.to_string().contains("10000 objects"), "{error}");
    }

    #[test]
    fn a_long_text_is_cut_where_a_character_ends() {
        let error = malformed(&"é".repeat(1000)).to_string();
        assert!(error.contains(&format!("/{}:", "é".repeat(40))), "{error}");
    }
}
