//! The views: names and texts from `sql/views/`, in the order in which they build on each other.

pub const VIEWS: &[(&str, &str)] = &[];
