//! **Behaviour on the wire.** A server here is a [listener] × a codec × a service, on tokio and tower: xs-proto
//! says what the bytes mean, this crate moves them, and a [`tower::Service`] answers.
//!
//! There are two floors. On the first, a service answers *connections*: [`serve`](serve::serve) accepts and gives each
//! one to it. On the second, a service answers *requests*: [`Session`] and [`Pipeline`] run one connection and call it.
//!
//! ```text
//!            floor 1                                    floor 2
//!   Listener ──▶ serve ──Conn──▶ service ──▶ Session  ──Turn──▶ service that holds the connection's state
//!   tcp unix     limit                       Pipeline ──Item──▶ service that answers requests
//!   memory       drain                          ▲
//!                                               └── Handle, Registry: list, push, kill from outside
//! ```
//!
//! Read in this order:
//!
//! 1. [`transport`]: what a byte stream must do to be written to without copies.
//! 2. [`listener`]: where connections come from: TCP, Unix sockets, memory.
//! 3. [`timer`]: sleeping by a clock that was passed in.
//! 4. [`mod@serve`]: accepting, limiting and draining.
//! 5. [`session`]: one connection with state, batches, pushes and take-over; the heart of the crate.
//! 6. [`pipeline`]: the common case, one reply a request.
//! 7. [`client`]: the mirror image: a connection is a service; reconnecting.
//! 8. [`reactors`]: a single-threaded runtime per core.
//! 9. [`bridge`]: calls that block, off the reactor.
#![cfg_attr(feature = "driver", doc = "10. [`driver`]: runs any protocol that is a `Machine`, on a transport.")]
#![cfg_attr(feature = "http", doc = "11. [`mod@http`]: HTTP/1 on it, for services over the `http` crate's types.")]
#![forbid(unsafe_code)]

pub mod bridge;
pub mod client;
#[cfg(feature = "driver")]
pub mod driver;
#[cfg(feature = "http")]
pub mod http;
pub mod listener;
pub mod pipeline;
pub mod reactors;
pub mod serve;
pub mod session;
pub mod timer;
pub mod transport;

mod caught;
mod idle;
mod spare;

pub use bridge::Bridge;
pub use client::Connection;
#[cfg(feature = "driver")]
pub use driver::Driver;
#[cfg(unix)]
pub use listener::UnixListener;
pub use listener::{Addr, Listener, MemoryListener, TcpListener};
pub use pipeline::Pipeline;
pub use serve::{Conn, serve};
pub use session::{Batch, Handle, Next, Registry, Session, Turn};
pub use timer::Timer;
pub use transport::Transport;

/// Any error that a service may answer with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
