//! IPv6 (RFC 8200) and its extension headers.

use std::net::Ipv6Addr;

use super::{Addresses, Error, Protocol, Reader};

/// The most extension headers that are read.
const MOST_EXTENSIONS: usize = 16;

/// A header between IPv6's own and what the packet carries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Extension {
    /// For every router on the way: the options, as they came.
    HopByHop(Vec<u8>),
    /// The way to take: type, segments left, and the data, as it came.
    Routing(u8, u8, Vec<u8>),
    /// A part of a packet: offset in bytes, whether more follow, and what the parts have in common.
    Fragment(u16, bool, u32),
    /// For the receiver: the options, as they came.
    Destination(Vec<u8>),
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

impl Extension {
    fn number(&self) -> u8 {
        match self {
            Extension::HopByHop(_) => HOP_BY_HOP,
            Extension::Routing(..) => ROUTING,
            Extension::Fragment(..) => FRAGMENT,
            Extension::Destination(_) => DESTINATION,
        }
    }
}

/// An IPv6 header with its extensions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ipv6 {
    /// Differentiated services (6 bits) and congestion notification (2).
    pub traffic_class: u8,
    /// 20 bits that the packets of a flow have in common.
    pub flow_label: u32,
    /// How many routers it may pass.
    pub hop_limit: u8,
    /// Who sends.
    pub source: Ipv6Addr,
    /// Who is to receive.
    pub destination: Ipv6Addr,
    /// The extension headers, in their order.
    pub extensions: Vec<Extension>,
    /// What it carries behind them.
    pub protocol: Protocol,
    /// How many bytes of the payload a capture has cut off.
    pub cut: usize,
}

impl Ipv6 {
    /// The header of a packet without extensions, with 64 hops to live.
    pub fn new(source: Ipv6Addr, destination: Ipv6Addr, protocol: Protocol) -> Self {
        let extensions = Vec::new();
        Ipv6 { traffic_class: 0, flow_label: 0, hop_limit: 64, source, destination, extensions, protocol, cut: 0 }
    }

    /// Both addresses.
    pub fn addresses(&self) -> Addresses {
        Addresses::V6(self.source, self.destination)
    }

    /// The fragment that it is of a packet: offset in bytes, whether more follow, and what the parts have in common.
    pub fn fragment(&self) -> Option<(u16, bool, u32)> {
        self.extensions.iter().find_map(|extension| match extension {
            Extension::Fragment(offset, more, id) if *offset != 0 || *more => Some((*offset, *more, *id)),
            _ => None,
        })
    }

    /// Reads a packet; the rest is its payload behind the extensions, without padding. The extensions of a fragment
    /// other than the first end with the fragment header.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`]; [`Error::Malformed`] for another version, for more than sixteen extensions, and for those
    /// that reach beyond the packet.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new("IPv6", bytes);
        let first = reader.u32()?;
        if first >> 28 != 6 {
            return Err(reader.malformed("the version is not 6"));
        }
        let len = usize::from(reader.u16()?);
        let (mut next, hop_limit) = (reader.u8()?, reader.u8()?);
        let (source, destination) = (reader.array::<16>()?.into(), reader.array::<16>()?.into());
        let rest = reader.rest();
        // A length of 0 is a jumbogram's, or of a card that cuts large segments.
        let len = if len == 0 { rest.len() } else { len };
        let payload = rest.get(..len).unwrap_or(rest);
        let cut = len - payload.len();
        let mut reader = Reader::new("IPv6 extension", payload);
        let mut extensions = Vec::new();
        while matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION) {
            if extensions.len() == MOST_EXTENSIONS {
                return Err(reader.malformed("too many headers"));
            }
            let kind = std::mem::replace(&mut next, reader.u8()?);
            let units = usize::from(reader.u8()?);
            let extension = match kind {
                FRAGMENT => {
                    let word = reader.u16()?;
                    Extension::Fragment(word & 0xfff8, word & 1 != 0, reader.u32()?)
                }
                ROUTING => Extension::Routing(reader.u8()?, reader.u8()?, reader.take(4 + units * 8)?.to_vec()),
                HOP_BY_HOP => Extension::HopByHop(reader.take(6 + units * 8)?.to_vec()),
                _ => Extension::Destination(reader.take(6 + units * 8)?.to_vec()),
            };
            let ends = matches!(extension, Extension::Fragment(offset, ..) if offset != 0);
            extensions.push(extension);
            if ends {
                break;
            }
        }
        let packet = Ipv6 {
            traffic_class: (first >> 20) as u8,
            flow_label: first & 0x000f_ffff,
            hop_limit,
            source,
            destination,
            extensions,
            protocol: Protocol(next),
            cut,
        };
        Ok((packet, reader.rest()))
    }

    /// Appends the header, its extensions and its payload.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] beyond 65,535 bytes behind the header; [`Error::Malformed`] for extensions whose length is
    /// none that they can say, and an offset that is no multiple of 8.
    pub fn write(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let wrong = Error::malformed("IPv6 extension", "its length can't be said in units of 8 bytes");
        let mut between = Vec::new();
        let numbers = self.extensions.iter().skip(1).map(Extension::number).chain([self.protocol.0]);
        for (extension, next) in self.extensions.iter().zip(numbers) {
            // All but fragments say how many units of 8 bytes follow the first.
            let mut sized = |fixed: &[u8], data: &[u8]| {
                let len = 2 + fixed.len() + data.len();
                let units = u8::try_from(len / 8 - usize::from(len >= 8)).map_err(|_| wrong)?;
                if len == 0 || !len.is_multiple_of(8) {
                    return Err(wrong);
                }
                between.extend_from_slice(&[next, units]);
                between.extend_from_slice(fixed);
                between.extend_from_slice(data);
                Ok(())
            };
            match extension {
                Extension::HopByHop(options) | Extension::Destination(options) => sized(&[], options)?,
                Extension::Routing(kind, left, data) => sized(&[*kind, *left], data)?,
                Extension::Fragment(offset, more, id) => {
                    if !offset.is_multiple_of(8) {
                        return Err(Error::malformed("IPv6 extension", "a fragment's offset is a multiple of 8"));
                    }
                    between.extend_from_slice(&[next, 0]);
                    between.extend_from_slice(&(offset | u16::from(*more)).to_be_bytes());
                    between.extend_from_slice(&id.to_be_bytes());
                }
            }
        }
        let len = between.len() + payload.len();
        let total = u16::try_from(len).map_err(|_| Error::TooLong { layer: "IPv6", len })?;
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0x000f_ffff;
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&total.to_be_bytes());
        out.extend_from_slice(&[self.extensions.first().map_or(self.protocol.0, Extension::number), self.hop_limit]);
        out.extend_from_slice(&self.source.octets());
        out.extend_from_slice(&self.destination.octets());
        out.extend_from_slice(&between);
        out.extend_from_slice(payload);
        Ok(())
    }
}
