//! How nodes speak with each other.
//!
//! ```text
//!   n1                                                       n2
//!    │ ─── connect ──────────────────────────────────────────▶ │
//!    │ ─── hello: version, cluster, who, for whom, which disk ▶ │  known? the same cluster, version, disk?
//!    │ ◀── hello, or "refused, because …" ───────────────────── │
//!    │ ─── raft messages, forwards, answers to n2's ──────────▶ │
//!    │ ─── ping ─▶ ◀─ pong ──────────────────────────────────── │  silence for a while: connect anew
//! ```
//!
//! Each node opens a connection to each other one and speaks on it; what the other says comes on the connection that that one
//! has opened. So neither waits for the other, and no order has to be agreed about who connects.
//!
//! A queue in front of each connection holds so many bytes and no more: what does not fit is dropped. Raft says everything
//! again that matters, and so does whoever forwards.

mod accept;
mod directory;
mod frame;
mod hello;
mod link;
mod outbox;

use std::fmt;
use std::future::Future;
use std::io;

use tokio::net::TcpStream;
use xs_net::Transport;

pub(crate) use accept::Doorman;
pub(crate) use directory::{Directory, Inbound};
pub use frame::take_any_frames;
pub(crate) use frame::{Frame, Told};
pub(crate) use hello::Hello;
pub(crate) use link::{Link, LinkOptions};
pub(crate) use outbox::Outbox;

/// How a node reaches another one: TCP, or a simulated network.
pub trait Network: Clone + fmt::Debug + Send + Sync + 'static {
    /// A connection.
    type Io: Transport + Unpin + Send + 'static;

    /// Opens a connection to an address, `host:port`.
    ///
    /// # Errors
    ///
    /// When there is nobody, or the address is none.
    fn connect(&self, address: &str) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// TCP; names are looked up by the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Network for Tcp {
    type Io = TcpStream;

    async fn connect(&self, address: &str) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
