//! The views: texts of `sql/views/`. Out: the name and the query of each, after those that it reads from.

/// Each file tells the columns of its view. A view needs the tables that it reads, and their columns.
pub const VIEWS: &[(&str, &str)] = &[
    ("light_curves", include_str!("../../sql/views/light_curves.sql")),
    ("newest_objects", include_str!("../../sql/views/newest_objects.sql")),
    ("nights", include_str!("../../sql/views/nights.sql")),
];
