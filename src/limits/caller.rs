//! Who sends a request: the address of its client, and whether the token came with it. Limits are shared out by [`Caller`].
//!
//! The address is that at the other end of the connection, or the one that a trusted proxy names there. Behind another proxy, give one
//! address all there is (`max_share_percent` 100).

use std::net::{IpAddr, Ipv6Addr};

use axum::http::Extensions;

/// The address of a client, or its IPv6 network: whoever has one address of a network can use all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

/// The client that requests permits or memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// The client, which gets no more than a share of each limit. `None` is work of the server itself, without a share.
    pub client: Option<Client>,
    /// Whether the caller has the token, or the server needs none. Some limits reserve a part for such callers.
    pub has_token: bool,
}

impl From<Option<Client>> for Caller {
    fn from(client: Option<Client>) -> Self {
        Self { client, has_token: false }
    }
}

/// The bits of an IPv6 address that name its network (/56): providers give each customer at least one such network.
const NETWORK: u128 = u128::MAX << 72;

impl Client {
    /// The client of an address.
    pub fn from_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                Self(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)))
            }
            address => Self(address),
        }
    }

    /// The client of a request, which its connection has put among the extensions; `None` for a request without a connection.
    pub fn from_extensions(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_client_and_so_is_a_network_of_ipv6() {
        let client = |text: &str| Client::from_address(text.parse().unwrap());
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", true),
            ("2001:db8:0:1::1", "2001:db8:0:101::1", false),
        ] {
            assert_eq!(client(one) == client(other), same, "{one} {other}");
        }
    }
}
