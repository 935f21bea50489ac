//! What becomes of a head on its way (RFC 9110, sections 7.6 and 7.8; RFC 7239).

use std::fmt::Write;
use std::net::IpAddr;

use http::Method;
use xs_proto::http1::{CommandError, Fields, RequestHead, ResponseHead, TargetForm};

use crate::config::Forwarded;

/// What a listener says to endpoints about each request of one client. Made once for a connection.
#[derive(Debug)]
pub(super) struct Introduction {
    forwarded: Forwarded,
    /// Whether the client's own word is passed on as well.
    trusted: bool,
    /// The whole of it, where the client has said nothing that is passed on: `X-Forwarded-For` and `-Proto`, and `Via`.
    usual: Fields,
    source: String,
    protocol: &'static str,
    via: String,
}

/// The fields by which proxies tell who asks.
const TOLD: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];

impl Introduction {
    pub(super) fn new(
        source: IpAddr,
        tls: bool,
        trusted: bool,
        forwarded: Forwarded,
        via: &str,
    ) -> Result<Introduction, CommandError> {
        let (source, protocol) = (source.to_canonical().to_string(), if tls { "https" } else { "http" });
        let via = if via.is_empty() { String::new() } else { format!("1.1 {via}") };
        let mut usual = Fields::new();
        if forwarded.x {
            usual.append("x-forwarded-for", source.as_bytes())?;
            usual.append("x-forwarded-proto", protocol.as_bytes())?;
        }
        if !via.is_empty() {
            usual.append("via", via.as_bytes())?;
        }
        Ok(Introduction { forwarded, trusted, usual, source, protocol, via })
    }

    /// Tells in `fields` who asks, in place of whatever an untrusted client has said. `host` is whom the client asked for.
    pub(super) fn tell(&self, fields: &mut Fields, host: &[u8]) -> Result<(), CommandError> {
        let told = fields.iter().any(|(name, _)| is_told(name));
        let via = fields.get("via").is_some();
        if (told && self.trusted) || via {
            return self.add(fields, host);
        }
        if told {
            fields.retain(|name, _| !is_told(name));
        }
        if self.forwarded.x && !host.is_empty() {
            fields.append("x-forwarded-host", host)?;
        }
        if self.forwarded.standard {
            fields.append("forwarded", self.element(host).as_bytes())?;
        }
        fields.extend(&self.usual)
    }

    /// The same where there is something to be added to.
    #[cold]
    fn add(&self, fields: &mut Fields, host: &[u8]) -> Result<(), CommandError> {
        let joined = |name: &str, own: &str, trusted: bool| {
            let mut list: Vec<u8> = Vec::new();
            for value in fields.get_all(name).filter(|_| trusted) {
                list.extend_from_slice(value);
                list.extend_from_slice(b", ");
            }
            list.extend_from_slice(own.as_bytes());
            list
        };
        let first = |name: &str, own: &[u8]| fields.get(name).filter(|_| self.trusted).unwrap_or(own).to_vec();
        let mut told = Vec::new();
        if self.forwarded.x {
            told.push(("x-forwarded-for", joined("x-forwarded-for", &self.source, self.trusted)));
            told.push(("x-forwarded-proto", first("x-forwarded-proto", self.protocol.as_bytes())));
            let host = first("x-forwarded-host", host);
            if !host.is_empty() {
                told.push(("x-forwarded-host", host));
            }
        }
        if self.forwarded.standard {
            told.push(("forwarded", joined("forwarded", &self.element(host), self.trusted)));
        }
        if !self.via.is_empty() {
            told.push(("via", joined("via", &self.via, true)));
        }
        fields.retain(|name, _| !is_told(name) && (self.via.is_empty() || !name.eq_ignore_ascii_case(b"via")));
        told.iter().try_for_each(|(name, value)| fields.append(name, value))
    }

    /// One element of `Forwarded` (RFC 7239, section 4).
    fn element(&self, host: &[u8]) -> String {
        // It has been read from a request, where a host is ASCII.
        let host = std::str::from_utf8(host).unwrap_or_default();
        let mut element = String::with_capacity(64);
        // An IPv6 address and a port have colons, which need quotes.
        let written = match self.source.contains(':') {
            true => write!(element, "for=\"[{}]\"", self.source),
            false => write!(element, "for={}", self.source),
        };
        let quoted = host.contains([':', '[']);
        let quote = if quoted { "\"" } else { "" };
        let host = if host.is_empty() { String::new() } else { format!(";host={quote}{host}{quote}") };
        // A string takes everything.
        let _ = written.and_then(|()| write!(element, "{host};proto={}", self.protocol));
        element
    }
}

