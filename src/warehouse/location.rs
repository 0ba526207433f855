//! A place in object storage. In: a URL or a path. Out: the store and the prefix in it.

use std::sync::Arc;

use object_store::{ObjectStore, path::Path};
use url::Url;

use crate::error::Result;

/// A store and a prefix in it. `memory://name` locations of one process share their contents by name.
/// `s3://` reads the standard `AWS_*` variables, endpoint and plain-http permission included.
#[derive(Clone, Debug)]
pub struct Location {
    /// Ends with `/`; what a person is shown.
    pub url: Url,
    /// The root of the storage: scheme and host of `url`.
    pub store: Arc<dyn ObjectStore>,
    /// The path of `url` in `store`.
    pub prefix: Path,
}

impl Location {
    /// A URL, or a path of the local file system (absolute, or relative to the working folder).
    pub fn parse(_url: &str) -> Result<Self> {
        todo!()
    }
}
