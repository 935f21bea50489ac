//! The four forms of a request target, and the hosts in them (RFC 9112, section 3.2).

use http::Method;
use memchr::memchr;

use super::chars::{address_len, host_len, target_len, token_len};
use super::error::Error;

/// The form of a request's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetForm {
    /// `/path?query`: what servers are asked.
    Origin,
    /// `http://host/path?query`: what proxies are asked.
    Absolute,
    /// `host:port`: what `CONNECT` asks, and only it.
    Authority,
    /// `*`: the server as a whole, in `OPTIONS` only.
    Asterisk,
}

/// Which form a target has, or that it has none that its method allows.
pub(super) fn form(method: &Method, target: &[u8]) -> Result<TargetForm, Error> {
    if target_len(target) < target.len() {
        return Err(Error::Target);
    }
    match target {
        _ if *method == Method::CONNECT => {
            let port = target.iter().rposition(|&b| b == b':').map(|colon| &target[colon + 1..]);
            let whole = is_authority(target) && !target.starts_with(b":");
            let port = port.is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit));
            if whole && port { Ok(TargetForm::Authority) } else { Err(Error::Target) }
        }
        [b'/', ..] => Ok(TargetForm::Origin),
        b"*" if *method == Method::OPTIONS => Ok(TargetForm::Asterisk),
        _ => {
            let authority = authority(TargetForm::Absolute, target).ok_or(Error::Target)?;
            let host = !authority.is_empty() && !authority.starts_with(b":") && is_authority(authority);
            let scheme = target.first().is_some_and(u8::is_ascii_alphabetic);
            if host && scheme { Ok(TargetForm::Absolute) } else { Err(Error::Target) }
        }
    }
}

/// The host and port in a target that has them.
pub(super) fn authority(form: TargetForm, target: &[u8]) -> Option<&[u8]> {
    match form {
        TargetForm::Authority => Some(target),
        TargetForm::Absolute => {
            let scheme = memchr(b':', target).filter(|&colon| token_len(target) == colon)?;
            let rest = target[scheme..].strip_prefix(b"://")?;
            let end = rest.iter().position(|&b| b == b'/' || b == b'?').unwrap_or(rest.len());
            Some(&rest[..end])
        }
        TargetForm::Origin | TargetForm::Asterisk => None,
    }
}

/// Whether this is a host with or without a port, or nothing. Stricter than RFC 3986 in two points: there is no user in
/// front (`user@host`), and no comma.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    let rest = match bytes {
        [b'[', rest @ ..] => match rest.split_at(address_len(rest)) {
            ([_, ..], [b']', rest @ ..]) => rest,
            _ => return false,
        },
        _ => &bytes[host_len(bytes)..],
    };
    match rest {
        [] => true,
        [b':', port @ ..] => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The host, and the port behind its colon.
fn split_port(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let from = memchr(b']', bytes).map_or(0, |bracket| bracket + 1);
    match memchr(b':', &bytes[from..]) {
        Some(colon) => (&bytes[..from + colon], Some(&bytes[from + colon + 1..])),
        None => (bytes, None),
    }
}

/// The port that a target means which names none (RFC 9110, sections 4.2.1 and 4.2.2).
fn default_port(form: TargetForm, target: &[u8]) -> Option<&'static [u8]> {
    let scheme = match form {
        TargetForm::Absolute => &target[..token_len(target)],
        _ => return None,
    };
    let known: [(&[u8], &[u8]); 2] = [(b"http", b"80"), (b"https", b"443")];
    known.iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name)).map(|(_, port)| *port)
}

