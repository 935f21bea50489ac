//! IPv4 (RFC 791).

use std::net::Ipv4Addr;

use super::{Addresses, Checksum, Error, Protocol, Reader};

/// An IPv4 header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ipv4 {
    /// Differentiated services (6 bits) and congestion notification (2).
    pub traffic_class: u8,
    /// What the fragments of a packet have in common.
    pub identification: u16,
    /// The packet must not be cut.
    pub dont_fragment: bool,
    /// Another fragment follows.
    pub more_fragments: bool,
    /// Where this fragment belongs, in bytes: a multiple of 8.
    pub fragment_offset: u16,
    /// How many routers it may pass.
    pub time_to_live: u8,
    /// What it carries.
    pub protocol: Protocol,
    /// Who sends.
    pub source: Ipv4Addr,
    /// Who is to receive.
    pub destination: Ipv4Addr,
    /// Options as they came: up to 40 bytes, a multiple of 4.
    pub options: Vec<u8>,
    /// Whether the header's checksum was right. [`write`](Self::write) writes the right one whatever this says.
    pub checksum_ok: bool,
    /// How many bytes of the payload a capture has cut off.
    pub cut: usize,
}

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;

impl Ipv4 {
    /// The header of a packet that is not cut, with 64 hops to live.
    pub fn new(source: Ipv4Addr, destination: Ipv4Addr, protocol: Protocol) -> Self {
        Ipv4 {
            traffic_class: 0,
            identification: 0,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            time_to_live: 64,
            protocol,
            source,
            destination,
            options: Vec::new(),
            checksum_ok: true,
            cut: 0,
        }
    }

    /// Both addresses.
    pub fn addresses(&self) -> Addresses {
        Addresses::V4(self.source, self.destination)
    }

    /// Whether it is only a part of a packet.
    pub fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Reads a packet; the rest is its payload, without padding. A total length of 0, which cards that cut large
    /// segments leave behind in captures, stands for all that is there.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`]; [`Error::Malformed`] for another version and for lengths that contradict one another.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new("IPv4", bytes);
        let first = reader.u8()?;
        if first >> 4 != 4 {
            return Err(reader.malformed("the version is not 4"));
        }
        let header = usize::from(first & 0x0f) * 4;
        if header < 20 {
            return Err(reader.malformed("the header is shorter than 20 bytes"));
        }
        let traffic_class = reader.u8()?;
        let total = usize::from(reader.u16()?);
        let identification = reader.u16()?;
        let fragment = reader.u16()?;
        let (time_to_live, protocol) = (reader.u8()?, Protocol(reader.u8()?));
        reader.u16()?;
        let (source, destination) = (reader.array::<4>()?.into(), reader.array::<4>()?.into());
        let options = reader.take(header - 20)?.to_vec();
        if total != 0 && total < header {
            return Err(reader.malformed("the packet is shorter than its header"));
        }
        let rest = reader.rest();
        let len = if total == 0 { rest.len() } else { total - header };
        let payload = rest.get(..len).unwrap_or(rest);
        let packet = Ipv4 {
            traffic_class,
            identification,
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: (fragment & 0x1fff) << 3,
            time_to_live,
            protocol,
            source,
            destination,
            options,
            checksum_ok: bytes.get(..header).is_some_and(|header| Checksum::new().bytes(header).finish() == 0),
            cut: len - payload.len(),
        };
        Ok((packet, payload))
    }

    /// Appends the header and its payload.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] beyond 65,535 bytes; [`Error::Malformed`] for options that can't stand in a header and for an
    /// offset that is no multiple of 8.
    pub fn write(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if self.options.len() > 40 || !self.options.len().is_multiple_of(4) {
            return Err(Error::malformed("IPv4", "options are at most 40 bytes, a multiple of 4"));
        }
        if !self.fragment_offset.is_multiple_of(8) {
            return Err(Error::malformed("IPv4", "a fragment's offset is a multiple of 8"));
        }
        let header = 20 + self.options.len();
        let len = header + payload.len();
        let total = u16::try_from(len).map_err(|_| Error::TooLong { layer: "IPv4", len })?;
        let start = out.len();
        out.extend_from_slice(&[0x40 | (header / 4) as u8, self.traffic_class]);
        out.extend_from_slice(&total.to_be_bytes());
        out.extend_from_slice(&self.identification.to_be_bytes());
        let flag = |is: bool, bit: u16| if is { bit } else { 0 };
        let flags = flag(self.dont_fragment, DONT_FRAGMENT) | flag(self.more_fragments, MORE_FRAGMENTS);
        out.extend_from_slice(&(flags | self.fragment_offset >> 3).to_be_bytes());
        out.extend_from_slice(&[self.time_to_live, self.protocol.0, 0, 0]);
        out.extend_from_slice(&self.source.octets());
        out.extend_from_slice(&self.destination.octets());
        out.extend_from_slice(&self.options);
        let checksum = Checksum::new().bytes(&out[start..]).finish();
        out[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
        out.extend_from_slice(payload);
        Ok(())
    }
}
