//! Connections that are kept for whoever asks next: [`Pool`].
//!
//! # The problem
//!
//! Opening a connection costs a round trip, more with TLS, and a slow start; a request costs none of that if somebody else
//! has just finished on a connection to the same place. So connections are kept, and then the questions come. Is this one
//! still alive? How many are kept, and for how long? What if a thousand requests come at once: a thousand connections? And
//! when exactly is a connection free, if its response is still being read by somebody three layers up who may drop it at
//! any time?
//!
//! # How it works
//!
//! What is lent is a guard, [`Pooled`]. Put it beside whatever uses the connection, such as a response's body: when that is
//! dropped, the guard looks whether the connection is free, and brings it home or ends it:
//!
//! ```text
//!             checkout(key) ── idle and sound ──▶ Pooled ── dropped, free ──────▶ back, on top
//!                  │                                 ▲  └── dropped in the middle ▶ lost
//!                  ├── room ──▶ Opening ── opened ───┘
//!                  │              └── dropped ─▶ lost
//!                  └── Full ──▶ wait: a queue for each key, first come, first served
//! ```
//!
//! The last one that came back is the first to go out (LIFO): under little load the same few are used again and again, and
//! the others become old and are reaped. What is kept, and who is next, is the policy of [`Store`], which takes `now`.
//!
//! A key is whatever tells places apart: an address, or an address with the name that TLS asked for. What is kept is
//! anything [`Reusable`]: a client of HTTP, one of RESP, a plain stream.
//!
//! # Invariants
//!
//! - What is given out was idle for less than its time, is younger than its age, and was found sound at that moment
//!   (`Store::take`).
//! - Idle, in use and being opened, a key never has more than [`PoolOptions::per_key`]; never are more idle than
//!   [`PoolOptions::idle_per_key`] and [`PoolOptions::idle`] (the model in `pool/tests.rs`).
//! - Who waits is served in the order of coming, and nobody who comes later takes what the queue is waiting for
//!   (`Store::take` compares places).
//! - A guard, a right to open or a place in the queue that is dropped is given back, and whoever is next is woken
//!   (`Pooled::drop`, `Opening::drop`, `Place::drop`).
//! - Nothing is dropped, and so nothing closed, under the lock.
//! - A key of which nobody has anything is forgotten.
//!
//! # Cost
//!
//! A checkout and a return are one short lock each and a search among the keys, and nothing is allocated. A pool for each
//! thread makes the locks free of contention. Only a pool at [`PoolOptions::idle`] in all looks through its keys for the
//! oldest.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use xs_net::pool::{Checkout, Pool, PoolOptions, Reusable};
//! use xs_net::Timer;
//!
//! #[derive(Debug)]
//! struct Phone(u32);
//! impl Reusable for Phone {}
//!
//! let pool = Pool::new(PoolOptions { per_key: Some(1), ..PoolOptions::default() }, &Timer::system());
//! let Checkout::Open(opening) = pool.checkout(&"mother") else { panic!() };
//! let phone = opening.opened(Phone(1));
//! assert!(matches!(pool.checkout(&"mother"), Checkout::Full));
//! drop(phone);
//! let Checkout::Idle(again) = pool.checkout(&"mother") else { panic!() };
//! assert_eq!(again.0, 1);
//! ```
//!
//! # How others do it
//!
//! hyper-util's client keeps idle connections for each host, and has no limit of open ones: the requests that nobody
//! waits for any more open connections too. bb8 and deadpool make a fixed number and hand them out in turn, which suits
//! databases. haproxy shares idle connections between threads and prefers the own thread's; nginx keeps as many as
//! `keepalive` says for each worker. pingora keeps one table for all threads, and finds dead connections by a task that
//! reads from each.
//!
//! # What this leaves out
//!
//! Opening before anybody asks. Several requests on one connection at once (HTTP/2): there it is streams that are lent.
//! Watching idle connections: that one was closed by its server is found when it is asked for, or when its time is up.
//!
//! # Try next
//!
//! Let the first one in be the first one out, and count with `ss` how many connections a client of two requests a second
//! keeps after a peak of fifty.
//!
//! # Sources
//!
//! RFC 9112, section 9.3 (persistence) and 9.5 (why a closed connection is found only when it is used); the rustdoc of
//! `hyper_util::client::legacy`, and haproxy's manual on `http-reuse` and `pool-purge-delay`.

mod lent;
mod store;
#[cfg(all(test, not(xs_loom)))]
mod tests;

pub use lent::{Checkout, Opening, Pool, Pooled};
pub use store::{PoolOptions, Store, Take, Ticket};

/// What a pool can keep.
pub trait Reusable: Send {
    /// Whether it could be kept as it is: asked when it is given back. Not, if an exchange is under way on it.
    fn is_free(&self) -> bool {
        true
    }

    /// Whether it is still good: asked before it is given out again. This is where a connection that was closed meanwhile
    /// is found.
    fn is_sound(&mut self) -> bool {
        true
    }
}

/// Why nothing was to be had. Nothing was sent: another endpoint can be asked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are as many as there may be, and as many wait as may.
    #[error("too many wait for a connection")]
    Full,
    /// None became free in time.
    #[error("no connection became free in time")]
    TimedOut,
}

/// Nothing waits to be read: an end would, and so would what nobody has asked for.
impl Reusable for tokio::net::TcpStream {
    fn is_sound(&mut self) -> bool {
        self.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

impl<Req: Send, Resp: Send> Reusable for crate::Connection<Req, Resp> {
    fn is_free(&self) -> bool {
        !self.is_closed()
    }

    fn is_sound(&mut self) -> bool {
        !self.is_closed()
    }
}

#[cfg(feature = "http")]
impl<Io, B> Reusable for crate::http::Client<Io, B>
where
    Io: crate::Transport + Unpin + Send + 'static,
    B: http_body::Body<Error: Into<crate::BoxError>> + Send,
{
    fn is_free(&self) -> bool {
        crate::http::Client::is_free(self)
    }

    fn is_sound(&mut self) -> bool {
        self.is_reusable()
    }
}
