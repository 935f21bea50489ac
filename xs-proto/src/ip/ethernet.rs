//! Ethernet II frames and VLAN tags.

use std::fmt;
use std::str::FromStr;

use super::{Error, Reader};

/// The most VLAN tags that are read: two are common, more are an attack.
const MOST_TAGS: usize = 8;

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Everybody.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);

    /// Whether it names a group.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = Error;

    /// Six numbers of one or two hexadecimal digits, with colons or dashes between them.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = Error::malformed("Ethernet", "a hardware address is six pairs of hexadecimal digits");
        let mut address = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut address {
            let part = parts.next().filter(|part| matches!(part.len(), 1 | 2)).ok_or(wrong)?;
            // `from_str_radix` would take a sign.
            if !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(wrong);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong)?;
        }
        parts.next().map_or(Ok(MacAddr(address)), |_| Err(wrong))
    }
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: EtherType = EtherType(0x0800);
    /// ARP.
    pub const ARP: EtherType = EtherType(0x0806);
    /// IPv6.
    pub const IPV6: EtherType = EtherType(0x86dd);
    /// A VLAN tag (802.1Q).
    pub const VLAN: EtherType = EtherType(0x8100);
    /// An outer VLAN tag (802.1ad).
    pub const SERVICE_VLAN: EtherType = EtherType(0x88a8);

    /// Smaller numbers are the length of an 802.3 frame.
    pub fn is_length(self) -> bool {
        self.0 < 0x0600
    }

    fn is_tag(self) -> bool {
        matches!(self, EtherType::VLAN | EtherType::SERVICE_VLAN)
    }
}

/// A tag that stands between the addresses and the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VlanTag {
    /// What announced it: [`EtherType::VLAN`] or [`EtherType::SERVICE_VLAN`].
    pub ether_type: EtherType,
    /// 0 to 7.
    pub priority: u8,
    /// Whether the frame may be dropped first.
    pub drop_eligible: bool,
    /// 0 to 4095.
    pub id: u16,
}

/// The header of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ethernet {
    /// Who is to receive it.
    pub destination: MacAddr,
    /// Who has sent it.
    pub source: MacAddr,
    /// Its tags, the outer one first.
    pub tags: Vec<VlanTag>,
    /// What it carries.
    pub ether_type: EtherType,
}

impl Ethernet {
    /// Reads a frame without its check sequence; the rest is what it carries, with padding if it is short. Of an 802.3
    /// frame, whose type is a length, it is as long as that says.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`]; [`Error::Malformed`] with more than eight tags.
    pub fn parse(frame: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new("Ethernet", frame);
        let (destination, source) = (MacAddr(reader.array()?), MacAddr(reader.array()?));
        let mut ether_type = EtherType(reader.u16()?);
        let mut tags = Vec::new();
        while ether_type.is_tag() {
            if tags.len() == MOST_TAGS {
                return Err(reader.malformed("too many VLAN tags"));
            }
            let tag = reader.u16()?;
            let (priority, drop_eligible) = ((tag >> 13) as u8, tag & 0x1000 != 0);
            tags.push(VlanTag { ether_type, priority, drop_eligible, id: tag & 0x0fff });
            ether_type = EtherType(reader.u16()?);
        }
        let mut rest = reader.rest();
        if ether_type.is_length() {
            rest = rest.get(..ether_type.0.into()).unwrap_or(rest);
        }
        Ok((Ethernet { destination, source, tags, ether_type }, rest))
    }

    /// Appends the header and what it carries, without padding and check sequence, which the card adds. A priority or
    /// an id beyond its bits is cut to them.
    pub fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.destination.0);
        out.extend_from_slice(&self.source.0);
        for tag in &self.tags {
            out.extend_from_slice(&tag.ether_type.0.to_be_bytes());
            let word = u16::from(tag.priority) << 13 | u16::from(tag.drop_eligible) << 12 | tag.id & 0x0fff;
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(&self.ether_type.0.to_be_bytes());
        out.extend_from_slice(payload);
    }
}
