//! Where files are kept: a local disk, a bucket of S3, or memory. A [`Location`] is a prefix in one of them; all else here makes what
//! object_store offers safe to rely on: names, listings, writes that last, requests that do not hang.

mod aws_http;
mod bucket;
mod credential_chain;
mod credentials;
mod durable;
mod listing;
mod local;
mod local_listing;
mod location;
mod metered;
mod patience;
mod signed_again;
mod unfinished;
mod upload;

pub use bucket::Bucket;
pub(super) use durable::temporary_name;
pub(crate) use durable::{make_folder, sync_folder};
pub(super) use listing::{Listing, is_data};
pub use location::Location;
pub use metered::{STORAGE_COUNTS, StorageCounts, StorageOperation, StorageOutcome};
pub(super) use unfinished::end_old_uploads;
pub(super) use upload::Upload;
