//! Parses the settings about where the server is: an [`Origin`] and [`Network`]s, or an error that says what would be right.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::Url;

use super::{Origin, is_host, is_prefix};

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let right = "give a URL such as https://example.org/some/path/";
        let url = Url::parse(text).map_err(|error| format!("{error}; {right}"))?;
        let host = url.host_str().map(|host| match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        });
        let prefix = url.path().trim_end_matches('/').to_string();
        let is_bare = url.query().is_none() && url.fragment().is_none();
        let is_bare = is_bare && url.username().is_empty() && url.password().is_none();
        let is_http = ["http", "https"].contains(&url.scheme());
        match host.filter(|host| is_http && is_bare && is_host(host) && is_prefix(&prefix)) {
            Some(host) => Ok(Self { is_encrypted: url.scheme() == "https", host, prefix }),
            None => Err(format!("only http or https, a host and a path are allowed; {right}")),
        }
    }
}

/// An IP address, or a network of them.
#[derive(Clone, Debug)]
pub struct Network(IpNet);

impl Network {
    /// Whether an address is of the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network
            .map(Self)
            .map_err(|_| "give addresses or networks, such as 10.0.0.0/8,192.0.2.7".to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_scheme_a_host_and_a_path() {
        for (text, http) in [
            ("https://example.org/some/path/", "https://example.org/some/path"),
            ("http://example.org:81", "http://example.org:81"),
            ("https://[2001:db8::1]:444/", "https://[2001:db8::1]:444"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().http(), http);
        }
        for text in
            ["example.org", "ftp://a.b", "https://a:b@c.d", "https://a.b/?x", "https://a.b/'"]
        {
            assert!(text.parse::<Origin>().unwrap_err().contains("give a URL"), "{text}");
        }
    }

    #[test]
    fn a_network_is_an_address_and_perhaps_a_prefix() {
        for (text, address, is_within) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("::1", "::1", true),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), is_within, "{text} {address}");
        }
        assert!("10.0.0.0/33".parse::<Network>().unwrap_err().contains("10.0.0.0/8"));
    }
}
