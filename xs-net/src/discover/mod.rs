//! Which endpoints there are, as a stream of changes: a list, a file, a name.
//!
//! # The problem
//!
//! Endpoints come and go: somebody adds a machine, a deployment moves everything, a name server answers something else today.
//! Whoever calls them must hear of it without being started again. And the news itself is not to be trusted blindly: a file
//! that somebody is editing, or a name server that is down, is no reason to forget everybody who still answers.
//!
//! # How it works
//!
//! Every source says the whole state now and then, and [`Known`] makes of it what has changed. So a consumer, such as
//! `balance::Members::follow`, handles two kinds of news and no more:
//!
//! ```text
//!   list ──────────────────────────────────┐
//!   file ── read, parse ── good? ──▶ Known ──┼──▶ Insert(endpoint)   new, or another weight or zone
//!   name ── resolve ────── good? ──▶ Known ──┘    Remove(name)
//!             ▲             │ no: said once, the last good state stays
//!             └── Timer ────┘
//! ```
//!
//! - [`fixed`]: a list that never changes.
//! - [`watch_file`]: a text file, one endpoint a line ([`parse`]), read again every second.
//! - [`watch_dns`]: the endpoints of a name, by the system's resolver, by `DnsResolver` with service records (SRV) and times to
//!   live (feature `discover-dns`), or by any other [`Resolve`].
//!
//! Streams of several sources go together with `futures::stream::select`, if their names don't overlap.
//!
//! # Invariants
//!
//! - Whoever applies every change of a stream has the source's last good state (a property test of [`Known::replace`]).
//! - In a round, who is new comes before who is gone: a set that is replaced is never empty on the way (the same test).
//! - What cannot be read, is broken, or is empty without being allowed to, changes nothing. It is said as a warning once, and
//!   counted each time (`poll`).
//! - A file that is seen while it is written changes nothing (`Reader::is_whole`), as far as that can be seen: see
//!   [`watch_file`].
//! - A time to live is believed within its bounds: zero is no hurry, and a day no reason to sleep (`watch_dns`).
//! - A file is never read beyond its limit of bytes, a list never beyond its limit of endpoints, and an answer of a name
//!   server is cut at its limit.
//! - A source rests for its interval between two rounds, and does nothing while nobody polls its stream.
//!
//! # Cost
//!
//! A round reads and parses everything, and compares it in O(n log n): for thousands of endpoints a millisecond or so. Only
//! what has changed goes on to the consumer. `discover-dns` compiles some thirty crates more, `hickory-resolver` and what it
//! needs, for a second resolver in the process; it is off unless asked for.
//!
//! # Example
//!
//! ```
//! use std::{path::Path, sync::Arc, time::Duration};
//! use futures::StreamExt;
//! use xs_net::discover::{Change, Endpoint, FileOptions, watch_file};
//! use xs_net::{Bridge, Timer};
//! use xs_os::vfs::{MemoryVfs, VfsExt};
//! use xs_os::{Clock, VirtualClock};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let (clock, disk) = (VirtualClock::new(), MemoryVfs::new());
//! let (timer, path) = (Timer::new(Arc::new(clock.clone())), Path::new("endpoints"));
//! let bridge = Bridge::inline(timer.clock(), Default::default);
//! disk.replace(path, b"10.0.0.1:80\n10.0.0.2:80 weight=3\n")?;
//!
//! // Nobody writes this file in place, so there is nothing to wait for before it counts.
//! let options = FileOptions { settle: Duration::ZERO, ..FileOptions::default() };
//! let changes = watch_file(Arc::new(disk.clone()), path.into(), bridge, &timer, options);
//! let mut changes = std::pin::pin!(changes);
//! assert_eq!(changes.next().await, Some(Change::Insert(Endpoint::new("10.0.0.1:80"))));
//! assert_eq!(changes.next().await, Some(Change::Insert(Endpoint::new("10.0.0.2:80").weight(3))));
//!
//! disk.replace(path, b"10.0.0.2:80 weight=3\n")?;
//! let later = async { clock.advance(options.every) };
//! let (change, ()) = tokio::join!(changes.next(), later);
//! assert_eq!(change, Some(Change::Remove("10.0.0.1:80".into())));
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! tower's `Discover` is a stream of the same two kinds of news, with a service in each. Envoy subscribes to a management
//! server (EDS) and warms a new set before it uses it; its file source watches for renames. nginx resolves once, at its
//! start, unless told otherwise, and has kept dead addresses of many a cloud for that. Prometheus reads the same kind of
//! files as here, and keeps the last good state as well. gRPC asks the name server again only when connections fail.
//!
//! # What this leaves out
//!
//! The second-best priority of service records while the best one is down; DNS over TLS. Registries (Consul, Kubernetes, xDS): each is a source like
//! these, in a crate of its own. Being told of a file's change instead of looking.
//!
//! # Try next
//!
//! Write a source that follows a key of a store, with [`Known`], and let a hundred balancers of one process share it.
//!
//! # Sources
//!
//! RFC 1034 and 1035; RFC 2782 (SRV); RFC 2181, section 8 (times to live); RFC 8305, section 3, why answers come in any order; the documentation of Envoy's
//! service discovery, "Consistency and eventual consistency": health checks decide who is called, discovery who is checked.

mod diff;
mod dns;
mod file;
mod poll;
#[cfg(feature = "discover-dns")]
mod resolver;
mod text;

use futures::stream::{Iter, iter};

pub use diff::Known;
pub use dns::{Answer, DnsOptions, Resolve, SystemResolver, watch_dns};
pub use file::{FileOptions, watch_file};
#[cfg(feature = "discover-dns")]
pub use resolver::DnsResolver;
pub use text::{Fault, InvalidList, parse};

pub use crate::endpoint::{Change, Endpoint};

/// These endpoints, once. The stream ends after them.
pub fn fixed(endpoints: impl IntoIterator<Item = Endpoint>) -> Iter<std::vec::IntoIter<Change>> {
    iter(Known::new().replace(endpoints))
}
