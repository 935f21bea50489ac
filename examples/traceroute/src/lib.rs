//! Traceroute: which routers lie between here and there, and how far away each is.
//!
//! # The problem
//!
//! A host does not answer, or slowly. Somewhere on the way packets are lost, or turn round in a circle. Nobody on the
//! network knows the way: each router knows the next one.
//!
//! # How it works
//!
//! Every packet says how many routers it may still pass. Who counts that down to zero throws the packet away, and tells
//! the sender. So packets that may pass one, two, three routers make the first, the second, the third one speak:
//!
//! ```text
//!   hops 1 ──▶ router A ✗  "time exceeded"           A's address, and the time until it said so
//!   hops 2 ──▶ router A ──▶ router B ✗               B
//!   hops 3 ──▶ router A ──▶ router B ──▶ host        "port unreachable", an echo reply, or a connection: it is there
//! ```
//!
//! Each probe is a socket of its own ([`probe`]), and the kernel finds out which answer belongs to which: no privilege
//! is needed for UDP and TCP. All of a way's probes are under way at once, at most so many; the executor
//! ([`xs_os::executor`]) waits for all of them. [`Way`] is the pure part: what was answered by whom, where the way
//! ends, how it is printed.
//!
//! # Invariants
//!
//! - A way ends with the first hop at which the host itself answered, or at which somebody said that it can't be
//!   reached (`way::tests`).
//! - Every probe ends: by an answer or by the time to wait. At most 255 hops with 10 probes each, and as many
//!   descriptors at once as `--parallel` says.
//!
//! # Cost
//!
//! A packet a probe. A way of ten hops takes as long as its slowest answer, and not the sum of all.
//!
//! # Example
//!
//! ```text
//! $ xs-traceroute 10.77.2.3
//! traceroute to 10.77.2.3 (10.77.2.3), 30 hops max, 60 byte packets
//!  1  10.77.1.2  0.061 ms  0.048 ms  0.047 ms
//!  2  10.77.2.3  0.072 ms  0.065 ms  0.066 ms
//! $ xs-traceroute --cycles 10 10.77.2.3        # mtr's report; --live draws it anew each second
//! ```
//!
//! # How others do it
//!
//! V. Jacobson's (1988) sends UDP to unlikely ports, one probe after the other; Linux' sends sixteen at once and can do
//! all of this; mtr repeats for ever and keeps statistics; Paris traceroute keeps what routers choose among several
//! ways by the same for all probes, as the TCP method here does not.
//!
//! # What this leaves out
//!
//! Names of routers, AS numbers, MTU discovery, MPLS labels, source routes, the return path (which nobody sees).
//!
//! # Try next
//!
//! Give all probes of a hop the same source port, and of a balanced way find out how many ways there are.
//!
//! # Sources
//!
//! RFC 792; RFC 1812, section 4.3; `traceroute(8)`, `mtr(8)`; B. Augustin et al., "Avoiding traceroute anomalies with
//! Paris traceroute" (IMC 2006).

mod drive;
mod options;
pub mod probe;
mod report;
mod way;

pub use drive::run;
pub use options::{Method, Options};
pub use report::Report;
pub use way::{Answer, Fate, Way};

use std::io;

use thiserror::Error;

/// Why no way was looked for.
#[derive(Debug, Error)]
pub enum Error {
    /// The name has no address of the version that was asked for.
    #[error("{0}: Name or service not known")]
    Unknown(String),
    /// A probe could not be sent.
    #[error("no probe could be sent: {0}")]
    Send(io::Error),
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}
