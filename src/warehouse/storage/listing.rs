//! Lists the objects below a location, and the names among them that no object_store path can have: S3 and file systems allow `a//b` and
//! control characters, and object_store's own listings end at the first.

use futures::StreamExt;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::{ObjectMeta, ObjectStore, path, path::Path};

use super::Location;
use super::bucket::Bucket;
use crate::error::{Error, Kind, Result};

/// As many keys as S3 gives in one answer.
const PAGE: usize = 1000;

/// The objects below a location.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The objects that can be read.
    pub objects: Vec<ObjectMeta>,
    /// Whole names, from the root of the store.
    pub unreadable: Vec<String>,
}

impl Location {
    /// Everything below, in any order.
    pub(crate) async fn list(&self) -> Result<Listing> {
        self.list_objects().await.map_err(|error| Error::from(error).context(&self.url))
    }

    /// Everything below in the order of names, but for names with a part that begins with `.` or `_` below the location: they mark
    /// what is no data. A name that cannot be read is an `Input` error.
    pub async fn list_data(&self) -> Result<Vec<ObjectMeta>> {
        self.list().await?.data(self)
    }

    /// A name in the store, seen from here.
    pub(crate) fn below<'a>(&self, name: &'a str) -> &'a str {
        let name = name.strip_prefix('/').unwrap_or(name);
        let name = name.strip_prefix(self.prefix.as_ref()).unwrap_or(name);
        name.strip_prefix('/').unwrap_or(name)
    }

    async fn list_objects(&self) -> object_store::Result<Listing> {
        let mut listing = Listing::default();
        let mut objects = self.store.list(Some(&self.prefix));
        while let Some(object) = objects.next().await {
            match object {
                Ok(object) => listing.objects.push(object),
                Err(object_store::Error::InvalidPath { source }) => match &self.bucket {
                    // object_store fails on a page of keys with such a name, and does not read the pages after it.
                    Some(bucket) => return list_around(bucket, &self.prefix).await,
                    None => listing.unreadable.push(name_of(source)),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(listing)
    }
}

/// Whether a name, seen from a location, is none of those that mark what is no data.
pub(crate) fn is_data(name: &str) -> bool {
    !name.split('/').any(|part| part.starts_with(['.', '_']))
}

impl Listing {
    /// What [`list_data`](Location::list_data) gives of it.
    pub(crate) fn data(self, location: &Location) -> Result<Vec<ObjectMeta>> {
        let Self { mut objects, unreadable } = self;
        let shown = |name: &str| is_data(location.below(name));
        if let Some(name) = unreadable.iter().find(|name| shown(name)) {
            let name = name.escape_debug();
            let why = "a name with an empty part or control characters cannot be read";
            let message = format!("{}: {name}: {why}; copy it to another name", location.url);
            return Err(Error::new(Kind::Input, message));
        }
        objects.retain(|object| shown(object.location.as_ref()));
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(objects)
    }
}

fn name_of(error: path::Error) -> String {
    match error {
        path::Error::EmptySegment { path }
        | path::Error::BadSegment { path, .. }
        | path::Error::NonUnicode { path, .. } => path,
        other => other.to_string(),
    }
}

/// Lists with smaller and smaller pages, until the invalid key is alone in its page, and continues after it.
async fn list_around(bucket: &Bucket, prefix: &Path) -> object_store::Result<Listing> {
    let prefix = (!prefix.as_ref().is_empty()).then(|| format!("{prefix}/"));
    let (mut listing, mut offset, mut keys) = (Listing::default(), None, PAGE);
    loop {
        let max_keys = Some(keys);
        let options = PaginatedListOptions { offset, max_keys, ..Default::default() };
        let after = options.offset.clone();
        match bucket.store.list_paginated(prefix.as_deref(), options).await {
            Ok(page) => {
                let last = page.result.objects.last().map(|object| object.location.to_string());
                listing.objects.extend(page.result.objects);
                if page.page_token.is_none() || last.is_none() {
                    return Ok(listing);
                }
                (offset, keys) = (last, (2 * keys).min(PAGE));
            }
            Err(object_store::Error::InvalidPath { .. }) if keys > 1 => {
                (offset, keys) = (after, keys / 2);
            }
            Err(object_store::Error::InvalidPath { source }) => {
                let name = name_of(source);
                if after.as_ref() >= Some(&name) {
                    let why = format!("the store lists {name:?} twice");
                    return Err(object_store::Error::Generic { store: "S3", source: why.into() });
                }
                listing.unreadable.push(name.clone());
                offset = Some(name);
            }
            Err(error) => return Err(error),
        }
    }
}
