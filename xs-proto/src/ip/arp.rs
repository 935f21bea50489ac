//! ARP: who has an IPv4 address.

use std::net::Ipv4Addr;

use super::{Error, MacAddr, Reader};

/// What an ARP packet asks or says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArpOperation(pub u16);

impl ArpOperation {
    /// Who has the target's address?
    pub const REQUEST: ArpOperation = ArpOperation(1);
    /// The sender has.
    pub const REPLY: ArpOperation = ArpOperation(2);
}

/// An ARP packet for IPv4 over Ethernet, the only pair that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arp {
    /// Request or reply.
    pub operation: ArpOperation,
    /// The sender's hardware.
    pub sender_mac: MacAddr,
    /// The sender.
    pub sender: Ipv4Addr,
    /// The target's hardware, nothing in a request.
    pub target_mac: MacAddr,
    /// The target.
    pub target: Ipv4Addr,
}

/// Hardware Ethernet, protocol IPv4, and their addresses' lengths.
const KINDS: [u8; 6] = [0, 1, 8, 0, 6, 4];

impl Arp {
    /// Reads a packet; padding behind it is ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`]; [`Error::Malformed`] for other hardware than Ethernet or another protocol than IPv4.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("ARP", bytes);
        if reader.array()? != KINDS {
            return Err(reader.malformed("it is not about IPv4 over Ethernet"));
        }
        Ok(Arp {
            operation: ArpOperation(reader.u16()?),
            sender_mac: MacAddr(reader.array()?),
            sender: reader.array::<4>()?.into(),
            target_mac: MacAddr(reader.array()?),
            target: reader.array::<4>()?.into(),
        })
    }

    /// Appends the packet.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&KINDS);
        out.extend_from_slice(&self.operation.0.to_be_bytes());
        out.extend_from_slice(&self.sender_mac.0);
        out.extend_from_slice(&self.sender.octets());
        out.extend_from_slice(&self.target_mac.0);
        out.extend_from_slice(&self.target.octets());
    }
}
