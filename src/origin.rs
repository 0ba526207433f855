//! The [`Origin`] (scheme, host and path) by which a client reaches the server, for the requests that it copies. It comes from the
//! settings, or from the request.
//!
//! What stands in `X-Forwarded-Proto`, `-Host` and `-Prefix` is believed of trusted proxies alone: anybody can send it.

mod forwarded;
mod path;
mod settings;

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri};

pub(crate) use forwarded::client_address;
pub use path::Moved;
pub use settings::Network;

/// The address of the other end of a connection. It is among the extensions of each of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// The address that a request comes from, behind trusted proxies, too. It is among the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// The settings about where clients reach the server.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// If given, it is used for every client.
    pub public_url: Option<Origin>,
    /// The proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether connections are encrypted.
    pub is_encrypted: bool,
}

/// The address that a request was sent to, by its own headers and connection.
#[derive(Debug)]
pub struct AskedAt {
    peer: Option<Peer>,
    uri: Uri,
    headers: HeaderMap,
}

/// A scheme, a host, and the path that comes before the server's own paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    is_encrypted: bool,
    host: String,
    /// Empty, or `/some/path`.
    prefix: String,
}

impl<S: Sync> FromRequestParts<S> for AskedAt {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let (uri, headers) = (parts.uri.clone(), parts.headers.clone());
        Ok(Self { peer: parts.extensions.get().copied(), uri, headers })
    }
}

impl Origins {
    /// Whether an address is one of a trusted proxy.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// The origin by which a client reached the server. Headers are used only if their values are safe in a shell command.
    pub fn origin(&self, asked: &AskedAt) -> Origin {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        let is_trusted = asked.peer.is_some_and(|Peer(address)| self.is_proxy(address));
        let told = |name: &str| asked.first(name).filter(|_| is_trusted);
        let is_encrypted = match told("x-forwarded-proto") {
            Some("https") => true,
            Some("http") => false,
            _ => self.is_encrypted,
        };
        let own = asked.first(HOST.as_str()).or(asked.uri.authority().map(Authority::as_str));
        let host = told("x-forwarded-host").filter(|host| is_host(host));
        let host = host.or(own.filter(|host| is_host(host))).unwrap_or("localhost:8080");
        let prefix = told("x-forwarded-prefix").map(|prefix| prefix.trim_end_matches('/'));
        let prefix = prefix.filter(|prefix| is_prefix(prefix)).unwrap_or_default();
        Origin { is_encrypted, host: host.to_string(), prefix: prefix.to_string() }
    }
}

impl AskedAt {
    /// The first value of a header. Each proxy appends its own, so the first one is about the client.
    fn first(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name).map(HeaderValue::to_str)?.ok()?;
        Some(value.split(',').next().unwrap_or_default().trim())
    }
}

fn is_host(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    !text.is_empty() && text.chars().all(is_plain)
}

fn is_prefix(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~%/".contains(c);
    text.is_empty() || text.starts_with('/') && text.chars().all(is_plain)
}

impl Origin {
    /// The path before the server's own paths: empty, or `/some/path`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Without a slash at the end.
    pub fn http(&self) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host, self.prefix)
    }

    /// The address for gRPC, which has a port and no path; `None` if the origin has a path.
    pub fn grpc(&self) -> Option<String> {
        let (scheme, port) = if self.is_encrypted { ("grpc+tls", 443) } else { ("grpc", 80) };
        let is_name = !self.host.rsplit(']').next().unwrap_or_default().contains(':');
        let port = if is_name { format!(":{port}") } else { String::new() };
        self.prefix.is_empty().then(|| format!("{scheme}://{}{port}", self.host))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn asked(peer: &str, headers: &[(&'static str, &'static str)]) -> AskedAt {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers = headers.iter().map(header).collect();
        let peer = Some(Peer(peer.parse().unwrap()));
        AskedAt { peer, uri: Uri::from_static("/1"), headers }
    }

    #[test]
    fn an_origin_is_what_the_client_used() {
        let told = |is_encrypted, host| {
            let origins = Origins { is_encrypted, ..Origins::default() };
            let origin = origins.origin(&asked("192.0.2.1", &[("host", host)]));
            (origin.http(), origin.grpc().unwrap())
        };
        for (encrypted, host, http, grpc) in [
            (false, "a.b:8080", "http://a.b:8080", "grpc://a.b:8080"),
            (false, "[::1]:80", "http://[::1]:80", "grpc://[::1]:80"),
            (false, "[::1]", "http://[::1]", "grpc://[::1]:80"),
            (true, "a.b", "https://a.b", "grpc+tls://a.b:443"),
            (false, "a'; rm -r \"", "http://localhost:8080", "grpc://localhost:8080"),
        ] {
            assert_eq!(told(encrypted, host), (http.to_string(), grpc.to_string()));
        }
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_nobody_else() {
        let trusted_proxies = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"];
        let trusted_proxies = trusted_proxies.map(|network| network.parse().unwrap()).to_vec();
        let origins = Origins { trusted_proxies, ..Origins::default() };
        let sent = [
            ("host", "inner:8080"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "a.b, c.d"),
            ("x-forwarded-prefix", "/some/path/"),
        ];
        for (peer, http) in [
            ("10.1.2.3", "https://a.b/some/path"),
            ("::ffff:10.1.2.3", "https://a.b/some/path"),
            ("192.0.2.7", "https://a.b/some/path"),
            ("2001:db8::1", "https://a.b/some/path"),
            ("192.0.2.8", "http://inner:8080"),
            ("2001:db9::1", "http://inner:8080"),
        ] {
            let origin = origins.origin(&asked(peer, &sent));
            assert_eq!(origin.http(), http, "{peer}");
            assert_eq!(origin.grpc().is_some(), http == "http://inner:8080");
        }
        let bad = [("host", "a.b"), ("x-forwarded-host", "c\"d"), ("x-forwarded-prefix", "/';x")];
        assert_eq!(origins.origin(&asked("10.0.0.1", &bad)).http(), "http://a.b");
    }

    #[test]
    fn a_public_url_goes_before_all_else() {
        let public_url = Some("https://example.org/some/path/".parse().unwrap());
        let origins = Origins { public_url, ..Origins::default() };
        let origin = origins.origin(&asked("192.0.2.1", &[("host", "a.b")]));
        assert_eq!(origin.http(), "https://example.org/some/path");
    }
}
