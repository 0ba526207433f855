//! Who asks. In: the address at the other end of a connection, and whether the token came with the call. Out: the [`Caller`] by whom
//! a limit is shared.
//!
//! Behind a proxy every request comes from the proxy's address: there, give one address all there is
//! (`max_share_percent` 100), and let the proxy tell its clients apart.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::Extensions;

/// One address, or one network of IPv6: whoever has one address there has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

/// Who asks for permits or memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// No more than a share of a limit is for one client; work of nobody in particular has no share.
    pub client: Option<Client>,
    /// A part of some limits is for those who have the token, so that nobody else can keep them out; on a server without a token
    /// that is everybody.
    pub has_token: bool,
}

impl From<Option<Client>> for Caller {
    fn from(client: Option<Client>) -> Self {
        Self { client, has_token: false }
    }
}

/// The bits of an IPv6 address that name its network: a customer has 56 of them, or all the addresses of some server.
const NETWORK: u128 = u128::MAX << 72;

impl Client {
    pub fn from_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                Self(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)))
            }
            address => Self(address),
        }
    }

    /// The client of a request, as the connection that it came by noted; `None` for what came by none.
    pub fn of_request(extensions: &Extensions) -> Option<Self> {
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
