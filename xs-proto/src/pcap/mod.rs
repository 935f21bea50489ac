//! Capture files: pcap and pcapng, read and written.
//!
//! # The problem
//!
//! What was seen on a network is kept in a file, to be looked at later, elsewhere, by other programs. There are two
//! formats: one so simple that everybody writes it, and its successor, which can say what the first can't (several
//! interfaces, finer times, comments, what was dropped). Both are written in the byte order of whoever wrote them, and
//! both may end in the middle of a packet, because the writer was killed.
//!
//! # How it works
//!
//! ```text
//!   pcap     header: magic │ version │ … │ snap length │ link type     packet: seconds │ fraction │ captured │ original │ bytes   packet …
//!
//!   pcapng   block: type │ length │ body │ length      section header (byte order) · interface (link type, resolution) · enhanced packet · …
//! ```
//!
//! [`Reader`] is a codec for either: it looks at the first four bytes, and gives [`Packet`]s, each with its time since
//! 1970, its link type, its bytes and how many there were on the wire. Blocks that carry no packets are skipped.
//! [`Writer`] is the codec that writes, either format, with nanoseconds.
//!
//! # Invariants
//!
//! - What was written is read, however the file is cut into reads (`tests::round_trips`).
//! - No length is believed beyond the limit (16 MiB a block, 65,536 interfaces), and nothing is allocated before its
//!   bytes are there.
//! - A file that ends inside a packet gives all before it, and then [`Error::Truncated`].
//!
//! # Cost
//!
//! Packets are slices of the buffer that was read (`Bytes`): no copy.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use bytes::BytesMut;
//! use xs_proto::pcap::{Format, LinkType, Packet, Reader, Writer};
//! use xs_proto::{Decode, Encode, Out};
//!
//! let mut out = Out::new();
//! let packet = Packet::new(Duration::from_nanos(1_700_000_000_123_456_789), LinkType::ETHERNET, &b"a frame"[..]);
//! Writer::new(Format::PcapNg, LinkType::ETHERNET).encode(&packet, &mut out)?;
//! let mut src = BytesMut::from(&out.to_vec()[..]);
//! assert_eq!(Reader::new().decode(&mut src)?, Some(packet));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! libpcap reads both and writes pcap; Wireshark's wiretap reads forty more; the `pcap-file` crate reads both as
//! iterators over `Read`.
//!
//! # What this leaves out
//!
//! Names, comments, statistics and decryption secrets of pcapng, which are skipped; compressed files; pcap's
//! forty-year-old variants.
//!
//! # Try next
//!
//! Write a packet to each format, turn its bytes around, and let Wireshark read the four.
//!
//! # Sources
//!
//! IETF drafts draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng; tcpdump.org, "Link-layer header types".

mod error;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::time::Duration;

use bytes::Bytes;

pub use error::Error;
pub use reader::Reader;
pub use writer::{Format, Writer};

/// With which header the packets of an interface begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD's loopback: four bytes of address family in the writer's order.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet.
    pub const ETHERNET: LinkType = LinkType(1);
    /// IPv4 or IPv6, by the first four bits.
    pub const RAW: LinkType = LinkType(101);
    /// Linux' "cooked" capture of any interface.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// Its second version.
    pub const LINUX_SLL2: LinkType = LinkType(276);
}

/// A packet that was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// When, since the beginning of 1970.
    pub time: Duration,
    /// What it begins with.
    pub link_type: LinkType,
    /// Which interface of the file it came by.
    pub interface: u32,
    /// What was captured of it.
    pub data: Bytes,
    /// How long it was on the wire.
    pub original_len: u32,
}

impl Packet {
    /// A packet that was captured whole, by the first interface.
    pub fn new(time: Duration, link_type: LinkType, data: impl Into<Bytes>) -> Self {
        let data = data.into();
        Packet { time, link_type, interface: 0, original_len: u32::try_from(data.len()).unwrap_or(u32::MAX), data }
    }
}

/// pcap's magic numbers: with microseconds and with nanoseconds.
const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;

/// pcapng's blocks.
const SECTION: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
