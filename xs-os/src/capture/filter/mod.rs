//! The filter language of tcpdump, compiled to classic BPF.
//!
//! # The problem
//!
//! A busy link carries a million packets a second, and somebody wants the ten that concern one host. Copying each to
//! the program that looks for them would cost more than everything else; so the question is handed to the kernel as a
//! small program that can't loop and can't write, and only what it accepts is copied. People don't write such programs:
//! they write `tcp port 80 and host 10.0.0.1`.
//!
//! # How it works
//!
//! ```text
//!   text ── words ──▶ expression ── code ──▶ instructions with labels ── jumps measured ──▶ Program
//!    "tcp port 80"     And / Or / Not of      each question jumps to        short where 8 bits
//!                      questions              "yes" or "no"                 say it, long otherwise
//! ```
//!
//! [`parse`](Filter::parse) reads the language of `pcap-filter(7)` into an expression. The same qualifiers hold for
//! what follows them (`port 80 or 443`), `and` and `or` bind equally and to the left, `not` binds closest: so it is
//! there, and here. [`Filter::compile`] writes code for a link type. An expression is a control-flow graph: `compile`
//! gives each question two labels, where to go if it holds and where if it does not, so that `and` and `or` cost
//! nothing but the order of labels.
//!
//! | asked | words |
//! |---|---|
//! | addresses | `[ip\|ip6\|arp] [src\|dst\|src or dst\|src and dst] host ADDRESS`, `net ADDRESS/BITS`, `net ADDRESS mask MASK`, `ether [src\|dst] host MAC` |
//! | ports | `[tcp\|udp\|sctp] [src\|dst…] port N`, `portrange A-B` |
//! | protocols | `ip`, `ip6`, `arp`, `rarp`, `tcp`, `udp`, `sctp`, `icmp`, `icmp6`, `ether proto N`, `ip proto N`, `ip6 proto N`, `vlan [N]` |
//! | kinds | `broadcast`, `multicast`, `ip multicast`, `ip6 multicast`, `less N`, `greater N` |
//! | bytes | `tcp[13] & 2 != 0`, `ip[2:2] > 100`, `tcp[tcpflags] & (tcp-syn\|tcp-fin) != 0`, `len > 60` with `+ - * / % & \| ^ << >>` |
//! | together | `and`, `or`, `not`, `&&`, `\|\|`, `!`, parentheses |
//!
//! # Invariants
//!
//! - Whatever compiles is a program that the kernel takes: [`Program::new`] checks it (`tests::what_compiles_is_valid`).
//! - It accepts what tcpdump's program accepts (`tests::tcpdump_accepts_the_same`, over filters and packets of all kinds).
//! - Depth and length are bounded: parentheses to 100, the program to the kernel's 4,096 instructions.
//! - A question about ports never reads the port's place in a fragment that has none.
//!
//! # Cost
//!
//! Some instructions a question: the kernel compiles them to machine code. There is no optimiser: a protocol that is
//! asked for twice is loaded twice.
//!
//! # Example
//!
//! ```
//! use xs_os::capture::filter::{Filter, Link};
//!
//! let filter: Filter = "udp port 53 and not host 192.0.2.1".parse()?;
//! let program = filter.compile(Link::Ethernet)?;
//! assert_eq!(program.run(b"too short to be a frame", 23), 0);
//! let error = "tcp port eighty".parse::<Filter>().unwrap_err();
//! assert_eq!(error.to_string(), "at 9: \"eighty\" is no port");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! libpcap compiles the same language with an optimiser that folds the graph (its `pcap_compile`, and tcpdump's `-d`,
//! show what comes out); Wireshark's display filters are another language, which runs on dissected packets, after the
//! copy. Linux turns classic BPF into eBPF and that into machine code.
//!
//! # What this leaves out
//!
//! Names of hosts and networks, which would ask a server in the middle of a filter; services out of a short list;
//! `gateway`, `ether broadcast` of other links, MPLS, PPPoE, `inbound` and `outbound`, 802.11; chains of IPv6's
//! extension headers, which libpcap does not follow either (`protochain`).
//!
//! # Try next
//!
//! Write the optimiser: a block that loads what its predecessor has loaded needn't. Count instructions before and after
//! for `tcp port 80 or tcp port 443`, beside `tcpdump -d`.
//!
//! # Sources
//!
//! S. McCanne and V. Jacobson, "The BSD Packet Filter" (USENIX 1993); `pcap-filter(7)`; Linux,
//! `Documentation/networking/filter.rst`.

mod ast;
mod code;
mod compile;
mod lex;
mod parse;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use thiserror::Error;

use super::bpf::Program;
use ast::Expr;

/// What a packet begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// IPv4 or IPv6, without anything in front.
    Raw,
}

/// A filter that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Option<Expr>);

/// Why a text is no filter, or a filter no program.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The text is wrong, there.
    #[error("at {at}: {what}")]
    Syntax {
        /// Bytes in front of what is wrong.
        at: usize,
        /// What is wrong.
        what: String,
    },
    /// The packets have no such header.
    #[error("packets without a link header have no {0}")]
    NoLink(&'static str),
    /// More instructions than the kernel takes.
    #[error("the filter is too long: the kernel takes 4,096 instructions")]
    TooLong,
}

impl Filter {
    /// Reads a filter; an empty one accepts everything.
    ///
    /// # Errors
    ///
    /// [`Error::Syntax`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse::filter(text).map(Filter)
    }

    /// Whether it asks about VLAN tags, which cards and kernels take off before a filter sees the packet.
    pub fn asks_for_tags(&self) -> bool {
        self.0.as_ref().is_some_and(Expr::asks_for_tags)
    }

    /// The program for packets of a link.
    ///
    /// # Errors
    ///
    /// [`Error::NoLink`], [`Error::TooLong`].
    pub fn compile(&self, link: Link) -> Result<Program, Error> {
        compile::program(self.0.as_ref(), link)
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Filter::parse(text)
    }
}
