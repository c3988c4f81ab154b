//! Which addresses a gateway may call for a partner: those of the public internet (threats T41,
//! T42). Whoever registers an address may mean the gateway's own network by it.
//!
//! | looked at | when |
//! | --- | --- |
//! | the URL: scheme, host, port ([`CallbackUrl`]) | when it is registered, and before it is called |
//! | every address that its name leads to ([`is_public`]) | when a connection is made |

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// An address of a partner's that may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackUrl(Url);

/// Why an address may not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCallback {
    /// Not a URL.
    #[error("not a URL")]
    Malformed,
    /// Something else than `https`.
    #[error("its scheme must be https")]
    Scheme,
    /// It has a user, a password or a fragment.
    #[error("it must have no user, no password and no fragment")]
    Parts,
    /// A name of one's own network, or an address that is not of the public internet.
    #[error("its host must be a name or an address of the public internet")]
    Host,
    /// A port on which no web server is.
    #[error("its port must be 443, or 1024 or more")]
    Port,
    /// Longer than 2,048 characters.
    #[error("it is longer than 2048 characters")]
    Length,
}

const MOST: usize = 2_048;
/// Names that no public server has (RFC 6761, 6762, 8375, and what clouds use).
const OWN: [&str; 9] =
    ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa"];

impl CallbackUrl {
    /// Reads an address. `private` allows the gateway's own network and `http`: for tests and
    /// demonstrations on one machine.
    ///
    /// # Errors
    /// [`BadCallback`].
    pub fn parse(text: &str, private: bool) -> Result<Self, BadCallback> {
        if text.len() > MOST {
            return Err(BadCallback::Length);
        }
        // As browsers read it: `0x7f.1`, `2130706433` and full-width digits are addresses.
        let url = Url::parse(text).map_err(|_| BadCallback::Malformed)?;
        if url.scheme() != "https" && !(private && url.scheme() == "http") {
            return Err(BadCallback::Scheme);
        }
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || url.fragment().is_some() {
            return Err(BadCallback::Parts);
        }
        let host = url.host_str().ok_or(BadCallback::Host)?;
        if !private && !is_public_host(host) {
            return Err(BadCallback::Host);
        }
        if !private && url.port().is_some_and(|port| port < 1_024) {
            return Err(BadCallback::Port);
        }
        Ok(Self(url))
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a host, as a URL has it, may be of the public internet: what its name leads to is looked
/// at when it is called.
fn is_public_host(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = literal.parse::<IpAddr>() {
        return is_public(address);
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let under = |own: &str| name == own || name.ends_with(&format!(".{own}"));
    name.contains('.') && !name.ends_with('.') && !OWN.iter().any(|own| under(own))
}

/// Whether an address is of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// RFC 6890 and the IANA registry of special-purpose addresses, and multicast.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224.., _, _)
    )
}

/// Global unicast (2000::/3) without what is special in it; and no IPv4 address in other clothes
/// that is not public itself.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [a, b, ..] = segments;
    let embedded = |high: u16, low: u16| {
        let ([p, q], [r, s]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(p, q, r, s))
    };
    match segments {
        // IPv4-mapped and -compatible addresses, and NAT64 (RFC 6052), by what they stand for.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => embedded(high, low),
        _ => {
            let special = matches!(
                (a, b),
                // IETF protocols (2001::/23, Teredo among them), documentation.
                (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff)
            );
            (0x2000..=0x3fff).contains(&a) && !special
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<BadCallback> {
        CallbackUrl::parse(text, false).err()
    }

    #[test]
    fn addresses_of_ones_own_network_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "１２７.0.0.1",
            "127.0.0.1.",
            "[::1]",
            "[::]",
            "[::ffff:10.0.0.1]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[fc00::1]",
            "[fd12::1]",
            "[fe80::1]",
            "[ff02::1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:7f00:1::]",
            "[2001:db8::1]",
            "[2001::1]",
            "[3fff::1]",
            "[5f00::1]",
            "localhost",
            "localhost.",
            "LOCALHOST",
            "db.localhost",
            "metadata.google.internal",
            "printer.local",
            "intranet",
            "router.lan",
            "a.home.arpa",
            "a.b.internal.",
        ] {
            assert_eq!(refused(&format!("https://{host}/hook")), Some(BadCallback::Host), "{host}");
            assert!(CallbackUrl::parse(&format!("https://{host}/hook"), true).is_ok(), "{host}");
        }
    }

    #[test]
    fn addresses_of_the_public_internet_are_taken() {
        for text in [
            "https://hooks.example.com/in?x=1",
            "https://example.com:8443/",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
            "https://172.32.0.1/",
            "https://100.128.0.1/",
            "https://[::ffff:8.8.8.8]/",
            "https://example.com./",
            "https://internal.example.com/",
            "https://localhost.example.com/",
            "https://[64:ff9b::8.8.8.8]/",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_https_address_is_refused() {
        for (text, why) in [
            ("", BadCallback::Malformed),
            ("hooks.example.com", BadCallback::Malformed),
            ("https://", BadCallback::Malformed),
            ("https://256.256.256.256/", BadCallback::Malformed),
            ("http://example.com/", BadCallback::Scheme),
            ("ftp://example.com/", BadCallback::Scheme),
            ("file:///etc/passwd", BadCallback::Scheme),
            ("https://user@example.com/", BadCallback::Parts),
            ("https://:secret@example.com/", BadCallback::Parts),
            ("https://example.com/#x", BadCallback::Parts),
            ("https://example.com:22/", BadCallback::Port),
            ("https://example.com:80/", BadCallback::Port),
        ] {
            assert_eq!(refused(text), Some(why), "{text}");
        }
        let long = format!("https://example.com/{}", "x".repeat(MOST));
        assert_eq!(refused(&long), Some(BadCallback::Length));
        assert_eq!(CallbackUrl::parse("ftp://localhost/", true), Err(BadCallback::Scheme));
    }
}