fn is_told(name: &[u8]) -> bool {
    matches!(name.len(), 9 | 15 | 16 | 17) && TOLD.iter().any(|told| name.eq_ignore_ascii_case(told.as_bytes()))
}

/// Turns a target in absolute form into one in origin form, as endpoints are asked. The host in it is what `Host` says as
/// well, or the request would have been refused.
pub(super) fn to_origin(head: &mut RequestHead) -> Result<(), CommandError> {
    if head.target_form() != TargetForm::Absolute {
        return Ok(());
    }
    if head.fields().get("host").is_none() {
        let host = head.authority().unwrap_or_default().to_owned();
        head.fields_mut().append("host", host.as_bytes())?;
    }
    let rest = head.target().split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    // Without a path, OPTIONS asks for the server as a whole (RFC 9112, section 3.2.4).
    let origin = match path.as_bytes().first() {
        None if *head.method() == Method::OPTIONS => "*".to_owned(),
        None => "/".to_owned(),
        Some(b'/') => path.to_owned(),
        Some(_) => format!("/{path}"),
    };
    head.set_target(&origin)
}

/// Counts `Max-Forwards` down where it counts (RFC 9110, section 7.6.2). False: it must go no further.
pub(super) fn count_down(head: &mut RequestHead) -> Result<bool, CommandError> {
    if !matches!(*head.method(), Method::OPTIONS | Method::TRACE) {
        return Ok(true);
    }
    let Some(value) = head.fields().get("max-forwards") else { return Ok(true) };
    // What is no number is ignored, as an unknown field is.
    let Some(left) = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u32>().ok()) else { return Ok(true) };
    let Some(less) = left.checked_sub(1) else { return Ok(false) };
    head.fields_mut().set("max-forwards", less.to_string().as_bytes())?;
    Ok(true)
}

/// Takes off what concerns this hop alone. The protocol that is asked for stays, if it is one that can be passed through.
pub(super) fn strip_request(head: &mut RequestHead) -> Result<bool, CommandError> {
    let upgrade = if head.wants_upgrade() { upgrade_of(head.fields()) } else { None };
    head.fields_mut().remove_hop_by_hop();
    let Some(protocol) = upgrade else { return Ok(false) };
    head.fields_mut().append("connection", b"upgrade")?;
    head.fields_mut().append("upgrade", &protocol)?;
    Ok(true)
}

/// The same for a response; `switches` says whether it may agree to another protocol.
pub(super) fn strip_response(head: &mut ResponseHead, switches: bool) -> Result<(), CommandError> {
    let upgrade = if switches { upgrade_of(head.fields()) } else { None };
    head.fields_mut().remove_hop_by_hop();
    let Some(protocol) = upgrade else { return Ok(()) };
    head.fields_mut().append("connection", b"upgrade")?;
    head.fields_mut().append("upgrade", &protocol)
}

/// What `Upgrade` says. HTTP/2 in clear text is not passed through: on the other side of it would be requests that nobody
/// has looked at.
fn upgrade_of(fields: &Fields) -> Option<Vec<u8>> {
    let protocol = fields.get("upgrade")?;
    let other = !protocol.to_ascii_lowercase().windows(3).any(|part| part == b"h2c");
    other.then(|| protocol.to_vec())
}

