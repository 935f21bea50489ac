//! Version 2: binary.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::header::v6;
use super::tlv::Tlvs;
use super::{EncodeError, Error, Extensions, Header, Origin, Protocol, UnixName};
use crate::Out;

/// What every binary header has: signature, version and command, family and transport, length.
pub(super) const HEAD: usize = 16;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// What the first 16 bytes say.
enum Head {
    /// There are fewer, and they are right so far.
    Open,
    /// The command, the family with the transport, and how many bytes follow.
    Whole {
        command: u8,
        family: u8,
        len: usize,
    },
    Wrong(Error),
}

fn head(src: &[u8], limit: usize) -> Head {
    let begun = src.len().min(SIGNATURE.len());
    if src[..begun] != SIGNATURE[..begun] {
        return Head::Wrong(Error::Signature);
    }
    let command = match src.get(12) {
        None => return Head::Open,
        Some(&command @ (LOCAL | PROXY)) => command,
        Some(_) => return Head::Wrong(Error::Command),
    };
    let family = match src.get(13) {
        None => return Head::Open,
        Some(&family) => family,
    };
    // Of a local connection the family is to be ignored.
    let least = if command == LOCAL { Some(0) } else { addresses(family) };
    let Some(least) = least else { return Head::Wrong(Error::Family) };
    let (Some(&high), Some(&low)) = (src.get(14), src.get(15)) else { return Head::Open };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if HEAD + len > limit {
        return Head::Wrong(Error::TooLarge);
    }
    if len < least {
        return Head::Wrong(Error::Length);
    }
    Head::Whole { command, family, len }
}

/// How many bytes the addresses of a family take; `None` if there is no such family.
fn addresses(family: u8) -> Option<usize> {
    match family {
        0x00 => Some(0),
        0x11 | 0x12 => Some(12),
        0x21 | 0x22 => Some(36),
        0x31 | 0x32 => Some(2 * UnixName::MAX),
        _ => None,
    }
}

pub(super) fn missing(src: &[u8], limit: usize) -> usize {
    match head(src, limit) {
        Head::Open => HEAD - src.len(),
        Head::Whole { len, .. } => (HEAD + len).saturating_sub(src.len()),
        Head::Wrong(_) => 0,
    }
}

pub(super) fn decode(src: &mut BytesMut, limit: usize) -> Result<Option<Header>, Error> {
    let (command, family, len) = match head(src, limit) {
        Head::Open => return Ok(None),
        Head::Wrong(error) => return Err(error),
        Head::Whole { command, family, len } => (command, family, len),
    };
    if src.len() < HEAD + len {
        return Ok(None);
    }
    let header = src.split_to(HEAD + len).freeze();
    if command == LOCAL {
        // The whole block is to be skipped, whatever its family: nobody can say where its addresses end.
        return Ok(Some(Header::Local));
    }
    let mut rest = header.slice(HEAD..);
    let origin = origin(family, &mut rest);
    let extensions = Tlvs::parse(&header, rest)?;
    Ok(Some(Header::Proxied { origin, extensions }))
}

/// Takes the addresses off `rest`, which is known to hold them.
fn origin(family: u8, rest: &mut Bytes) -> Origin {
    let protocol = if family & 0x0F == 1 { Protocol::Stream } else { Protocol::Datagram };
    match family >> 4 {
        1 => {
            let (source, destination) = (Ipv4Addr::from(rest.get_u32()), Ipv4Addr::from(rest.get_u32()));
            let (source, destination) =
                (SocketAddrV4::new(source, rest.get_u16()), SocketAddrV4::new(destination, rest.get_u16()));
            Origin::V4 { protocol, source, destination }
        }
        2 => {
            let (source, destination) = (Ipv6Addr::from(rest.get_u128()), Ipv6Addr::from(rest.get_u128()));
            let (source, destination) = (v6(source, rest.get_u16()), v6(destination, rest.get_u16()));
            Origin::V6 { protocol, source, destination }
        }
        3 => {
            let mut name = || UnixName::new(rest.split_to(UnixName::MAX)).unwrap_or_default();
            Origin::Unix { protocol, source: name(), destination: name() }
        }
        _ => Origin::Unknown,
    }
}

pub(super) fn encode(header: &Header, out: &mut Out) -> Result<(), EncodeError> {
    let Header::Proxied { origin, extensions } = header else {
        return put(LOCAL, 0, &[], &Extensions::default(), out);
    };
    let mut block = Vec::with_capacity(36);
    let family = match origin {
        Origin::Unknown => 0x00,
        Origin::V4 { protocol, source, destination } => {
            block.put_u32((*source.ip()).into());
            block.put_u32((*destination.ip()).into());
            block.put_u16(source.port());
            block.put_u16(destination.port());
            0x10 | transport(*protocol)
        }
        Origin::V6 { protocol, source, destination } => {
            block.put_u128((*source.ip()).into());
            block.put_u128((*destination.ip()).into());
            block.put_u16(source.port());
            block.put_u16(destination.port());
            0x20 | transport(*protocol)
        }
        Origin::Unix { protocol, source, destination } => {
            for (n, name) in (1..).zip([source, destination]) {
                block.extend_from_slice(name.as_bytes());
                block.resize(n * UnixName::MAX, 0);
            }
            0x30 | transport(*protocol)
        }
    };
    put(PROXY, family, &block, extensions, out)
}

fn transport(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Stream => 1,
        Protocol::Datagram => 2,
    }
}

fn put(command: u8, family: u8, block: &[u8], extensions: &Extensions, out: &mut Out) -> Result<(), EncodeError> {
    let mut header = Vec::with_capacity(HEAD + block.len());
    header.extend_from_slice(&SIGNATURE);
    header.extend_from_slice(&[command, family, 0, 0]);
    header.extend_from_slice(block);
    let checksum = Tlvs::write(extensions, &mut header)?;
    let len = u16::try_from(header.len() - HEAD).map_err(|_| EncodeError::TooLong)?;
    header[14..HEAD].copy_from_slice(&len.to_be_bytes());
    if let Some(at) = checksum {
        let sum = crc32c::crc32c(&header);
        header[at..at + 4].copy_from_slice(&sum.to_be_bytes());
    }
    out.put_slice(&header);
    Ok(())
}
