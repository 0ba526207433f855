//! Where files are kept: a local disk, a bucket of S3, or memory. A [`Location`] is a prefix in one of them; all else here makes what
//! object_store offers safe to rely on: names, listings, writes that last, requests that do not hang.

mod bucket;
mod durable;
mod listing;
mod local;
mod location;
mod patience;
mod unfinished;
mod upload;

pub(super) use durable::temporary_name;
pub(super) use listing::{Listing, is_data};
pub use location::Location;
pub(super) use unfinished::end_old_uploads;
pub(super) use upload::Upload;
