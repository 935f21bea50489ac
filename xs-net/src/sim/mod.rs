//! Whole servers in the simulated world: listeners, streams and tasks on the nodes of an [`xs_os::sim::World`].
//!
//! # The problem
//!
//! [`xs_os::sim`] runs state machines: whoever wants to be tried there is asked for messages and timers, and keeps no `async`
//! code. But a server *is* `async` code: an accept loop, a session a connection, time-outs, a client with a queue. Its bugs are
//! in that assembly as much as in the machine inside of it, and rewriting it for a simulation would try the rewriting.
//!
//! # How it works
//!
//! A [`Host`] is an actor that runs a program. The program is an async closure; what it would ask the operating system for, it
//! asks its [`Node`]: [`listen`](Node::listen), [`connect`](Node::connect), a [`Timer`](crate::Timer), chance, a disk, jobs, a
//! [`Bridge`](crate::Bridge). What takes those as arguments, as everything in this project does, runs unchanged.
//!
//! ```text
//!     World ── packet or alarm ──▶ Host::step                                       one moment of virtual time
//!       ▲                            │ 1  Stack::receive, expire     wakes readers, writers, accepters
//!       │                            │ 2  tasks run until all wait ⇄ jobs step      a tokio runtime without drivers
//!       │                            │ 3  Stack::flush               what was written leaves as packets
//!       └──── packets, next alarm ◀──┘                               alarm: the clock's, a retry's or a job's next
//!
//!     SimStream ─▶ tail ─▶ segments in flight ─▶ ~ links ~ ─▶ early │ unread ─▶ SimStream
//!                  └─ send_buffer ──────────┘                 └─ receive_buffer ─┘
//!                     full: the writer waits   ◀── ack, limit ──   not read: the limit stands
//! ```
//!
//! The links below lose, double and reorder packets, so each host has a small TCP. A connection is opened by three packets
//! (*syn*, *syn-ack*, any segment). Bytes have offsets; the receiver tells up to which offset everything has arrived and up to
//! which it takes more. What isn't acknowledged is sent again, after a time that is measured and that doubles; three
//! acknowledgements of the same offset are taken for a loss. *fin* ends one direction. So a partition looks to a
//! program as it looks above TCP: silence, and then it goes on, or breaks with `TimedOut`.
//!
//! A **crash** drops the host with all its tasks, and nobody is told. A process that is **killed** or exits leaves a kernel behind
//! that closes its connections: once each, and what is lost of that is not sent again. Each end of a connection has a number
//! that no life uses twice; a packet for a number that isn't there is answered with *reset*, which the program at the other end
//! sees as `ConnectionReset`.
//!
//! # Invariants
//!
//! - Bytes arrive once and in order, or the connection breaks (`connection.rs`; a property over many seeds in the tests).
//! - The same seed gives the same run: a step depends on the packet, the node's clock and chance, and on nothing else; tasks run
//!   in the order in which they were woken (`Host::run_tasks`). Only destructors at the end of a life have none, and so they reach
//!   neither disk nor trace (`Host::end`).
//! - Time stands still in a step, and no runtime advances it: the only timer is the world's (`Host::step`).
//! - A connection holds at most [`Limits::send_buffer`] and [`Limits::receive_buffer`], whatever the other side says
//!   (`Connection::poll_write`, `Connection::take`).
//! - No packet of an earlier life reaches a connection of this one (`Stack::receive`).
//! - A panic in the program or in a task of [`Node::spawn`] is a panic of the world's step: no assertion is lost (`Host::tell`).
//!
//! # Cost
//!
//! A life is a runtime, a few microseconds to make. A step enters it once. A round trip of a request and its answer is two
//! packets, as acknowledgements travel with data. Payload is copied where it is written and where it is read.
//!
//! # Example
//!
//! A server that echoes and a client that trusts no network, over links that lose a fifth of everything:
//!
//! ```
//! use std::{io, time::Duration};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
//! use xs_net::{Listener, sim::{Host, Node}};
//! use xs_os::sim::{Link, NodeId, Options, World};
//!
//! async fn server(node: Node) -> io::Result<()> {
//!     let mut listener = node.listen(7)?;
//!     loop {
//!         let (stream, _) = listener.accept().await?;
//!         let (mut read, mut write) = split(stream);
//!         node.spawn(async move { copy(&mut read, &mut write).await });
//!     }
//! }
//!
//! async fn client(node: Node) -> io::Result<()> {
//!     let mut stream = node.connect(NodeId(0), 7).await?;
//!     stream.write_all(b"is anybody there?").await?;
//!     let mut echo = [0; 17];
//!     stream.read_exact(&mut echo).await?;
//!     assert_eq!(&echo, b"is anybody there?");
//!     Ok(())
//! }
//!
//! let lossy = Link { loss: 0.2, ..Link::datagrams() };
//! let mut world = World::new(42, Options { link: lossy, ..Options::new(2) }, |cx| {
//!     Ok(if cx.node() == NodeId(0) { Host::new(cx, server) } else { Host::new(cx, client) })
//! });
//! let answered = world.run_while(
//!     Duration::from_secs(10),
//!     |_, _| Ok(()),
//!     |world| world.actor(NodeId(1)).is_some_and(Host::has_ended),
//! );
//! assert_eq!(answered, Ok(true));
//! ```
//!
//! # How others do it
//!
//! turmoil runs each host in a tokio runtime of its own, as here, with paused clocks that it advances, and streams that lose nothing
//! but hold what a partition keeps. madsim replaces tokio itself at compile time, and overrides the C library's clock and random
//! numbers, so that code which reads them from the air runs too. FoundationDB and TigerBeetle wrote their servers for
//! a simulator in the first place.
//!
//! # What this leaves out
//!
//! Of RFC 9293: congestion control (a window is all that holds a sender back), urgent data, options, delayed and selective
//! acknowledgements, simultaneous opening of one connection from both sides, TIME-WAIT (numbers that are never used twice make it
//! needless), keep-alives, addresses other than a node's one. While a process is down, nobody answers for its machine: a caller hears
//! nothing where a real kernel would refuse.
//!
//! Of the runtime: `tokio::time`, `tokio::net` and threads (`spawn_blocking`, `tokio::fs`) are refused by a panic; a `select!` that isn't
//! `biased` draws from outside of the seed, and nothing notices. A task that never waits is never interrupted: it stops the
//! world.
//!
//! # Try next
//!
//! Set [`Limits::segment`] to 1 and print [`World::timeline`](xs_os::sim::World::timeline) of an echo of ten bytes over a link that
//! reorders; then find the acknowledgement that three others repeat.
//!
//! # Sources
//!
//! RFC 9293 (TCP), 3.3 to 3.10; RFC 6298 (the retransmission timer); RFC 5681 3.2 and RFC 6582 (fast retransmission and what
//! follows it); RFC 9000 4.1, for limits told as offsets; `tcp(7)`.

mod connection;
mod host;
mod limits;
mod node;
mod packet;
mod rtt;
mod stack;
mod stream;

pub use host::Host;
pub use limits::Limits;
pub use node::{Node, address, node_at};
pub use packet::Packet;
pub use stream::{SimListener, SimStream};
