//! Typed values under binary-safe keys, in memory: databases, deadlines, an exact account, and one stream of writes.
//!
//! # The problem
//!
//! A data-structure server is a map from keys to values, and four promises that a map does not make. A key with a
//! deadline is gone when the deadline has passed, whether or not anybody asks for it. Memory has a limit, and the server
//! must know what it uses and whom to drop. A client can walk all keys in steps while others write. And what happened has
//! an order that a replica, a log or a cache at the client's side can follow. All of that has to fit between two cache
//! misses, because without it a look-up costs no more than that.
//!
//! # How it works
//!
//! ```text
//!   Keyspace ─┬─ db 0 ─┬─ Table of keys ──▶ ┌────────────────────────────────────────────┐
//!             │        │   hash order       │ access │ len │ Value: 24 B │ key │ deadline │  one allocation a key
//!             │        │                    └───────────────────┬────────────────────────┘
//!             │        │                                        └▶ what a longer value owns
//!             │        └─ RankTree of (deadline, key hash)         exact order of expiry
//!             ├─ db 1 …
//!             ├─ account: bytes by allocator class, settled by every change
//!             └─ changes: seq 1, 2, 3 …  Created │ Set │ Modified │ Deadline │ Removed │ Expired │ Evicted │ Flushed │ …
//! ```
//!
//! **Time** is an argument of every call. A read of a key whose deadline has passed removes it ([`Keyspace::get`]);
//! [`Keyspace::expire_due`] removes those that nobody reads, in the exact order of their deadlines, as the index has them.
//!
//! **Values** are changed in place through an [`EntryMut`], which settles the account by the difference when it is
//! dropped, or through [`Keyspace::update`], which also removes a collection that ran empty.
//!
//! **Eviction** ([`Keyspace::evict_one`]) asks a [`Policy`]. Recency and frequency are 24 bits beside the key and are
//! judged by samples whose best are remembered; the order of deadlines is known exactly, so `volatile-ttl` does not guess.
//!
//! **Dropping** a set of a million members takes as long as building it. The caller gets what it replaces and removes, and
//! may drop it where it likes; what expires or is evicted by the way is kept for [`Keyspace::garbage`] if [`SetAside`]
//! says so. The account forgets a value when its key goes.
//!
//! **One writer.** Every mutation takes `&mut self`, and there is no lock inside. A server that shares a keyspace between
//! threads takes one lock for each *batch* of requests that a connection has pipelined. The alternative, a lock for each
//! shard, costs a lock for each key; needs a global order of locks for `MSET`, `RENAME`, `MULTI` and
//! `SINTERSTORE`, all of them held until the end; and leaves as many streams of writes as shards, to be merged by a counter
//! that every writer shares after all. What it could win is small: of a Redis request's time most goes to system calls
//! and parsing, which threads do in parallel outside of the lock, while a command inside of it takes a fraction of a
//! microsecond. With one writer a multi-key command is atomic because nothing else runs, and the order of writes is one
//! sequence because there is one place that counts.
//!
//! # Invariants
//!
//! - The account is what a recount of every allocation would give, by [`alloc_size`]; the expiry index holds exactly the
//!   deadlines that the keys carry (`agrees_with_a_map` recounts after every one of its random operations).
//! - Every mutation has the next number, and whoever follows the changes knows the same keys as the keyspace (the same
//!   test follows them).
//! - A key is there through the millisecond of its deadline and not after it (`a_key_lives_through_its_last_millisecond`).
//! - [`Keyspace::scan`] visits what is there throughout: the guarantee of [`table`].
//! - No order depends on anything but the seed and the history of calls.
//! - An empty collection is nobody's value, *if* writers use [`Keyspace::update`] or [`Keyspace::remove_if_spent`]: this
//!   one is the caller's.
//!
//! # Cost
//!
//! A key of 16 bytes with a value of 16 takes 63 bytes by the account and 65 to 67 resident (a million of them, under
//! mimalloc): 48 for the item and 15 for its share of the table. A deadline adds 40: the note in the item, up to the next
//! class, and the entry in the index. A read is one find in the table; [`Keyspace::prefetch`] and its two followers
//! overlap the misses of a batch, which halves them at a million keys. Setting or taking off a deadline moves the item and
//! inserts into a tree: a few hundred nanoseconds. Recording a change copies its key, and only if somebody asked.
//!
//! # Example
//!
//! ```
//! use xs_storage::keyspace::string::Str;
//! use xs_storage::keyspace::{ChangeKind, Config, Keyspace, Ttl};
//!
//! let mut space = Keyspace::new(16, Config::default(), 42);
//! space.record_changes(true);
//! space.insert(0, b"visits", Str::from_slice(b"41").into(), Ttl::At(5_000), 1_000);
//! space.update(0, b"visits", 2_000, |entry| {
//!     let count = entry.as_str().and_then(Str::as_i64).unwrap_or(0);
//!     **entry = Str::from_i64(count + 1).into();
//!     entry.touched("incrby");
//! });
//! assert_eq!(space.get(0, b"visits", 5_000).and_then(|v| v.as_str()), Some(&Str::from_i64(42)));
//! assert_eq!(space.expire_due(5_001, 10), 1);
//! assert!(space.is_empty(0));
//!
//! let kinds: Vec<_> = space.changes().map(|change| (change.seq, change.kind)).collect();
//! assert_eq!(kinds, [(1, ChangeKind::Created), (2, ChangeKind::Modified("incrby")), (3, ChangeKind::Expired)]);
//! ```
//!
//! # How others do it
//!
//! Redis runs commands on one thread, keeps deadlines in a second hash table, and finds expired keys by sampling it ten
//! times a second, so that up to a tenth of the expired may linger. Valkey adds threads for I/O and embeds the key in the
//! value's allocation. Dragonfly shares nothing between threads, and pays with a protocol of its own for every multi-key
//! command. KeyDB locks the whole keyspace for each command; Garnet latches hash buckets.
//!
//! # What this leaves out
//!
//! Snapshots: a writer that must not stop while the keyspace is written out needs versions or copies, which come with
//! persistence. Moving values between disk and memory. More than 2³² keys in a database's expiry index. A limit on
//! memory is the server's to enforce: it compares [`Keyspace::used_bytes`] and calls [`Keyspace::evict_one`].
//!
//! # Try next
//!
//! Record changes into a ring of fixed size and let followers that fall behind find out. Give every shard of a keyspace its
//! own thread, and count what `MSET` of ten keys costs.
//!
//! # Sources
//!
//! Redis' `db.c`, `expire.c`, `evict.c` (the limits and the sampled LRU and LFU); R. Morris, "Counting Large Numbers of
//! Events in Small Registers" (1978); the pages of [`table`] and [`rank_tree`].

pub mod hash;
pub mod intset;
pub mod list;
pub mod listpack;
pub mod rank_tree;
pub mod set;
pub mod stream;
pub mod string;
pub mod table;
pub mod zset;

mod access;
mod change;
mod entry;
mod evict;
mod hasher;
mod item;
mod limits;
mod members;
mod size;
mod space;
// The allocations that Rust's own containers cannot express. Everything else in this crate is safe code.
#[allow(unsafe_code)]
pub(crate) mod thin;
mod value;

pub use access::Tracking;
pub use change::{Change, ChangeKind};
pub use entry::EntryMut;
pub use evict::Policy;
pub use hash::Hash;
pub use item::Item;
pub use limits::Limits;
pub use list::List;
pub use set::Set;
pub use size::alloc_size;
pub use space::{Config, Garbage, Keyspace, MAX_KEY, SetAside, Ttl};
pub use stream::{Stream, StreamId};
pub use string::Str;
pub use value::Value;
pub use zset::Zset;
