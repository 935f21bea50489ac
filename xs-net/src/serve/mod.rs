//! Accepting connections: [`serve`], its limit, and how it ends.
//!
//! # The problem
//!
//! The accept loop looks like five lines and has four well-known holes. A peer that gives up during its handshake makes
//! `accept` fail, and a naive loop ends the server. When descriptors run out, a naive loop spins. While a connection
//! limit is reached, a naive loop waits for a free place and is deaf to the order to shut down. And at the end, either
//! connections are cut in the middle of a reply, or one idle client keeps the process alive for ever.
//!
//! # How it works
//!
//! [`serve`] takes a listener, a tower service that answers connections, and a future that says when to stop. Every
//! thing that it may have to wait for is a branch of one `select!`, in this order:
//!
//! ```text
//!              ┌── shutdown ───────────▶ drain
//!              ├── a connection ended ─▶ its place is free
//!   select! ───┤── a place is free ────▶ (asked only at the limit, where connections wait for a place)
//!   biased     ├── service is ready ───▶ (asked once for every connection)
//!              └── accept ─────────────▶ spawn service.call(Conn { io, peer, … })
//!                     └── failed: classify ─▶ next at once │ pause 5 ms … 1 s │ end
//!
//!   drain:  drop the listener ─▶ Drain is signalled ─▶ wait for connections ─(drain_timeout)─▶ abort the rest
//! ```
//!
//! Every connection receives a [`Drain`], through which it learns that it should finish what it has begun and end; a
//! [`Session`](crate::Session) does that by itself when it is given the drain.
//!
//! # Invariants
//!
//! - One failed `accept` never ends the server unless the listener itself is broken ([`classify`]).
//! - Shutdown is heard in every state: while saturated, while the service isn't ready, while pausing after an error (it
//!   is the first branch of the only `select!`).
//! - The service is called only after the same value answered ready, once for each time. It is never cloned: a clone
//!   of a tower service has a readiness of its own.
//! - A connection whose future fails or panics ends alone: it runs in a task of its own.
//! - Where connections beyond the limit are refused, nobody is who finds a place: it is looked for when the connection
//!   is there, and the connection is kept until the service is ready for it (`kept`).
//! - At most [`ConnectionLimit`] connections exist at once, over all `serve` loops that share the limit; a place is
//!   given back when the connection's future is dropped, however that happens, and its [`Drain`] with it: a connection that
//!   goes on in another task, as after an upgrade, takes both along (`Place`).
//! - When `serve` returns, every connection's future has been dropped.
//!
//! # Cost
//!
//! One task for each connection; accepting costs the listener's system calls and two atomic operations for the limit.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_net::{Conn, MemoryListener, listener::MemoryStream, serve};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let greet = tower::service_fn(|mut conn: Conn<MemoryStream, _>| async move {
//!     let _ = conn.io.write_all(b"hello").await;
//!     Ok::<_, Infallible>(())
//! });
//! let (listener, connector) = MemoryListener::new(1);
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let server = tokio::spawn(serve(listener, greet, stopped));
//!
//! let mut text = String::new();
//! connector.connect().await?.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! drop(stop);
//! assert_eq!(server.await??.aborted, 0);
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! hyper's `graceful` helper watches connections that the caller spawned; axum's `serve` retries every accept error
//! after a second. Redis accepts beyond its limit to be able to say why it refuses, which is [`AtLimit::Refuse`] here;
//! haproxy and nginx stop accepting and let the kernel's queue fill, which is [`AtLimit::Wait`].
//!
//! # What this leaves out
//!
//! Handing the listening socket to a successor process without a gap, and limits by address: both are layers around
//! the listener or the service.
//!
//! # Try next
//!
//! Run a server with `ulimit -n 20`, open thirty connections, and watch it pause and go on. Then make [`classify`]
//! answer `Fatal` for everything.
//!
//! # Sources
//!
//! `accept(2)`, in particular the section on error handling; `tower::Service` for what readiness promises.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{JoinError, JoinSet};
use tower::Service;
use xs_proto::Out;

use crate::listener::{Addr, Listener};
use crate::{BoxError, Timer, Transport};

mod classify;
mod drain;
mod limit;

pub use classify::{AcceptFault, classify};
pub use drain::{Drain, DrainSignal};
pub use limit::{ConnectionLimit, Place};

/// A connection on its way to the service that answers it.
#[derive(Debug)]
pub struct Conn<Io, Peer> {
    /// The stream.
    pub io: Io,
    /// Who is at the other end.
    pub peer: Peer,
    /// Which of its own addresses it came to: the stream's own end, or else where the listener listens.
    pub local: Addr,
    /// The number of its descriptor, to be shown and not to be used; `None` where there is none.
    pub descriptor: Option<i32>,
    /// Tells when the server wants to end.
    pub drain: Drain,
}

/// What happens to a connection beyond the limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AtLimit {
    /// It waits in the listener's queue until a place is free.
    #[default]
    Wait,
    /// It is accepted, is sent these bytes as far as they leave at once, and is closed.
    Refuse(Bytes),
}

