//! Ping: is a host there, and how far away is it?
//!
//! # The problem
//!
//! A connection hangs. Is the other host gone, is the way there broken, or is only the program on it slow? Every IP
//! stack answers an *echo request* by itself, below all programs: who answers is there, and the time until then is the
//! way's.
//!
//! # How it works
//!
//! ```text
//!        every second                                        identifier, sequence number, data
//!   Session ── request 1, 2, 3 … ──▶ IcmpSocket ──▶ ICMP echo request ─────────────▶ host
//!      ▲                                                                              │
//!      └── reply 2 after 0.4 ms ◀── Async ◀── ICMP echo reply, the same data ◀────────┘
//! ```
//!
//! [`Session`] is the pure part: it says what is sent when, knows which reply belongs to which request, tells a second
//! reply from a first, and adds up. The loop round it ([`run`]) is a futures' executor over epoll ([`xs_os::executor`])
//! with a socket that needs no privilege where the system allows it ([`xs_os::raw`]), and a descriptor that becomes
//! readable with SIGINT.
//!
//! # Invariants
//!
//! - A reply is counted once; a second one is a duplicate, and one to nothing that was asked is ignored (`session::tests`).
//! - It ends: by the count, by the deadline, or by a signal, and then always says what came of it.
//! - At most 65,536 requests are remembered: a sequence number that comes again takes the place of the old one.
//!
//! # Cost
//!
//! Two packets a second, and a system call each.
//!
//! # Example
//!
//! ```text
//! $ xs-ping -c 2 192.0.2.1
//! PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data.
//! 64 bytes from 192.0.2.1: icmp_seq=1 ttl=63 time=0.412 ms
//! 64 bytes from 192.0.2.1: icmp_seq=2 ttl=63 time=0.398 ms
//!
//! --- 192.0.2.1 ping statistics ---
//! 2 packets transmitted, 2 received, 0% packet loss, time 1001ms
//! rtt min/avg/max/mdev = 0.398/0.405/0.412/0.007 ms
//! ```
//!
//! # How others do it
//!
//! M. Muuss wrote the first in 1983, in an evening; iputils' is Linux' today, and this prints what it prints and exits
//! as it does (0: replies came, 1: none came, 2: something else is wrong). fping asks many hosts at once, hping3 asks
//! by any protocol.
//!
//! # What this leaves out
//!
//! Flooding, broadcasts, record route and time stamps of IP options, names for addresses that answer, patterns of data.
//!
//! # Try next
//!
//! Write the time of sending into the data, and keep no table at all: then find what a host could do to you that
//! changes the data it sends back.
//!
//! # Sources
//!
//! RFC 792 and RFC 4443 (echo); RFC 1122, section 3.2.2.6; `ping(8)` of iputils.

mod drive;
mod options;
mod session;

pub use drive::run;
pub use options::Options;
pub use session::{Heard, Session, Summary};

use std::io;

use thiserror::Error;

/// Why nothing could be asked.
#[derive(Debug, Error)]
pub enum Error {
    /// The name has no address of the version that was asked for.
    #[error("{0}: Name or service not known")]
    Unknown(String),
    /// The socket was refused.
    #[error("no ICMP socket: {0} (allow a group in net.ipv4.ping_group_range, or give CAP_NET_RAW)")]
    Socket(io::Error),
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}
