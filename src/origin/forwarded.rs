//! The address of the client behind trusted proxies.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use super::Network;

/// Each proxy appends the address that it was called from. It may be sent in several lines.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request comes from: the last one in `X-Forwarded-For` that is none of a trusted proxy, where the other end of the
/// connection is one; else that end. What stands before it in the header, anybody can write.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(*address));
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut addresses = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let mut client = peer;
    while is_trusted(&client) {
        match addresses.next().map(address) {
            Some(Some(address)) => client = address,
            _ => break,
        }
    }
    client.to_canonical()
}

/// An address, to which some proxies append the port. What stands before it may be anything.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_trusted_proxies_say_is_believed_and_nothing_else() {
        let trusted = ["10.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
        for (peer, sent, client) in [
            ("192.0.2.1", &["203.0.113.7"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::1", &["1.2.3.4, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("::1", &["1.2.3.4", "203.0.113.7", "10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["1.2.3.4, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["10.0.0.3"], "10.0.0.3"),
            ("10.0.0.1", &["\u{ff}, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7:4567"], "203.0.113.7"),
            ("10.0.0.1", &["[2001:db8::1]:4567, [::1]"], "2001:db8::1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in sent {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            let found = client_address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found.to_string(), client, "{peer} {sent:?}");
        }
    }
}
