//! Where a client is: the other end of the connection, or what a trusted proxy says about it.

use std::net::IpAddr;

use ipnet::IpNet;
use poem::{Addr, Request, http::HeaderMap};

/// The proxies whose word counts.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Those in these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Where the client is.
    pub(super) fn client(&self, request: &Request) -> Option<IpAddr> {
        let Addr::SocketAddr(peer) = &request.remote_addr().0 else { return None };
        Some(self.behind(peer.ip(), request.headers()))
    }

    /// Who is behind the peer. `X-Forwarded-For` is read from its end, where our own proxies have written, as far as they are
    /// trusted; what a client wrote in front of that is never looked at.
    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let told: Vec<&[u8]> = headers.get_all("x-forwarded-for").iter().map(|value| value.as_bytes()).collect();
        let told = told.join(&b","[..]);
        for part in told.rsplit(|byte| *byte == b',') {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = parse(part) else { break };
            client = address;
        }
        client
    }
}

/// An address, perhaps with a port: proxies write either.
fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse().map(|socket: std::net::SocketAddr| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {

    use super::*;

    fn client(peer: &str, trusted: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = trusted.split(' ').filter(|text| !text.is_empty()).map(|text| text.parse().unwrap()).collect();
        TrustedProxies::new(trusted).behind(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (peer, trusted, forwarded, expected) in [
            ("9.9.9.9", "", &["1.1.1.1"][..], "9.9.9.9"),
            ("9.9.9.9", "10.0.0.0/8", &["1.1.1.1"], "9.9.9.9"),
            ("10.0.0.1", "10.0.0.0/8", &[], "10.0.0.1"),
            ("10.0.0.1", "10.0.0.0/8", &["1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", "10.0.0.0/8", &["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", "10.0.0.0/8", &["6.6.6.6", "1.1.1.1, 10.0.0.2"], "1.1.1.1"),
            ("10.0.0.1", "10.0.0.0/8", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", "10.0.0.0/8", &["6.6.6.6, nonsense"], "10.0.0.1"),
            ("10.0.0.1", "10.0.0.0/8", &["6.6.6.6, "], "10.0.0.1"),
            ("10.0.0.1", "10.0.0.0/8", &["6.6.6.6, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", "10.0.0.0/8", &["1.1.1.1:5000"], "1.1.1.1"),
            ("::ffff:10.0.0.1", "10.0.0.0/8", &["::ffff:1.1.1.1"], "1.1.1.1"),
            ("fd00::1", "fd00::/8", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("fd00::1", "fd00::/8", &["[2001:db8::7]"], "2001:db8::7"),
        ] {
            assert_eq!(client(peer, trusted, forwarded), expected, "{peer} {trusted} {forwarded:?}");
        }
    }

    #[test]
    fn a_header_of_the_largest_size_is_no_burden() {
        let long = "10.0.0.9, ".repeat(3_000) + "10.0.0.9";
        assert_eq!(client("10.0.0.1", "10.0.0.0/8", &[&long]), "10.0.0.9");
    }
}