/// How [`serve_with`] behaves.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// How many connections may exist at once. Default: no limit. Clones share the count, so one limit can span several
    /// listeners.
    pub limit: ConnectionLimit,
    /// What happens beyond it. Default: wait.
    pub at_limit: AtLimit,
    /// How long connections may take to end after shutdown. Default 10 s.
    pub drain_timeout: Duration,
    /// What pauses and the drain are measured by. Default: the system's clock.
    pub timer: Timer,
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            limit: ConnectionLimit::unlimited(),
            at_limit: AtLimit::Wait,
            drain_timeout: Duration::from_secs(10),
            timer: Timer::system(),
        }
    }
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// How many connections did not end in time and were cut.
    pub aborted: usize,
}

/// The first pause after descriptors or memory ran out; it doubles up to [`PAUSE_MAX`] while accepting keeps failing.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Accepts connections from `listener` and gives each to `connections`, until `shutdown` is ready. See the
/// [module page](self); [`serve_with`] takes options.
///
/// # Errors
///
/// When the listener itself is broken. Connections are drained in that case too.
pub async fn serve<L, S>(listener: L, connections: S, shutdown: impl Future) -> io::Result<Drained>
where
    L: Listener,
    S: Service<Conn<L::Io, L::Peer>>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: Into<BoxError> + 'static,
{
    serve_with(listener, connections, shutdown, ServeOptions::default()).await
}

/// [`serve`] with options.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_with<L, S>(
    mut listener: L,
    mut connections: S,
    shutdown: impl Future,
    options: ServeOptions,
) -> io::Result<Drained>
where
    L: Listener,
    S: Service<Conn<L::Io, L::Peer>>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: Into<BoxError> + 'static,
{
    let ServeOptions { limit, at_limit, drain_timeout, timer } = options;
    let signal = DrainSignal::new();
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut place = None; // of the connection that is kept; where connections wait for places, also of the next one
    let mut ready = false; // the service answered ready and has not been called since
    let mut kept: Option<(L::Io, L::Peer)> = None; // an accepted connection with a place, until the service is ready for it
    let refuses = matches!(at_limit, AtLimit::Refuse(_));
    let mut pause = PAUSE;
    let mut resting: Option<crate::timer::Sleep> = None;

    let ended = loop {
        if ready && let Some((io, peer)) = kept.take() {
            ready = false;
            let local = io.local_end().unwrap_or_else(|| listener.local_addr());
            let place: Option<Arc<Place>> = place.take().map(Arc::new);
            let (descriptor, drain) = (io.descriptor(), signal.drain().keeping(place.clone()));
            let answered = connections.call(Conn { io, peer, local, descriptor, drain });
            tasks.spawn(async move {
                let _place = place;
                answered.await.map(drop).map_err(Into::into)
            });
        }
        if place.is_none() && !refuses {
            place = limit.try_take();
        }
        let may_accept = resting.is_none() && kept.is_none() && (refuses || (place.is_some() && ready));
        tokio::select! {
            biased;
            _ = &mut shutdown => break Ok(()),
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => note(ended),
            taken = limit.take(), if place.is_none() && !refuses => place = Some(taken),
            () = async { if let Some(rest) = &mut resting { rest.await } }, if resting.is_some() => resting = None,
            answer = poll_fn(|cx| connections.poll_ready(cx)), if !ready => match answer {
                Ok(()) => ready = true,
                Err(e) => break Err(io::Error::other(e)),
            },
            accepted = listener.accept(), if may_accept => match accepted {
                Ok(conn) => {
                    pause = PAUSE;
                    place = place.or_else(|| limit.try_take());
                    match &at_limit {
                        AtLimit::Refuse(why) if place.is_none() => {
                            limit.note_refused();
                            refuse(conn.0, why).await;
                        }
                        _ => kept = Some(conn),
                    }
                }
                Err(e) => match classify(&e) {
                    AcceptFault::Peer => tracing::debug!(error = %e, "a connection was gone before it was accepted"),
                    AcceptFault::Exhausted => {
                        tracing::warn!(error = %e, pause = ?pause, "cannot accept for now");
                        resting = Some(timer.sleep(pause));
                        pause = (pause * 2).min(PAUSE_MAX);
                    }
                    AcceptFault::Fatal => break Err(e),
                },
            },
        }
    };

    drop((listener, kept, place));
    signal.start();
    let all_ended = async {
        while let Some(ended) = tasks.join_next().await {
            note(ended);
        }
    };
    let in_time = timer.timeout(drain_timeout, all_ended).await.is_some();
    let aborted = tasks.len();
    if !in_time {
        tracing::warn!(aborted, "connections did not end in time");
        tasks.shutdown().await;
    }
    ended.map(|()| Drained { aborted })
}

/// Sends what fits at once, and closes.
async fn refuse<Io: Transport + Unpin>(mut io: Io, why: &Bytes) {
    let mut out = Out::new();
    out.put_slice(why);
    let io = &mut io;
    poll_fn(|cx| {
        let _ = std::pin::Pin::new(&mut *io).poll_write_out(cx, &mut out);
        let _ = std::pin::Pin::new(&mut *io).poll_shutdown(cx);
        std::task::Poll::Ready(())
    })
    .await;
}

fn note(ended: Result<Result<(), BoxError>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(e)) => tracing::debug!(error = %e, "a connection failed"),
        Err(e) if e.is_panic() => tracing::error!(error = %e, "a connection panicked"),
        Err(_) => {}
    }
}
