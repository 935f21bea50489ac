//! Where connections come from: the [`Listener`] trait over TCP, Unix sockets and memory.
//!
//! # The problem
//!
//! A server's code shouldn't know what it listens on. The same service answers on a TCP port, on a socket file beside
//! it, and inside a test where no port may be taken and nothing may depend on the machine. And binding, the first thing
//! that goes wrong for a new user, must say what went wrong with which address.
//!
//! # How it works
//!
//! A listener is one asynchronous method that gives a stream and the name of who is at its other end:
//!
//! ```text
//!   TcpListener     socket · bind · listen(backlog)   ─┐
//!   UnixListener    stale file removed · bind · mode   ├─▶ accept() ──▶ (Io: Transport, Peer)
//!   MemoryListener  MemoryConnector::connect()        ─┘
//! ```
//!
//! The three here name their peers with one type, [`Addr`], so that whoever lists connections needs no generics.
//!
//! # Invariants
//!
//! - [`Listener::accept`] may be dropped at any await and loses no connection; `serve` relies on it in its `select!`.
//! - Every accepted TCP stream has `TCP_NODELAY` set (unless told otherwise): a reply waits for nobody.
//! - Binding a Unix socket removes a file only if it is a socket that nobody answers on, never another file
//!   (`unix::clear_stale`).
//! - Dropping a listener ends it: the port is free, the socket file is gone, [`MemoryConnector::connect`] is refused.
//!
//! # Cost
//!
//! Accepting is one system call, plus one for each socket option; with keep-alive that is four. A connection in memory
//! costs two buffers, which grow as they are used.
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_net::listener::{Listener, MemoryListener};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let (mut listener, connector) = MemoryListener::new(16);
//! let (client, server) = tokio::join!(connector.connect(), listener.accept());
//! let (mut client, (mut server, peer)) = (client?, server?);
//! client.write_all(b"hello").await?;
//! let mut got = [0; 5];
//! server.read_exact(&mut got).await?;
//! assert_eq!((&got, peer.to_string().as_str()), (b"hello", "memory:1"));
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! hyper leaves accepting to the caller altogether; axum has a trait like this one whose `accept` cannot fail, because
//! its implementation retries by itself. Here errors reach [`serve`](mod@crate::serve), which decides once for all
//! listeners which of them end a server.
//!
//! # What this leaves out
//!
//! Datagrams, sockets passed in by a supervisor (socket activation), and TLS, which the block `tls` puts around the
//! connection service, so that a slow handshake never blocks accepting.
//!
//! # Try next
//!
//! Bind a [`TcpListener`] with a backlog of 1, accept nothing, and open connections: the third one hangs in its
//! handshake, and `ss -ltn` shows why.
//!
//! # Sources
//!
//! `listen(2)`, `tcp(7)`, `unix(7)`; RFC 9293 for the handshake, RFC 896 for the delay that `TCP_NODELAY` removes.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::Transport;

mod memory;
pub(crate) mod tcp;
#[cfg(unix)]
mod unix;

pub use memory::{MemoryConnector, MemoryListener, MemoryStream};
pub use tcp::{TcpListener, TcpOptions};
#[cfg(unix)]
pub use unix::{UnixListener, UnixOptions};

/// A source of connections.
pub trait Listener: Send {
    /// One connection's stream.
    type Io: Transport + Unpin + Send + 'static;
    /// Who is at the other end.
    type Peer;

    /// The next connection. Dropping the future before it is ready loses nothing.
    ///
    /// An error is not the end of the listener: see [`serve::classify`](crate::serve::classify).
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::Peer)>> + Send;

    /// Where it listens, with the port that was really taken.
    fn local_addr(&self) -> Addr;
}

/// The name of an end of a connection, of any of the built-in kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Addr {
    /// A TCP address and port.
    Tcp(SocketAddr),
    /// The socket file. A connecting peer has no name of its own, so it gets its server's.
    Unix(Arc<Path>),
    /// A connection inside this process: its number, from 1, or 0 for the listener.
    Memory(u64),
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addr::Tcp(addr) => addr.fmt(f),
            Addr::Unix(path) => path.display().fmt(f),
            Addr::Memory(number) => write!(f, "memory:{number}"),
        }
    }
}

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Self {
        Addr::Tcp(addr)
    }
}

/// Why a server could not start to listen. The operator's problem, and worded for them.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {}", reason(source))]
pub struct BindError {
    /// What was to be bound.
    pub addr: String,
    /// What the operating system said.
    pub source: io::Error,
}

impl BindError {
    pub(crate) fn new(addr: impl fmt::Display, source: io::Error) -> Self {
        BindError { addr: addr.to_string(), source }
    }

    /// True when somebody else listens there already: another address helps, or ending the other one.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

fn reason(error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "somebody else listens there already",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        io::ErrorKind::PermissionDenied => "permission denied (ports below 1024 need a privilege)",
        _ => return error.to_string(),
    };
    format!("{hint} ({error})")
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        io::Error::new(error.source.kind(), error.to_string())
    }
}
