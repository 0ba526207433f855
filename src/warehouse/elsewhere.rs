//! Looks for tables near a warehouse that has none: whoever mistypes a prefix mostly names a folder too many, or one too few.

use object_store::path::Path;
use url::Url;

use super::delta_log::Log;
use super::{Location, Warehouse};
use crate::error::Result;
use crate::schema::Table;

/// As many folders below are looked at.
const FOLDERS: usize = 20;

impl Warehouse {
    /// The nearest folder above that holds tables, or one directly below.
    pub async fn tables_elsewhere(&self) -> Result<Option<Url>> {
        let here = &self.location;
        let parts: Vec<_> = here.prefix.parts().collect();
        let above = (0..parts.len()).rev().map(|count| parts[..count].iter().cloned().collect());
        let listed = here.store.list_with_delimiter(Some(&here.prefix)).await?;
        let below = listed.common_prefixes.into_iter().take(FOLDERS);
        for place in above.chain(below).map(|prefix| at(here, prefix)) {
            for table in Table::ALL {
                if Log::new(&place, table)?.exists().await? {
                    return Ok(Some(place.url));
                }
            }
        }
        Ok(None)
    }
}

fn at(here: &Location, prefix: Path) -> Location {
    let mut url = here.url_of(&prefix);
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.push("");
    }
    Location { url, prefix, ..here.clone() }
}
