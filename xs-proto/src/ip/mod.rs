//! Packets: Ethernet, VLAN, ARP, IPv4, IPv6, ICMP, TCP and UDP headers, and what is cut into packets put together again.
//!
//! # The problem
//!
//! A program that looks at a network, or speaks below its sockets (ping, traceroute, a sniffer, a packet filter, a
//! VPN), is handed a frame: bytes in which headers stand one behind another, each of which says what the next one is.
//! Every length in them was written by a stranger, and the frame may have been cut by whoever captured it.
//!
//! # How it works
//!
//! ```text
//!   ├─ Ethernet ─┼─ VLAN ─┼──── IPv4 ────┼──── TCP ────┼──────── payload ────────┼ padding ┤
//!   dst src type  id type  … protocol …   ports seq …
//!             └────┘   └────┘       └──────┘
//!            each header says who reads on, and where that one ends
//! ```
//!
//! Each header is a plain struct with two methods. `parse` takes a slice, checks it, and gives the header and the slice
//! of what it carries; nothing is copied but for options. `write` appends the header with its lengths and checksums,
//! and what it carries. Parsers don't call one another: whoever has an [`Ethernet`] looks at its
//! [`ether_type`](Ethernet::ether_type) and goes on, so that a tunnel in a tunnel is a loop of the caller's with a
//! bound of the caller's.
//!
//! What an IP packet or a byte stream was cut into is put together by two structures that own what they keep:
//! [`Fragments`] and [`Stream`].
//!
//! # Invariants
//!
//! - What was written is parsed to the same header and payload (`tests::round_trips`); checksums that are written are
//!   right, by the sum that receivers take.
//! - A payload never reaches beyond what the header's own length says: Ethernet's padding is no data
//!   (`tests::padding_is_no_payload`).
//! - A frame that a capture has cut gives as much as is there: [`Ipv4::cut`] and its siblings say how much is missing,
//!   and a header that is not there whole is [`Error::Truncated`].
//! - Chains are bounded: at most 8 VLAN tags are read by [`Ethernet::parse`], 16 extension headers by [`Ipv6::parse`],
//!   40 bytes of options by TCP's own offset.
//! - What is kept for reassembly is bounded in bytes and in number by the caller's limits, and the first copy of a byte
//!   wins (`reassembly::tests`, `fragments::tests`, against a model).
//!
//! # Cost
//!
//! A parse reads each header's bytes once: some nanoseconds each. Options of TCP are a `Vec` when there are any. A
//! stream in order is passed through without a copy.
//!
//! # Example
//!
//! ```
//! use xs_proto::ip::{Addresses, Ipv4, Protocol, Udp};
//!
//! let addresses = Addresses::V4("192.0.2.1".parse()?, "192.0.2.2".parse()?);
//! let mut datagram = Vec::new();
//! Udp { source: 4000, destination: 53 }.write(addresses, b"hello", &mut datagram)?;
//! let mut packet = Vec::new();
//! Ipv4::new("192.0.2.1".parse()?, "192.0.2.2".parse()?, Protocol::UDP).write(&datagram, &mut packet)?;
//!
//! let (header, rest) = Ipv4::parse(&packet)?;
//! assert_eq!((header.time_to_live, header.protocol), (64, Protocol::UDP));
//! let (udp, payload) = Udp::parse(rest)?;
//! assert_eq!((udp.destination, payload), (53, &b"hello"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! smoltcp wraps a slice in a view with an accessor for each field, which is cheapest when only one is read; etherparse
//! has views and structs; libpcap's users cast a pointer to a C struct. Structs are the easiest to read, to compare and
//! to make.
//!
//! # What this leaves out
//!
//! 802.3 frames' LLC and SNAP, MPLS, GRE, IPsec, SCTP, mobility headers; ICMP messages other than the common ones keep
//! their bytes as they came. A TCP that connects: this reads and writes its segments.
//!
//! # Try next
//!
//! Send an overlapping pair of IPv4 fragments that differ in what they have in common, and find out which one your
//! kernel believes. Then let [`Fragments`] believe the other, and name the attack.
//!
//! # Sources
//!
//! RFC 791 (IPv4), 8200 (IPv6), 792 and 4443 (ICMP), 826 (ARP), 768 (UDP), 9293 and 7323 (TCP and its options), 1071
//! (the checksum), 815 (reassembly), 5722 (overlapping fragments); IEEE 802.3 and 802.1Q; IANA's registries of protocol
//! numbers.

mod arp;
mod checksum;
mod error;
mod ethernet;
mod fragments;
mod icmp;
mod pieces;
mod reader;
mod reassembly;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;
mod v4;
mod v6;

pub use arp::{Arp, ArpOperation};
pub use checksum::{Addresses, Checksum};
pub use error::Error;
pub use ethernet::{EtherType, Ethernet, MacAddr, VlanTag};
pub use fragments::{FragmentKey, FragmentLimits, Fragments};
pub use icmp::{Icmp, IcmpKind, Quoted};
pub use reassembly::{Chunk, Stream, StreamLimits};
pub use tcp::{Tcp, TcpFlags, TcpOption};
pub use udp::Udp;
pub use v4::Ipv4;
pub use v6::{Extension, Ipv6};

pub(crate) use reader::Reader;

/// What an IP packet carries: a number of IANA's registry "Protocol Numbers".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP, of IPv4.
    pub const ICMP: Protocol = Protocol(1);
    /// TCP.
    pub const TCP: Protocol = Protocol(6);
    /// UDP.
    pub const UDP: Protocol = Protocol(17);
    /// ICMPv6.
    pub const ICMPV6: Protocol = Protocol(58);
    /// Nothing follows, in IPv6.
    pub const NONE: Protocol = Protocol(59);
}
