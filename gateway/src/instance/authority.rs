//! The names a gateway is called by: what `@authority` of a signed request is compared with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::Uri;

/// The URL of an address, as seen from this machine.
#[must_use]
pub fn url_of(listen: SocketAddr) -> String {
    format!("http://{}", reachable(listen))
}

/// An address that can be called: "all addresses" is reached by the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => {
            SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port()))
        }
        IpAddr::V6(ip) if ip.is_unspecified() => {
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, listen.port()))
        }
        _ => listen,
    }
}

/// The authority of `http(s)://host[:port]`: lower case, without the scheme's own port.
///
/// # Errors
/// What is wrong with it.
pub fn authority_of(url: &str) -> Result<String, String> {
    let wrong = || format!("must be http(s)://host[:port] without a path, not \"{url}\"");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
    let authority = uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
    let (scheme, authority) = scheme.zip(authority).ok_or_else(wrong)?;
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    if bare && !authority.contains('@') && !url.contains('#') {
        Ok(without_default_port(&authority, scheme))
    } else {
        Err(wrong())
    }
}

fn without_default_port(authority: &str, scheme: &str) -> String {
    let default = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(default).unwrap_or(authority).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_has_one_authority() {
        let pairs = [
            ("https://Gateway.example", "gateway.example"),
            ("https://gateway.example:443/", "gateway.example"),
            ("http://127.0.0.1:8787", "127.0.0.1:8787"),
            ("http://[::1]:8787", "[::1]:8787"),
        ];
        for (url, authority) in pairs {
            assert_eq!(authority_of(url).as_deref(), Ok(authority));
        }
        for bad in ["gateway.example", "ftp://x.example", "https://x.example/v1", "https://u@x.y"] {
            assert!(authority_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn all_addresses_are_reached_by_the_loopback_one() {
        assert_eq!(url_of("0.0.0.0:8787".parse().unwrap()), "http://127.0.0.1:8787");
        assert_eq!(url_of("[::]:8787".parse().unwrap()), "http://[::1]:8787");
        assert_eq!(url_of("10.0.0.7:80".parse().unwrap()), "http://10.0.0.7:80");
    }
}
