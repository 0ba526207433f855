//! The ids that people type. In: the text of a search box or a path. Out: ids, and what stands among them without being one.

use crate::error::{Error, Kind};
use crate::request::query::id;

/// What stands in a search box.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// In the order typed, each once.
    pub ids: Vec<i64>,
    pub others: Vec<String>,
}

/// Ids are separated by commas, semicolons or blanks, as they come out of tables and lists.
pub fn typed(text: &str) -> Typed {
    let mut typed = Typed::default();
    let separators = |c: char| c.is_whitespace() || [',', ';'].contains(&c);
    for word in text.split(separators).filter(|word| !word.is_empty()) {
        match id(word) {
            Some(id) if typed.ids.contains(&id) => {}
            Some(id) => typed.ids.push(id),
            None => typed.others.push(word.chars().take(40).collect()),
        }
    }
    typed
}

/// The refusal of what should be an id.
pub fn malformed(text: &str) -> Error {
    let text = format!(
        "there is no /{text:.40}: an object's page is named by its diaObjectId, up to 19 digits such as 313897383979122767; \
         / lists what there is"
    );
    Error::new(Kind::NotFound, text)
}

/// The refusal of an id that the table has no object for.
pub fn unknown(id: i64, version: u64) -> Error {
    let text =
        format!("there is no diaObjectId {id} in the table objects, as of its version {version}");
    Error::new(Kind::NotFound, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_among_anything() {
        let expected = Typed { ids: vec![12, 7], others: vec!["a".into(), "-5".into()] };
        assert_eq!(typed(" 12,7;a\n12\t, -5,"), expected);
        assert_eq!(typed(" ,\n"), Typed::default());
    }

    #[test]
    fn a_long_text_is_cut_where_a_character_ends() {
        let error = malformed(&"é".repeat(1000)).to_string();
        assert!(error.contains(&format!("/{}:", "é".repeat(40))), "{error}");
    }
}
