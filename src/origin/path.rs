//! Gives a request the path that the router knows. Clients write more than one path for the same thing: joining an address and a path
//! doubles a slash or leaves one at the end, and some proxies leave the path of the public URL in front.

use axum::http::{Request, Uri};

use super::Origins;

/// The first parts of the server's own paths. A public URL whose path begins with one of them cannot be told apart from these, so
/// its proxy has to remove that path.
const OWN: [&str; 8] =
    ["api", "assets", "cone", "docs", "health", "metrics", "objects", "openapi.json"];

/// The only path that ends with a slash, beside the root: its page is the index of a folder of files.
const INDEX: &str = "/docs/";

/// Where the same thing has its one path, relative to the path that was asked for. It is an extension of requests that asked for another
/// path. The links of pages are relative, so they work at the one path alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved(pub String);

impl Origins {
    /// Gives a request the path that the router knows, and a [`Moved`] if that is another one.
    pub fn rewrite<B>(&self, request: &mut Request<B>) {
        let uri = request.uri();
        let Some((path, moved)) = rewritten(uri.path(), self.kept_prefix()) else { return };
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = format!("{path}{query}").parse().ok();
        // A path without some slashes is still a path.
        let Ok(uri) = Uri::from_parts(parts) else { return };
        *request.uri_mut() = uri;
        if let Some(moved) = moved {
            request.extensions_mut().insert(Moved(format!("{moved}{query}")));
        }
    }

    /// The path of the public URL, if it is recognised in front of a path; empty if not.
    fn kept_prefix(&self) -> &str {
        let prefix = self.public_url.as_ref().map_or("", |url| &url.prefix);
        let first = prefix.split('/').nth(1).unwrap_or_default();
        if OWN.contains(&first) || first.parse::<i64>().is_ok() { "" } else { prefix }
    }
}

/// The path within the server, and where a browser finds it if it asked at another path; `None` if the path is the right one already.
fn rewritten(asked: &str, prefix: &str) -> Option<(String, Option<String>)> {
    let is_below = !prefix.is_empty() && asked.trim_start_matches('/').starts_with(&prefix[1..]);
    let is_plain =
        !asked.contains("//") && (!asked.ends_with('/') || ["/", INDEX].contains(&asked));
    if !asked.starts_with('/') || is_plain && !is_below {
        return None;
    }
    let mut path: String = asked
        .split('/')
        .filter(|part| !part.is_empty())
        .fold(String::new(), |path, part| path + "/" + part);
    if asked.ends_with('/') && (path.is_empty() || path.ends_with(INDEX.trim_end_matches('/'))) {
        path.push('/');
    }
    let within = path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let (before, within) = match within {
        Some("") => (prefix, "/"),
        Some(within) => (prefix, within),
        None => ("", &path[..]),
    };
    let right = format!("{before}{within}");
    let up = "../".repeat(asked.matches('/').count() - 1);
    let moved = (right != asked).then(|| format!("{up}{}", &right[1..]));
    Some((within.to_string(), moved))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn a_path_is_found_however_it_is_written() {
        for (asked, within) in [
            ("//api/v1/sources", "/api/v1/sources"),
            ("/api//v1///sources/", "/api/v1/sources"),
            ("/12/", "/12"),
            ("//12//", "/12"),
            ("//", "/"),
            ("/docs//", "/docs/"),
            ("//docs", "/docs"),
            ("/docs/swagger-ui.css/", "/docs/swagger-ui.css"),
        ] {
            let (path, moved) = rewritten(asked, "").unwrap();
            assert_eq!(path, within, "{asked}");
            // As a browser finds it, at the root of a host and below a path that a proxy removes.
            for below in ["https://a.b", "https://a.b/some/path"] {
                let from = Url::parse(&format!("{below}{asked}")).unwrap();
                let to = from.join(moved.as_ref().unwrap()).unwrap();
                assert_eq!(to.as_str(), format!("{below}{within}"), "{asked}");
            }
        }
        for asked in ["/", "/12", "/docs/", "/docs", "/api/v1/sources", "*", "/lsst/12"] {
            assert_eq!(rewritten(asked, ""), None, "{asked}");
        }
    }

    #[test]
    fn the_path_of_the_public_url_may_be_there_or_not() {
        for (asked, within, moved) in [
            ("/lsst/", "/", None),
            ("/lsst/12", "/12", None),
            ("/lsst/docs/", "/docs/", None),
            ("/lsst", "/", Some("lsst/")),
            ("/lsst/12/", "/12", Some("../../lsst/12")),
            ("//lsst//12", "/12", Some("../../../lsst/12")),
            ("/12/", "/12", Some("../12")),
        ] {
            let expected = Some((within.to_string(), moved.map(String::from)));
            assert_eq!(rewritten(asked, "/lsst"), expected, "{asked}");
        }
        assert_eq!(rewritten("/12", "/lsst"), None);
        assert_eq!(rewritten("/lsst2", "/lsst"), Some(("/lsst2".to_string(), None)));
    }

    #[test]
    fn what_is_asked_of_a_path_stays() {
        let public_url = Some("https://example.org/lsst/".parse().unwrap());
        let origins = Origins { public_url, ..Origins::default() };
        let rewritten = |uri: &'static str| {
            let mut request = Request::new(());
            *request.uri_mut() = Uri::from_static(uri);
            origins.rewrite(&mut request);
            (request.uri().to_string(), request.extensions().get::<Moved>().cloned())
        };
        let asked = rewritten("https://example.org/lsst/objects/?diaObjectId=1%2C2");
        let moved = Moved("../../lsst/objects?diaObjectId=1%2C2".to_string());
        assert_eq!(
            asked,
            ("https://example.org/objects?diaObjectId=1%2C2".to_string(), Some(moved))
        );
        let asked = rewritten("/lsst/12?columns=//");
        assert_eq!(asked, ("/12?columns=//".to_string(), None));
    }

    #[test]
    fn a_prefix_that_is_a_path_of_ours_is_left_to_the_proxy() {
        for (url, kept) in [
            ("https://a.b/some/path/", "/some/path"),
            ("https://a.b/", ""),
            ("https://a.b/api/", ""),
            ("https://a.b/docs/lsst", ""),
            ("https://a.b/12/", ""),
        ] {
            let public_url = Some(url.parse().unwrap());
            assert_eq!(Origins { public_url, ..Origins::default() }.kept_prefix(), kept, "{url}");
        }
    }
}
