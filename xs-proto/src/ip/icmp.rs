//! ICMP (RFC 792) and ICMPv6 (RFC 4443).

use super::{Addresses, Checksum, Error, Ipv4, Ipv6, Protocol, Reader};

/// An ICMP message of either version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Icmp {
    /// What it says.
    pub kind: IcmpKind,
    /// What stands behind its first eight bytes: an echo's data, or the packet that an error is about.
    pub data: Vec<u8>,
}

/// What an ICMP message says. Numbers differ between the versions; what they mean does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IcmpKind {
    /// Send this back: identifier and sequence number.
    EchoRequest(u16, u16),
    /// Sent back: identifier and sequence number.
    EchoReply(u16, u16),
    /// It can't be delivered: the code, which differs between the versions.
    Unreachable(u8),
    /// It is longer than this many bytes, which is what the next link takes.
    TooBig(u32),
    /// It has passed as many routers as it may (code 0), or its fragments didn't come in time (1).
    TimeExceeded(u8),
    /// Anything else: type, code, and the four bytes behind the checksum.
    Other(u8, u8, [u8; 4]),
}

/// The packet that an error is about: as much of it as was sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quoted<'a> {
    /// Who had sent it to whom.
    pub addresses: Addresses,
    /// What it carried.
    pub protocol: Protocol,
    /// The beginning of that: ports, or an echo's identifier.
    pub payload: &'a [u8],
}

/// An IPv4 "fragmentation needed".
const FRAGMENTATION_NEEDED: u8 = 4;

impl Icmp {
    /// Reads a message of IPv4.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`].
    pub fn parse_v4(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse(bytes, |kind, code, words @ [a, b]| match (kind, code) {
            (0, 0) => IcmpKind::EchoReply(a, b),
            (8, 0) => IcmpKind::EchoRequest(a, b),
            (3, FRAGMENTATION_NEEDED) => IcmpKind::TooBig(b.into()),
            (3, code) if words == [0, 0] => IcmpKind::Unreachable(code),
            (11, code) if words == [0, 0] => IcmpKind::TimeExceeded(code),
            (kind, code) => other(kind, code, words),
        })
    }

    /// Reads a message of IPv6.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`].
    pub fn parse_v6(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse(bytes, |kind, code, words @ [a, b]| match (kind, code) {
            (129, 0) => IcmpKind::EchoReply(a, b),
            (128, 0) => IcmpKind::EchoRequest(a, b),
            (1, code) if words == [0, 0] => IcmpKind::Unreachable(code),
            (2, 0) => IcmpKind::TooBig(u32::from(a) << 16 | u32::from(b)),
            (3, code) if words == [0, 0] => IcmpKind::TimeExceeded(code),
            (kind, code) => other(kind, code, words),
        })
    }

    fn parse(bytes: &[u8], kind: impl FnOnce(u8, u8, [u16; 2]) -> IcmpKind) -> Result<Self, Error> {
        let mut reader = Reader::new("ICMP", bytes);
        let (number, code) = (reader.u8()?, reader.u8()?);
        reader.u16()?;
        let words = [reader.u16()?, reader.u16()?];
        Ok(Icmp { kind: kind(number, code, words), data: reader.rest().to_vec() })
    }

    /// Whether the checksum of a whole message is right: by itself in IPv4, with the addresses in IPv6.
    pub fn verify(addresses: Addresses, bytes: &[u8]) -> bool {
        start(addresses, bytes.len()).bytes(bytes).finish() == 0
    }

    /// Appends the message, in the version that its addresses have.
    pub fn write(&self, addresses: Addresses, out: &mut Vec<u8>) {
        let words = |a: u16, b: u16| {
            let ([a, b], [c, d]) = (a.to_be_bytes(), b.to_be_bytes());
            [a, b, c, d]
        };
        let v4 = matches!(addresses, Addresses::V4(..));
        let (kind, code, rest) = match self.kind {
            IcmpKind::EchoRequest(id, sequence) => (if v4 { 8 } else { 128 }, 0, words(id, sequence)),
            IcmpKind::EchoReply(id, sequence) => (if v4 { 0 } else { 129 }, 0, words(id, sequence)),
            IcmpKind::Unreachable(code) => (if v4 { 3 } else { 1 }, code, [0; 4]),
            IcmpKind::TooBig(most) if v4 => (3, FRAGMENTATION_NEEDED, words(0, most.min(0xffff) as u16)),
            IcmpKind::TooBig(most) => (2, 0, most.to_be_bytes()),
            IcmpKind::TimeExceeded(code) => (if v4 { 11 } else { 3 }, code, [0; 4]),
            IcmpKind::Other(kind, code, rest) => (kind, code, rest),
        };
        let begin = out.len();
        out.extend_from_slice(&[kind, code, 0, 0]);
        out.extend_from_slice(&rest);
        out.extend_from_slice(&self.data);
        let message = &mut out[begin..];
        let sum = start(addresses, message.len()).bytes(message).finish();
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }

    /// The packet that an error is about, if this is one and has its headers.
    pub fn quoted(&self) -> Option<Quoted<'_>> {
        match self.kind {
            IcmpKind::Unreachable(_) | IcmpKind::TooBig(_) | IcmpKind::TimeExceeded(_) => {}
            IcmpKind::EchoRequest(..) | IcmpKind::EchoReply(..) | IcmpKind::Other(..) => return None,
        }
        if let Ok((packet, payload)) = Ipv4::parse(&self.data) {
            return Some(Quoted { addresses: packet.addresses(), protocol: packet.protocol, payload });
        }
        let (packet, payload) = Ipv6::parse(&self.data).ok()?;
        Some(Quoted { addresses: packet.addresses(), protocol: packet.protocol, payload })
    }
}

fn other(kind: u8, code: u8, [a, b]: [u16; 2]) -> IcmpKind {
    let ([a, b], [c, d]) = (a.to_be_bytes(), b.to_be_bytes());
    IcmpKind::Other(kind, code, [a, b, c, d])
}

fn start(addresses: Addresses, len: usize) -> Checksum {
    match addresses {
        Addresses::V4(..) => Checksum::new(),
        Addresses::V6(..) => Checksum::new().pseudo_header(addresses, Protocol::ICMPV6, len),
    }
}
