//! `/assets/...`: the scripts and styles of the pages, compiled into the program. Each is compressed once. Their path changes with their
//! contents, so that a browser never asks for one twice.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::palette;
use crate::error::{Error, Kind, Result};

/// A file of the program.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    contents: Bytes,
}

fn script(name: &'static str, contents: &'static [u8]) -> Asset {
    let contents = Bytes::from_static(contents);
    Asset { name, content_type: "text/javascript; charset=utf-8", contents }
}

fn style(name: &'static str, contents: impl Into<Bytes>) -> Asset {
    Asset { name, content_type: "text/css; charset=utf-8", contents: contents.into() }
}

fn all() -> Vec<Asset> {
    vec![
        script("bands.js", include_bytes!("../../../web/bands.js")),
        script("copy.js", include_bytes!("../../../web/copy.js")),
        script("dates.js", include_bytes!("../../../web/dates.js")),
        script("docs.js", include_bytes!("../../../web/docs.js")),
        script("light_curve.js", include_bytes!("../../../web/light_curve.js")),
        script("newest.js", include_bytes!("../../../web/newest.js")),
        script("object.js", include_bytes!("../../../web/object.js")),
        script("plot.js", include_bytes!("../../../web/plot.js")),
        script("plotly-basic.min.js", include_bytes!("../../../web/vendor/plotly-basic.min.js")),
        script("points.js", include_bytes!("../../../web/points.js")),
        script("ranges.js", include_bytes!("../../../web/ranges.js")),
        script("readout.js", include_bytes!("../../../web/readout.js")),
        script("renew.js", include_bytes!("../../../web/renew.js")),
        script("stream.js", include_bytes!("../../../web/stream.js")),
        script("zoom.js", include_bytes!("../../../web/zoom.js")),
        style("docs.css", &include_bytes!("../../../web/docs.css")[..]),
        style("palette.css", palette::style()),
        style("style.css", &include_bytes!("../../../web/style.css")[..]),
        Asset {
            name: "icon.svg",
            content_type: "image/svg+xml",
            contents: Bytes::from_static(include_bytes!("../../../web/icon.svg")),
        },
    ]
}

/// The files as they are served.
struct Assets {
    folder: String,
    files: Vec<Asset>,
    /// The compressed contents, in the order of `files`.
    compressed: Vec<Bytes>,
}

static SERVED: LazyLock<Assets> = LazyLock::new(|| {
    let (files, mut hash) = (all(), DefaultHasher::new());
    files.iter().for_each(|asset| asset.contents.hash(&mut hash));
    Assets {
        folder: format!("assets/{:016x}", hash.finish()),
        compressed: files.iter().map(|asset| compressed(&asset.contents)).collect(),
        files,
    }
});

/// Compresses with gzip; empty if that fails, as it does only without memory.
fn compressed(contents: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(contents).and_then(|()| encoder.finish());
    written.map(Bytes::from).unwrap_or_default()
}

/// The path of the folder with the files, relative to the root of the pages. Scripts import each other relative to themselves.
pub(crate) fn folder() -> &'static str {
    &SERVED.folder
}

/// Answers with one file. Under the path of another release it is sent, too, but must not be cached: behind a balancer a page may come from
/// one server and its files from another.
pub(crate) async fn asset(
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let served = &*SERVED;
    let index = served.files.iter().position(|asset| asset.name == name);
    let index = index.ok_or_else(|| Error::new(Kind::NotFound, "there is no such file"))?;
    let asset = &served.files[index];
    let is_current = served.folder.strip_prefix("assets/") == Some(version.as_str());
    let kept = if is_current { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common = [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, kept),
        (VARY, "accept-encoding"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let gzip = &served.compressed[index];
    Ok(match accepts_gzip(&headers) && !gzip.is_empty() {
        true => (common, [(CONTENT_ENCODING, "gzip")], gzip.clone()).into_response(),
        false => (common, asset.contents.clone()).into_response(),
    })
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let value = headers.get(ACCEPT_ENCODING).map(HeaderValue::to_str);
    let mut codings = value.and_then(Result::ok).unwrap_or_default().split(',');
    codings.any(|coding| {
        let coding: String = coding.split_whitespace().collect();
        coding == "gzip"
            || coding.starts_with("gzip;q=") && coding.contains(|c| ('1'..='9').contains(&c))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::header::ACCEPT_ENCODING;

    use super::*;

    #[test]
    fn a_client_that_refuses_gzip_gets_none() {
        let accepts = |value| {
            accepts_gzip(&HeaderMap::from_iter([(
                ACCEPT_ENCODING,
                HeaderValue::from_static(value),
            )]))
        };
        for value in ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8", "gzip ; q=1"] {
            assert!(accepts(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "gzip;q=0.0, br", "x-gzip"] {
            assert!(!accepts(value), "{value}");
        }
    }
}
