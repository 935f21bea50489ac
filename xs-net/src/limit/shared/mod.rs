//! Limits that processes share: [`SharedStore`], in memory or in Redis, and [`SharedLimitLayer`].
//!
//! # The problem
//!
//! Ten processes with a limit of a hundred a second each let a thousand through, or ten a process if one divides, and
//! then a client whose connections all went to one process gets a tenth. The count must stand in one place. Asking that
//! place costs a round trip, so it must be *one*; it must be atomic, or two processes read 99 and both write 100; and
//! it must be decided what holds when nobody answers there.
//!
//! # How it works
//!
//! ```text
//!   process A ──┐  MULTI                                        ┐
//!               │  SET k ‹2⁶³-1-limit› NX PX period             │ one write, one
//!   process B ──┼─ BITFIELD k OVERFLOW FAIL INCRBY i64 0 cost   ├─ transaction, one
//!               │  PTTL k                                       │ round trip
//!   process C ──┘  EXEC                                         ┘
//! ```
//!
//! The fixed window of `RedisStore` is a counter that begins so far below the largest number that `limit` more is all
//! that fits, and is raised only if it doesn't overflow: a comparison without a script, so that a refusal takes nothing.
//! The window ends with the key, by the server's clock. The sliding one counts by windows of the server's calendar,
//! which each reply tells (`TIME`), and takes a refused cost back without waiting for it.
//!
//! [`SharedLimitLayer`] asks the store before each call, for at most its time-out, and goes on as [`OnFailure`] says if
//! there is no answer. `MemoryStore` is the store of a single process, and of tests.
//!
//! # Invariants
//!
//! - One round trip a decision. A transaction's commands leave in one write, and nobody else's come in between: they are
//!   one request of the client (`Transaction`).
//! - A request that is refused takes nothing (fixed window), or nothing once its refund has arrived (sliding window):
//!   until then the limit is too strict, never too loose.
//! - No process's calendar is trusted: windows go by the server's.
//! - A key is gone two periods after its last use at the latest.
//! - The layer never waits for the store for longer than its time-out.
//!
//! # Cost
//!
//! A round trip a request: some 50 µs on a machine, 500 µs in a data centre. In Redis, one or two keys of a few bytes
//! for each key that was seen lately.
//!
//! # Example
//!
//! ```
//! use bytes::Bytes;
//! use tower::{Layer, ServiceExt, service_fn};
//! use xs_net::Timer;
//! use xs_net::limit::shared::{MemoryStore, SharedLimitLayer};
//! use xs_net::limit::{FixedWindow, Keyed, Rate};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let timer = Timer::system();
//! let store = MemoryStore::new(Keyed::new(FixedWindow::new(Rate::per_minute(1)?), 1000, 42), &timer);
//! let layer = SharedLimitLayer::new(store, &timer, |user: &&'static str| (Bytes::from(*user), 1));
//! let hello = layer.layer(service_fn(|user: &'static str| async move { Ok::<_, std::io::Error>(user.len()) }));
//! assert!(hello.clone().oneshot("alice").await.is_ok());
//! assert!(hello.clone().oneshot("alice").await.is_err());
//! assert!(hello.oneshot("bob").await.is_ok());
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! Most run a Lua script in Redis (Stripe's, Kong's, Envoy's `ratelimit` in part); redis-cell is GCRA as a module.
//! Without either, the usual way is `INCR` and `EXPIRE` in two steps, which forgets the time to live when the process
//! dies in between, and counts what it refuses. Gubernator gives each key to one of its own processes.
//!
//! # What this leaves out
//!
//! Taking a hundred units at a time and handing them out locally, which saves round trips and makes the limit coarse.
//! Redis Cluster: a sliding window's two keys would need a hash tag. Reconnecting, which is the business of the client
//! service that a store is given.
//!
//! # Try next
//!
//! Kill the Redis server under load, and compare [`OnFailure::Admit`] with [`OnFailure::Refuse`].
//!
//! # Sources
//!
//! Redis' documentation of `MULTI`, `BITFIELD`, `SET` and `PTTL`; P. Tarjan, "Scaling your API with rate limiters"
//! (Stripe, 2017).

mod layer;
mod memory;
#[cfg(feature = "limit-redis")]
mod redis;

use std::future::Future;

use bytes::Bytes;

use super::Denied;
use crate::BoxError;

pub use layer::{OnFailure, SharedLimit, SharedLimitLayer};
pub use memory::MemoryStore;
#[cfg(feature = "limit-redis")]
pub use redis::{RedisError, RedisStore, Transaction, TransactionCodec};

/// A limit whose state stands somewhere else.
pub trait SharedStore: Send + Sync {
    /// Why the store could not be asked.
    type Error: Into<BoxError> + Send;

    /// Takes `cost` units of what `key` may have: the outer result says whether the store answered, the inner one what.
    fn take(&self, key: Bytes, cost: u64) -> impl Future<Output = Result<Result<(), Denied>, Self::Error>> + Send;
}
