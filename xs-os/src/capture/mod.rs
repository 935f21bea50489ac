//! Packets of the machine's links: which ones, and how they come.
//!
//! # The problem
//!
//! A program wants to see packets that are none of its own: to find out why a connection hangs, to count, to record.
//! The kernel sees all of them, far more than any program could be handed; and what is handed over should be only what
//! was asked for.
//!
//! # How it works
//!
//! ```text
//!   "tcp port 80" ── filter ──▶ bpf::Program ──▶ the kernel (or bpf::Program::run, on a file)
//!                                                   │
//!   link ── every packet ──────────────────────────▶ wanted? ── a copy ──▶ the program
//! ```
//!
//! [`filter`] compiles tcpdump's language, [`bpf`] is the machine that it is compiled for: checked, printed, and run, for
//! whoever has packets of another source than the kernel. `Live` (Linux) attaches a program to a packet socket and takes
//! packets out of a ring of memory that the kernel fills: no call and no copy a packet, only one wait when none is there.
//!
//! # Invariants
//!
//! - A program ends: it only jumps forwards, and its last instruction returns ([`bpf::Program::new`]).
//! - What lies outside of a packet is never read: such a load rejects it.
//! - A packet of the ring is borrowed until the next is asked for, and its block belongs to the kernel or to us, never
//!   to both (`ring::Ring`).
//! - A VLAN tag that the card or the kernel has taken off is put back; a filter that asks about tags is asked here, not
//!   there.
//!
//! # Cost
//!
//! A filter in the kernel is machine code of some instructions a packet; [`bpf::Program::run`] interprets, at some
//! nanoseconds an instruction.
//!
//! # Example
//!
//! ```
//! use xs_os::capture::filter::{Filter, Link};
//!
//! let program = "ip and not tcp".parse::<Filter>()?.compile(Link::Raw)?;
//! let mut packet = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
//! assert_ne!(program.run(&packet, 20), 0);
//! packet[9] = 6;
//! assert_eq!(program.run(&packet, 20), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! libpcap hides the difference between systems (AF_PACKET, BPF devices, Npcap) and compiles filters; XDP and eBPF let
//! a program of one's own run where the packet arrives.
//!
//! # What this leaves out
//!
//! Capturing of all interfaces at once, sending, fan-out to several threads, other systems than Linux.
//!
//! # Try next
//!
//! Print the program of a filter beside `tcpdump -d`, and find what its optimiser has left out.
//!
//! # Sources
//!
//! S. McCanne and V. Jacobson, "The BSD Packet Filter: A New Architecture for User-level Packet Capture" (USENIX 1993);
//! `packet(7)`; Linux, `Documentation/networking/filter.rst`.

pub mod bpf;
pub mod filter;
#[cfg(target_os = "linux")]
mod live;
#[cfg(target_os = "linux")]
mod ring;

#[cfg(target_os = "linux")]
pub use live::{Frame, Live, Options};
#[cfg(target_os = "linux")]
pub use ring::Statistics;
