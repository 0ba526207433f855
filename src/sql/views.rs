//! The views: names and texts from `sql/views/`, in the order in which they build on each other.

use crate::query::TAGGED_SOURCES;

/// A view is there where the tables that it reads are, with the columns that it names; its file describes its own.
pub const VIEWS: &[(&str, &str)] = &[
    ("light_curves", include_str!("../../sql/views/light_curves.sql")),
    ("newest_objects", include_str!("../../sql/views/newest_objects.sql")),
    ("nights", include_str!("../../sql/views/nights.sql")),
    TAGGED_SOURCES,
];
