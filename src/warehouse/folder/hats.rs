//! Recognises HATS catalogues: rows in a tree of sky pixels, beside files about them. It keeps the objects that hold rows, and refuses a
//! folder that holds anything else.

use object_store::ObjectMeta;

use crate::error::{Error, Result};
use crate::warehouse::Location;

/// The first part of the paths of files with rows in a HATS catalogue.
const ROWS: &str = "Norder=";
/// The other files of a HATS catalogue, or of its predecessor HiPSCat, except those that begin with `_`.
const ABOUT: [&str; 9] = [
    "hats.properties",
    "properties",
    "collection.properties",
    "partition_info.csv",
    "partition_join_info.csv",
    "catalog_info.json",
    "provenance_info.json",
    "point_map.fits",
    "data_thumbnail.parquet",
];

/// The objects with the rows of the HATS catalogue in a folder; all objects if there is no catalogue.
pub(crate) fn rows(location: &Location, objects: Vec<ObjectMeta>) -> Result<Vec<ObjectMeta>> {
    let mut bases: Vec<_> = objects.iter().filter_map(|object| base(location, object)).collect();
    bases.dedup();
    let of_rows = match bases[..] {
        [] => return Ok(objects),
        [one] => one.to_string(),
        [one, other, ..] => {
            return Err(Error::input(format!(
                "{}: there is more than one HATS catalogue, {one} and {other}; name the one to serve",
                location.url
            )));
        }
    };
    let mut rows = Vec::new();
    for object in objects {
        let name = location.below(object.location.as_ref());
        if base(location, &object).is_some() {
            rows.push(object);
        } else if !is_about(&of_rows, name) {
            return Err(Error::input(format!(
                "{}{name} is not part of the HATS catalogue beside it: move it, or name the folder to serve",
                location.url
            )));
        }
    }
    Ok(rows)
}

/// The folder of the HATS catalogue that an object has rows of. Its margins and thumbnails would hold rows a second time.
fn base<'a>(location: &Location, object: &'a ObjectMeta) -> Option<&'a str> {
    let name = location.below(object.location.as_ref());
    let place = match name.starts_with(ROWS) {
        true => 0,
        false => name.find(&format!("/{ROWS}"))?,
    };
    Some(&name[..place])
}

/// Whether a file is one of the other files of a catalogue: in the folder of its rows, or in one above it.
fn is_about(base: &str, name: &str) -> bool {
    let (folder, file) =
        name.rsplit_once('/').map_or(("", name), |(folder, file)| (&name[..=folder.len()], file));
    // There is a map for each order, beside that of the catalogue's own order.
    let is_map = file.starts_with("skymap.") && file.ends_with(".fits");
    format!("{base}/").starts_with(folder) && (is_map || ABOUT.contains(&file))
}
