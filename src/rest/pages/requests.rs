//! How to have an object's rows in one's own program. In: the object, and where the server is. Out: links to download, and
//! requests to copy.

use askama::Template;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::encode::Format;

const FORWARDED_PROTOCOL: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where a client reached the server.
pub struct Origin {
    host: String,
    encrypted: bool,
}

impl Origin {
    /// From what the client sent, as far as that is safe to stand in a command: a host and a port are letters, digits and `-.:[]`.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let sent = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = sent.or_else(|| uri.authority().map(Authority::as_str)).filter(|host| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
            !host.is_empty() && host.chars().all(plain)
        });
        let forwarded = headers.get(FORWARDED_PROTOCOL).map(HeaderValue::as_bytes);
        let encrypted = forwarded == Some(b"https") || uri.scheme_str() == Some("https");
        Self { host: host.unwrap_or("localhost:8080").to_string(), encrypted }
    }

    pub fn http(&self) -> String {
        format!("{}://{}", if self.encrypted { "https" } else { "http" }, self.host)
    }

    /// An address has a port for gRPC.
    fn grpc(&self) -> String {
        let (scheme, port) = if self.encrypted { ("grpc+tls", 443) } else { ("grpc", 80) };
        let is_name = !self.host.rsplit(']').next().unwrap_or_default().contains(':');
        let port = if is_name { format!(":{port}") } else { String::new() };
        format!("{scheme}://{}{port}", self.host)
    }
}

/// The rows of one endpoint, to download.
struct Endpoint {
    name: &'static str,
    about: &'static str,
}

const ENDPOINTS: [Endpoint; 3] = [
    Endpoint { name: "sources", about: "Detections" },
    Endpoint { name: "fp", about: "Forced photometry" },
    Endpoint { name: "objects", about: "The object" },
];

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h2 id="download">Download</h2>
<dl class="downloads">
{% for endpoint in ENDPOINTS %}<div><dt>{{ endpoint.about }}</dt><dd>
{% for format in Format::ALL %}<a href="/api/v1/{{ endpoint.name }}?diaObjectId={{ id }}&amp;output-format={{ format.name() }}" download="{{ endpoint.name }}-{{ id }}.{{ format.extension() }}">{{ format.name() }}</a>
{% endfor %}</dd></div>
{% endfor %}</dl>
<p class="hint">All columns of all rows. <a href="/docs">The API</a> has the arguments that choose among them.</p>
<h2 id="requests">The same from a program</h2>
{% for request in requests %}<section class="request">
<h3 id="{{ request.id }}-name">{{ request.name }}</h3>
<button type="button" data-copy="{{ request.id }}" class="scripted">Copy</button>
<pre tabindex="0" role="region" aria-labelledby="{{ request.id }}-name"><code id="{{ request.id }}">{{ request.text }}</code></pre>
</section>
{% endfor %}<p class="unseen" id="copied" aria-live="polite"></p>
"#
)]
pub struct Requests {
    id: i64,
    requests: [Request; 3],
}

/// A request to copy.
struct Request {
    id: &'static str,
    name: &'static str,
    text: String,
}

impl Requests {
    pub fn of(id: i64, origin: &Origin) -> Self {
        let (http, grpc) = (origin.http(), origin.grpc());
        let python = format!(
            r#"import pandas

light_curve = pandas.read_parquet(
    "{http}/api/v1/sources?diaObjectId={id}&output-format=parquet"
)"#
        );
        let curl = format!("curl '{http}/api/v1/sources?diaObjectId={id}&output-format=csv'");
        let flight = format!(
            r#"import json

import pyarrow.flight as flight

client = flight.connect("{grpc}")
asked = json.dumps({{"endpoint": "sources", "diaObjectId": "{id}"}})
info = client.get_flight_info(flight.FlightDescriptor.for_command(asked))
light_curve = client.do_get(info.endpoints[0].ticket).read_pandas()"#
        );
        let requests = [
            Request { id: "python", name: "Python, pandas", text: python },
            Request { id: "curl", name: "curl", text: curl },
            Request { id: "flight", name: "Python, Arrow Flight", text: flight },
        ];
        Self { id, requests }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_the_client_used() {
        let origin = |uri: &'static str, sent: &[(HeaderName, &'static str)]| {
            let headers =
                sent.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            let origin = Origin::of(&Uri::from_static(uri), &headers.collect());
            (origin.http(), origin.grpc())
        };
        for (uri, sent, http, grpc) in [
            ("/1", &[(HOST, "a.b:8080")][..], "http://a.b:8080", "grpc://a.b:8080"),
            ("/1", &[(HOST, "[::1]:80")], "http://[::1]:80", "grpc://[::1]:80"),
            ("/1", &[(HOST, "[::1]")], "http://[::1]", "grpc://[::1]:80"),
            ("https://a.b/1", &[], "https://a.b", "grpc+tls://a.b:443"),
            (
                "/1",
                &[(HOST, "a.b"), (FORWARDED_PROTOCOL, "https")],
                "https://a.b",
                "grpc+tls://a.b:443",
            ),
            ("/1", &[(HOST, "a'; rm -r \"")], "http://localhost:8080", "grpc://localhost:8080"),
            ("/1", &[], "http://localhost:8080", "grpc://localhost:8080"),
        ] {
            assert_eq!(origin(uri, sent), (http.to_string(), grpc.to_string()), "{sent:?}");
        }
    }
}
