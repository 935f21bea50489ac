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
#![cfg_attr(feature = "relay", doc = "12. [`relay`]: bytes passed both ways between two connections.")]
#![cfg_attr(feature = "proxy-protocol", doc = "13. [`proxy_protocol`]: whose connection a proxy passes on.")]
#![cfg_attr(feature = "tls", doc = "14. [`tls`]: TLS between a listener and a protocol.")]
#![cfg_attr(feature = "sim", doc = "15. [`sim`]: whole servers in the simulated world.")]
#![cfg_attr(feature = "signals", doc = "16. [`signals`]: what the operating system asks a server for.")]
//!
//! Then the layers, each behind a feature of its own, each over any [`tower::Service`]. Whoever takes one needs this in
//! `Cargo.toml`, and from `xs-os` a seeded `Rng` where a layer asks for chance (`Rng::from_entropy()`), or a clock other than the
//! system's, which a [`Timer`] is made of:
//!
//! ```toml
//! tower = { version = "0.5", features = ["util"] }
//! xs-net = { version = "0.1", features = ["breaker", "limit", "retry"] }
//! xs-os = "0.1"
//! ```
//!
//! A layer's error is its own refusal, or `Inner` with the service's error; a match needs an arm `_` for refusals to come. It can
//! be shown (`Display`) where the service's error can.
//!
#![cfg_attr(feature = "breaker", doc = "- [`breaker`]: stops calling what fails, and tries again with care.")]
#![cfg_attr(feature = "bulkhead", doc = "- [`bulkhead`]: so many calls at once, so many that wait, and no more.")]
#![cfg_attr(feature = "fallback", doc = "- [`fallback`]: another answer for a call that failed.")]
#![cfg_attr(feature = "shed", doc = "- [`shed`]: refuses what waited too long in a queue that stands.")]
#![cfg_attr(feature = "cache", doc = "- [`cache`]: responses kept, and one call for all who miss at once.")]
#![cfg_attr(feature = "hedge", doc = "- [`hedge`]: a second call when the first is late.")]
#![cfg_attr(feature = "fault", doc = "- [`fault`]: delays, refusals and lost answers on purpose.")]
#![cfg_attr(feature = "timeout", doc = "- [`timeout`]: time limits, and deadlines that travel with a request.")]
#![cfg_attr(feature = "retry", doc = "- [`retry`]: repeats what failed, if that is safe, within a budget.")]
#![cfg_attr(feature = "limit", doc = "- [`limit`]: how much may pass, and how fast.")]
#![cfg_attr(feature = "offload", doc = "- [`offload`]: calls that compute or block, on a thread pool.")]
#![cfg_attr(feature = "pool", doc = "- [`pool`]: connections kept for whoever asks next.")]
#![cfg_attr(feature = "balance", doc = "- [`balance`]: one of several endpoints for each call.")]
#![cfg_attr(
    feature = "observe",
    doc = "- [`observe`]: what was asked, how it ended and how long it took; traces; logs."
)]
#![cfg_attr(feature = "discover", doc = "- [`discover`]: which endpoints there are, as a stream of changes.")]
#![cfg_attr(any(feature = "hedge", feature = "observe"), doc = "- [`histogram`]: how large, with a known error.")]
#![forbid(unsafe_code)]

#[cfg(feature = "balance")]
pub mod balance;
#[cfg(feature = "breaker")]
pub mod breaker;
pub mod bridge;
#[cfg(feature = "bulkhead")]
pub mod bulkhead;
#[cfg(feature = "cache")]
pub mod cache;
pub mod client;
#[cfg(feature = "discover")]
pub mod discover;
#[cfg(feature = "driver")]
pub mod driver;
#[cfg(feature = "fallback")]
pub mod fallback;
#[cfg(feature = "fault")]
pub mod fault;
#[cfg(feature = "hedge")]
pub mod hedge;
#[cfg(any(feature = "hedge", feature = "observe"))]
pub mod histogram;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "limit")]
pub mod limit;
pub mod listener;
#[cfg(feature = "observe")]
pub mod observe;
#[cfg(all(feature = "offload", not(xs_loom)))]
pub mod offload;
pub mod pipeline;
#[cfg(feature = "pool")]
pub mod pool;
#[cfg(feature = "proxy-protocol")]
pub mod proxy_protocol;
pub mod reactors;
#[cfg(feature = "relay")]
pub mod relay;
#[cfg(feature = "retry")]
pub mod retry;
pub mod serve;
pub mod session;
#[cfg(feature = "shed")]
pub mod shed;
#[cfg(feature = "signals")]
pub mod signals;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "timeout")]
pub mod timeout;
pub mod timer;
#[cfg(feature = "tls")]
pub mod tls;
pub mod transport;

#[cfg(all(test, feature = "full"))]
mod by_hand;
mod caught;
#[cfg(any(
    feature = "balance",
    feature = "breaker",
    feature = "bulkhead",
    feature = "cache",
    feature = "discover",
    feature = "fallback",
    feature = "fault",
    feature = "hedge",
    feature = "limit",
    feature = "proxy-protocol",
    feature = "retry",
    feature = "shed",
    feature = "timeout",
    feature = "tls"
))]
mod count;
#[cfg(any(feature = "balance", feature = "discover"))]
mod endpoint;
mod idle;
#[cfg(any(feature = "balance", feature = "breaker"))]
mod outcome;
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
