//! Version 1: a line of text.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};

use bytes::{Buf, BytesMut};

use super::header::v6;
use super::{EncodeError, Error, Extensions, Header, Origin, Protocol};
use crate::Out;

/// `PROXY UNKNOWN` and the end of the line.
pub(super) const SHORTEST: usize = 15;
/// The longest line, its end included.
const LONGEST: usize = 107;

const START: &[u8] = b"PROXY ";
const UNKNOWN: &[u8] = b"UNKNOWN";

/// Where a line stands.
enum Scan {
    /// Right so far.
    Open,
    /// It ends here, before the carriage return.
    Ends(usize),
    Wrong(Error),
}

/// Looks for the line's end and for what no line has. Every answer but `Open` is final.
fn scan(src: &[u8]) -> Scan {
    let begun = src.len().min(START.len());
    if src[..begun] != START[..begun] {
        return Scan::Wrong(Error::Signature);
    }
    for (at, &byte) in src.iter().enumerate().take(LONGEST) {
        match byte {
            b'\r' if at + 2 > LONGEST => return Scan::Wrong(Error::LineTooLong),
            b'\r' => match src.get(at + 1) {
                Some(b'\n') => return Scan::Ends(at),
                Some(_) => return Scan::Wrong(Error::Line),
                None => return Scan::Open,
            },
            b' '..=b'~' => {}
            _ => return Scan::Wrong(Error::Line),
        }
    }
    if src.len() >= LONGEST { Scan::Wrong(Error::LineTooLong) } else { Scan::Open }
}

pub(super) fn decode(src: &mut BytesMut) -> Result<Option<Header>, Error> {
    match scan(src) {
        Scan::Open => Ok(None),
        Scan::Wrong(error) => Err(error),
        Scan::Ends(end) => {
            let origin = line(&src[START.len()..end])?;
            src.advance(end + 2);
            Ok(Some(Header::Proxied { origin, extensions: Extensions::default() }))
        }
    }
}

/// What stands between `PROXY ` and the line's end, which is printable ASCII.
fn line(text: &[u8]) -> Result<Origin, Error> {
    if let Some(rest) = text.strip_prefix(UNKNOWN) {
        // Whatever follows is to be ignored, but it does follow: `UNKNOWNS` is another word.
        return if rest.is_empty() || rest[0] == b' ' { Ok(Origin::Unknown) } else { Err(Error::Line) };
    }
    let text = std::str::from_utf8(text).map_err(|_| Error::Line)?;
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or(Error::Line);
    let (family, source, destination, from, to) = (word()?, word()?, word()?, word()?, word()?);
    if words.next().is_some() {
        return Err(Error::Line);
    }
    let protocol = Protocol::Stream;
    match family {
        "TCP4" => {
            let (source, destination) = (ip4(source)?, ip4(destination)?);
            let (source, destination) =
                (SocketAddrV4::new(source, port(from)?), SocketAddrV4::new(destination, port(to)?));
            Ok(Origin::V4 { protocol, source, destination })
        }
        "TCP6" => {
            let (source, destination) = (ip6(source)?, ip6(destination)?);
            Ok(Origin::V6 { protocol, source: v6(source, port(from)?), destination: v6(destination, port(to)?) })
        }
        _ => Err(Error::Line),
    }
}

/// Four numbers without leading zeros, which std refuses as well.
fn ip4(text: &str) -> Result<Ipv4Addr, Error> {
    text.parse().map_err(|_| Error::Address)
}

/// Groups of hexadecimal digits only: std would also take the dotted form of a mapped address, which the line has not.
fn ip6(text: &str) -> Result<Ipv6Addr, Error> {
    if text.contains('.') {
        return Err(Error::Address);
    }
    text.parse().map_err(|_| Error::Address)
}

fn port(text: &str) -> Result<u16, Error> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(Error::Port);
    }
    text.parse().map_err(|_| Error::Port)
}

/// How much is missing at least: each word that is not there yet has a shortest form.
pub(super) fn missing(src: &[u8]) -> usize {
    if !matches!(scan(src), Scan::Open) {
        return 0;
    }
    let end = if src.last() == Some(&b'\r') { 1 } else { 2 };
    if src.len() < START.len() + 5 {
        // The family is not known: the shortest line of all.
        return SHORTEST - src.len();
    }
    let shortest: &[usize] = match &src[START.len()..START.len() + 5] {
        b"TCP4 " => &["TCP4".len(), "1.1.1.1".len(), "1.1.1.1".len(), 1, 1],
        b"TCP6 " => &["TCP6".len(), "::".len(), "::".len(), 1, 1],
        _ => return end.max(SHORTEST.saturating_sub(src.len())),
    };
    let words = src[START.len()..].iter().filter(|&&byte| byte == b' ').count();
    let begun = src.iter().rev().take_while(|&&byte| byte != b' ' && byte != b'\r').count();
    // The rest of the word that was begun, then each of the others with the space before it.
    let rest = shortest.get(words).map_or(0, |least| least.saturating_sub(begun));
    let others = shortest.iter().skip(words + 1).map(|least| least + 1).sum::<usize>();
    if end == 1 { 1 } else { rest + others + end }
}

pub(super) fn encode(header: &Header, out: &mut Out) -> Result<(), EncodeError> {
    let origin = match header {
        Header::Local => &Origin::Unknown,
        Header::Proxied { origin, extensions } if extensions.is_empty() => origin,
        Header::Proxied { .. } => return Err(EncodeError::Version),
    };
    let text = out.inline_mut();
    let wrote = match origin {
        Origin::V4 { protocol: Protocol::Stream, source, destination } => {
            let (from, to) = (source.ip(), destination.ip());
            write!(text, "PROXY TCP4 {from} {to} {} {}\r\n", source.port(), destination.port())
        }
        Origin::V6 { protocol: Protocol::Stream, source, destination } => {
            let (from, to) = (Groups(source.ip()), Groups(destination.ip()));
            write!(text, "PROXY TCP6 {from} {to} {} {}\r\n", source.port(), destination.port())
        }
        // What version 1 has no word for is to be called unknown.
        _ => write!(text, "PROXY UNKNOWN\r\n"),
    };
    debug_assert!(wrote.is_ok(), "a vector takes everything");
    Ok(())
}

/// An address in hexadecimal groups, also where its display would end in four decimal numbers.
struct Groups<'a>(&'a Ipv6Addr);

impl std::fmt::Display for Groups<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.to_ipv4_mapped() {
            Some(_) => {
                let [.., high, low] = self.0.segments();
                write!(f, "::ffff:{high:x}:{low:x}")
            }
            None => self.0.fmt(f),
        }
    }
}
