//! Whether an order comes from the page itself, or from somebody who is no browser.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header};

/// Refuses what a page of another site made a browser send, and a name that somebody else's server has let point here.
pub(super) fn check(fields: &HeaderMap) -> Result<(), &'static str> {
    let text = |name: &str| fields.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(header::HOST.as_str()).unwrap_or_default();
    if !is_literal(host) {
        return Err("orders are taken for an address or localhost, not for a name");
    }
    // Browsers say where a request comes from; other programs don't, and do as their users want.
    if let Some(site) = text("sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return Err("orders are not taken from other sites");
    }
    match text(header::ORIGIN.as_str()) {
        Some(origin) if origin.strip_prefix("http://") != Some(host) => Err("orders are not taken from other origins"),
        _ => Ok(()),
    }
}

fn is_literal(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.parse::<u16>().is_ok() { name } else { host });
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    name.eq_ignore_ascii_case("localhost") || host.parse::<SocketAddr>().is_ok() || bare.parse::<IpAddr>().is_ok()
}

/// A value of a query without its percent signs; `None` if it is none.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The same way back.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(fields: &[(&'static str, &str)]) -> bool {
        let fields = fields.iter().map(|&(name, value)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_str(value).unwrap())
        });
        check(&fields.collect()).is_ok()
    }

    #[test]
    fn orders_come_from_the_page_or_from_programs() {
        let host = ("host", "127.0.0.1:9901");
        assert!(said(&[host]));
        assert!(
            said(&[("host", "localhost:9901")]) && said(&[("host", "[::1]:9901")]) && said(&[("host", "10.0.0.1")])
        );
        assert!(said(&[host, ("origin", "http://127.0.0.1:9901"), ("sec-fetch-site", "same-origin")]));
        assert!(!said(&[host, ("origin", "http://evil.example")]));
        assert!(!said(&[host, ("origin", "null")]));
        assert!(!said(&[host, ("origin", "http://127.0.0.1:8080")]));
        assert!(!said(&[host, ("sec-fetch-site", "cross-site")]) && !said(&[host, ("sec-fetch-site", "same-site")]));
        // A name of somebody else's that leads here, whose page is then of the same origin.
        assert!(!said(&[("host", "evil.example:9901"), ("origin", "http://evil.example:9901")]));
        assert!(!said(&[]));
    }

    #[test]
    fn names_travel_through_a_query() {
        for name in ["app", "a b&c=d", "ä/%", "[::1]:80"] {
            assert_eq!(decoded(&encoded(name)).as_deref(), Some(name));
        }
        assert_eq!(decoded("a+b%20c").as_deref(), Some("a b c"));
        assert_eq!((decoded("%"), decoded("%4"), decoded("%zz"), decoded("%FF")), (None, None, None, None));
    }
}