/// The value of a cookie of this name.
pub(super) fn cookie<'a>(fields: &'a Fields, name: &'a str) -> Option<&'a [u8]> {
    let pairs = fields.get_all("cookie").flat_map(|value| value.split(|&byte| byte == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The path of a target in origin form, without its query.
pub(super) fn path_of(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(trusted: bool, forwarded: Forwarded, source: &str, sent: &[(&str, &str)]) -> Vec<String> {
        let introduction = Introduction::new(source.parse().unwrap(), true, trusted, forwarded, "edge").unwrap();
        let mut fields = Fields::new();
        sent.iter().for_each(|(name, value)| fields.append(name, value.as_bytes()).unwrap());
        introduction.tell(&mut fields, b"a.example:8443").unwrap();
        let line = |(name, value): (&[u8], &[u8])| {
            format!("{}: {}", String::from_utf8_lossy(name).to_lowercase(), String::from_utf8_lossy(value))
        };
        let mut lines: Vec<_> = fields.iter().map(line).collect();
        lines.sort();
        lines
    }

    const BOTH: Forwarded = Forwarded { x: true, standard: true };
    const LIES: [(&str, &str); 5] = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Host", "bank.example"),
        ("Forwarded", "for=3.3.3.3"),
    ];

    #[test]
    fn what_an_untrusted_client_says_of_itself_is_replaced() {
        let expected = [
            "forwarded: for=192.0.2.1;host=\"a.example:8443\";proto=https",
            "via: 1.1 edge",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-host: a.example:8443",
            "x-forwarded-proto: https",
        ];
        assert_eq!(told(false, BOTH, "192.0.2.1", &[]), expected);
        assert_eq!(told(false, BOTH, "::ffff:192.0.2.1", &LIES), expected);
        let none = Forwarded { x: false, standard: false };
        assert_eq!(told(false, none, "192.0.2.1", &LIES), ["via: 1.1 edge"]);
    }

    #[test]
    fn what_a_trusted_proxy_says_is_added_to() {
        let mut sent = LIES.to_vec();
        sent.push(("Via", "1.0 before"));
        let expected = [
            "forwarded: for=3.3.3.3, for=\"[2001:db8::1]\";host=\"a.example:8443\";proto=https",
            "via: 1.0 before, 1.1 edge",
            "x-forwarded-for: 1.1.1.1, 2.2.2.2, 2001:db8::1",
            "x-forwarded-host: bank.example",
            "x-forwarded-proto: gopher",
        ];
        assert_eq!(told(true, BOTH, "2001:db8::1", &sent), expected);
    }

    #[test]
    fn a_via_of_an_untrusted_client_stays_and_the_rest_goes() {
        let sent = [("Via", "1.0 before"), ("X-Forwarded-For", "1.1.1.1")];
        let expected = [
            "via: 1.0 before, 1.1 edge",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-host: a.example:8443",
            "x-forwarded-proto: https",
        ];
        assert_eq!(told(false, Forwarded { x: true, standard: false }, "192.0.2.1", &sent), expected);
    }

    #[test]
    fn absolute_targets_become_origin_ones() {
        for (method, target, expected) in [
            (Method::GET, "http://a", "/"),
            (Method::GET, "http://a?q=1", "/?q=1"),
            (Method::GET, "http://a:80/b?q=http://c/", "/b?q=http://c/"),
            (Method::OPTIONS, "http://a", "*"),
            (Method::OPTIONS, "http://a/", "/"),
            (Method::GET, "/x", "/x"),
        ] {
            let mut head = RequestHead::new(method, target).unwrap();
            to_origin(&mut head).unwrap();
            assert_eq!(head.target(), expected);
            let host = if target.starts_with('/') { None } else { Some(()) };
            assert_eq!(head.fields().get("host").map(drop), host);
        }
    }

    #[test]
    fn forwards_are_counted_where_they_count() {
        let go = |method: Method, value: Option<&str>| {
            let mut head = RequestHead::new(method, "/").unwrap();
            value.iter().for_each(|value| head.fields_mut().append("Max-Forwards", value.as_bytes()).unwrap());
            let goes = count_down(&mut head).unwrap();
            goes.then(|| head.fields().get("max-forwards").map(|value| String::from_utf8_lossy(value).into_owned()))
        };
        assert_eq!(go(Method::OPTIONS, Some("1")), Some(Some("0".into())));
        assert_eq!(go(Method::TRACE, Some("0")), None);
        assert_eq!(go(Method::GET, Some("0")), Some(Some("0".into())));
        assert_eq!(go(Method::OPTIONS, Some("many")), Some(Some("many".into())));
        assert_eq!(go(Method::OPTIONS, None), Some(None));
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut fields = Fields::new();
        fields.append("Cookie", b"alb=0; lb=1;lbx=2").unwrap();
        fields.append("Cookie", b"other=3").unwrap();
        assert_eq!(cookie(&fields, "lb"), Some(&b"1"[..]));
        assert_eq!(cookie(&fields, "other"), Some(&b"3"[..]));
        assert_eq!(cookie(&fields, "b"), None);
    }
}
