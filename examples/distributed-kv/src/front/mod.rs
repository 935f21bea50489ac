//! What clients speak with: RESP, so that `redis-cli` is one of them.
//!
//! ```text
//!   one read of a connection                       what it becomes
//!   GET a  GET b  PING  GET c               ─────▶  one question to the node ("may I read?"), then three reads
//!   SET a  INCR n  GET a  MULTI … EXEC      ─────▶  one entry of the log, and all answers out of it
//! ```
//!
//! A batch that writes nothing asks the node once whether its state is as new as anything that was answered before, and
//! reads it here, on its own thread. A batch that writes is *one* entry, with its reads inside: they see what stands in front
//! of them, in order, and the whole waits for one sync of a majority's disks.
//!
//! After `READONLY` a connection reads what this node has, without asking anybody: fast, available, and perhaps old.
//! `READWRITE` takes that back.

mod admin;
mod connection;
mod control;
mod info;
mod plan;
mod scan;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tower::Service;
use xs_net::serve::Conn;
use xs_net::session::{HalfClose, OutputLimits, Registry, Session, SessionOptions};
use xs_net::{Addr, BoxError, Timer, Transport};
use xs_proto::resp::{InputLimits, RequestDecoder};

use self::connection::Connection;
use self::scan::Cursors;
pub(crate) use self::sessions::SessionNames;
use crate::command::{MAX_ENTRY, MAX_VALUE, Millis};
use crate::node::Handle;

/// The most words in a request.
const MAX_WORDS: usize = 1 << 16;
/// Output that waits for a client which doesn't read.
const MAX_OUTPUT: usize = 256 << 20;

/// All that the connections of one node share.
pub(crate) struct Front {
    pub(crate) node: Handle,
    pub(crate) timer: Timer,
    registry: Registry,
    cursors: Mutex<Cursors>,
    sessions: SessionNames,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Front {
    pub(crate) fn new(node: Handle, timer: Timer, sessions: SessionNames) -> Arc<Front> {
        Arc::new(Front { node, timer, registry: Registry::new(), cursors: Mutex::new(Cursors::default()), sessions })
    }

    /// The service that every connection of a listener goes to.
    pub(crate) fn connections<Io, Peer>(
        self: &Arc<Self>,
    ) -> impl Service<Conn<Io, Peer>, Response = (), Error = BoxError, Future: Send + 'static> + use<Io, Peer>
    where
        Io: Transport + Unpin + Send + 'static,
        Peer: Into<Addr> + Send + 'static,
    {
        let front = self.clone();
        tower::service_fn(move |conn| connection(front.clone(), conn))
    }

    /// Unix time by the node's calendar.
    pub(crate) fn wall(&self) -> Millis {
        unix_millis(&self.timer)
    }
}

pub(crate) fn unix_millis(timer: &Timer) -> Millis {
    timer.wall().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

async fn connection<Io, Peer>(front: Arc<Front>, conn: Conn<Io, Peer>) -> Result<(), BoxError>
where
    Io: Transport + Unpin,
    Peer: Into<Addr>,
{
    let peer = conn.peer.into();
    let registration = front.registry.register(peer.clone());
    front.node.clients.connections.fetch_add(1, Ordering::Relaxed);
    let service = Connection::new(front.clone(), front.sessions.next(), registration.handle().id());
    let limits = InputLimits {
        bulk: MAX_VALUE.max(MAX_ENTRY),
        multibulk: MAX_WORDS,
        request: 4 * MAX_ENTRY,
        ..InputLimits::REDIS
    };
    let options = SessionOptions {
        max_unread: 8 * MAX_ENTRY,
        output: OutputLimits::hard(MAX_OUTPUT),
        half_close: HalfClose::Answer,
        ..SessionOptions::default()
    };
    let outcome = Session::new(registration, RequestDecoder::new(limits), service, &front.timer)
        .with_options(options)
        .with_drain(conn.drain)
        .run(conn.io)
        .await;
    tracing::debug!(%peer, cause = ?outcome.cause(), "a client's connection closed");
    Ok(())
}