/// Whether `Host` names what the target names, or the target names nothing. RFC 9112, section 3.2.2, would have an origin
/// server ignore `Host` beside an absolute target; whoever routes by the other one of the two would send the request
/// elsewhere, so they have to agree. A port may be missing on one side where it is the scheme's own (RFC 9110, section
/// 4.2.3); for `CONNECT`, whose port is never the default, `Host` may leave it out, as some clients do.
pub(super) fn agrees(form: TargetForm, target: &[u8], host: &[u8]) -> bool {
    let Some(authority) = authority(form, target) else { return true };
    let ((name, port), (other, other_port)) = (split_port(authority), split_port(host));
    let default = default_port(form, target);
    let meant =
        |port: Option<&'_ [u8]>| port.filter(|port| !port.is_empty() && Some(*port) != default).map(<[u8]>::to_vec);
    name.eq_ignore_ascii_case(other)
        && match (form, other_port) {
            (TargetForm::Authority, None) => true,
            _ => meant(port) == meant(other_port),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_only_where_it_belongs() {
        use TargetForm::{Absolute, Asterisk, Authority, Origin};
        let of = |method: Method, target: &str| form(&method, target.as_bytes()).ok();
        for (method, target, expected) in [
            (Method::GET, "/", Some(Origin)),
            (Method::GET, "/a?b=c|d{e}\"", Some(Origin)),
            (Method::GET, "//double", Some(Origin)),
            (Method::GET, "/a#b", None),
            (Method::GET, "/caf\u{e9}", None),
            (Method::GET, "*", None),
            (Method::OPTIONS, "*", Some(Asterisk)),
            (Method::OPTIONS, "**", None),
            (Method::GET, "http://a", Some(Absolute)),
            (Method::GET, "https://a:8443?q", Some(Absolute)),
            (Method::GET, "http://[::1]:80/x", Some(Absolute)),
            (Method::GET, "http://", None),
            (Method::GET, "http:///x", None),
            (Method::GET, "http://user@a/", None),
            (Method::GET, "http:/a", None),
            (Method::GET, "a:80", None),
            (Method::GET, "a/b", None),
            (Method::CONNECT, "a:443", Some(Authority)),
            (Method::CONNECT, "[::1]:443", Some(Authority)),
            (Method::CONNECT, "a", None),
            (Method::CONNECT, "a:", None),
            (Method::CONNECT, ":443", None),
            (Method::CONNECT, "a:443/", None),
            (Method::CONNECT, "http://a:443", None),
            (Method::CONNECT, "/", None),
        ] {
            assert_eq!(of(method.clone(), target), expected, "{method} {target}");
        }
    }

    #[test]
    fn hosts() {
        for right in ["", "a", "a.b:80", "1.2.3.4", "[::1]", "[::1]:8080", "a_b", "a:"] {
            assert!(is_authority(right.as_bytes()), "{right}");
        }
        for wrong in ["a b", "a,b", "u@a", "a:b", "a:80:80", "[::1", "[]", "a/b", "[::1]x", "a:123456", "a\\b", "a?b"] {
            assert!(!is_authority(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_host_agrees_with_the_target_or_not() {
        let agrees = |target: &str, host: &str| super::agrees(TargetForm::Absolute, target.as_bytes(), host.as_bytes());
        for (target, host) in [
            ("http://A.example/", "a.EXAMPLE"),
            ("http://a:80/", "a"),
            ("http://a/", "a:80"),
            ("http://a:/", "a"),
            ("http://a:81/", "a:81"),
            ("HTTPS://a:443/", "a"),
            ("https://a", "a:443"),
            ("ws://a:1?x", "a:1"),
        ] {
            assert!(agrees(target, host), "{target} {host}");
        }
        for (target, host) in [
            ("http://a/", "b"),
            ("http://a:81/", "a"),
            // Another scheme's port is a port like any other.
            ("http://a:443/", "a"),
            ("http://a/", "a:443"),
            ("https://a:80/", "a"),
            ("http://a:80/", "a:443"),
            ("ws://a:80/", "a"),
            ("http://a/", ""),
        ] {
            assert!(!agrees(target, host), "{target} {host}");
        }
        assert!(super::agrees(TargetForm::Authority, b"a:5222", b"a"));
        assert!(!super::agrees(TargetForm::Authority, b"a:5222", b"a:443"));
        assert!(super::agrees(TargetForm::Origin, b"/", b"a:443"));
    }
}
