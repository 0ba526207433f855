//! Finds the known name that is most like an unknown one, to suggest in an error.

use std::cmp::Reverse;

use strsim::damerau_levenshtein;

/// Longer texts are not compared: no name is as long, and it would take long.
const MOST_BYTES: usize = 64;
/// One letter in so many may differ.
const LETTERS_A_MISTAKE: usize = 4;

/// The known name that differs least from `name`, apart from capitals, signs (`output_format` for `output-format`) and the family of
/// a column (`psfFlux` for `r:psfFlux`), and by no more than a letter in four.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MOST_BYTES {
        return None;
    }
    let asked = plain(name);
    let known = known.into_iter().map(|known| (damerau_levenshtein(&asked, &plain(known)), known));
    let near = known.filter(|(mistakes, _)| *mistakes <= asked.len() / LETTERS_A_MISTAKE);
    // Among equally near names, prefer the one in the requested family.
    let family = |known: &str| known.split(':').next() == name.split(':').next();
    near.min_by_key(|(mistakes, known)| (*mistakes, Reverse(family(known)))).map(|(_, known)| known)
}

/// The letters and digits of a name, without its family.
fn plain(name: &str) -> String {
    let name = name.rsplit(':').next().unwrap_or_default();
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_is_found() {
        let known = ["diaObjectId", "columns", "output-format", "withupperlim", "as_of", "explain"];
        for (name, meant) in [
            ("colums", Some("columns")),
            ("output_format", Some("output-format")),
            ("outputFormat", Some("output-format")),
            ("withuperlim", Some("withupperlim")),
            ("asof", Some("as_of")),
            ("diaobjectids", Some("diaObjectId")),
            ("exlpain", Some("explain")),
            ("radius", None),
            ("x", None),
            ("", None),
            (&"columns".repeat(1000), None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name:.20}");
        }
        let columns = ["f:band", "r:band", "r:psfFlux", "r:psfFluxErr", "r:ra", "r:raErr"];
        for (name, meant) in [
            ("psfFlux", "r:psfFlux"),
            ("r:psfflux", "r:psfFlux"),
            ("f:psfFluxErr", "r:psfFluxErr"),
            ("r:bnad", "r:band"),
            ("f:bnad", "f:band"),
            ("ra", "r:ra"),
        ] {
            assert_eq!(nearest(name, columns), Some(meant), "{name}");
        }
    }
}
