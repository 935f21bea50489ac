//! The Internet checksum (RFC 1071).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Protocol;

/// The sum of 16-bit words in one's complement, taken piece by piece. Each piece but the last has an even length.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checksum(u64);

impl Checksum {
    /// The sum of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes; an odd last one counts as if a zero followed.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        let (words, odd) = bytes.as_chunks::<2>();
        self.0 += words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
        self.0 += odd.first().map_or(0, |byte| u64::from(*byte) << 8);
        self
    }

    /// Adds the pseudo-header of TCP, UDP and ICMPv6: who speaks to whom, by what protocol, and how much.
    #[must_use]
    pub fn pseudo_header(self, addresses: Addresses, protocol: Protocol, len: usize) -> Self {
        let with = match addresses {
            Addresses::V4(source, destination) => self.bytes(&source.octets()).bytes(&destination.octets()),
            Addresses::V6(source, destination) => self.bytes(&source.octets()).bytes(&destination.octets()),
        };
        Checksum(with.0 + (len as u64 >> 16) + (len as u64 & 0xffff) + u64::from(protocol.0))
    }

    /// What is written into the header; of bytes that hold their checksum it is 0.
    pub fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !(sum as u16)
    }
}

/// Source and destination of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Addresses {
    /// Of IPv4.
    V4(Ipv4Addr, Ipv4Addr),
    /// Of IPv6.
    V6(Ipv6Addr, Ipv6Addr),
}

impl Addresses {
    /// Both, if they are of one family.
    pub fn new(source: IpAddr, destination: IpAddr) -> Option<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Addresses::V4(source, destination)),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Addresses::V6(source, destination)),
            _ => None,
        }
    }

    /// Who sends.
    pub fn source(self) -> IpAddr {
        match self {
            Addresses::V4(source, _) => source.into(),
            Addresses::V6(source, _) => source.into(),
        }
    }

    /// Who is to receive.
    pub fn destination(self) -> IpAddr {
        match self {
            Addresses::V4(_, destination) => destination.into(),
            Addresses::V6(_, destination) => destination.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Checksum::new().bytes(&bytes).finish(), !0xddf2);
        assert_eq!(Checksum::new().bytes(&bytes[..4]).bytes(&bytes[4..]).finish(), !0xddf2);
        assert_eq!(Checksum::new().bytes(&[1]).finish(), !0x0100);
    }
}
