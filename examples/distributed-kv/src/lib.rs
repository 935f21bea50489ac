//! **A replicated key-value store, assembled**: listeners × RESP × Raft × a log × an engine. `redis-cli` is its client.
//!
//! # The problem
//!
//! A store on one machine is gone with it. On three, a write must be on two disks before it is answered, a read must never
//! show less than somebody has been shown before, and both must go on when a machine dies, hangs, is cut off, fills its disk
//! or comes back empty. Every part of that exists as a block; what is left is to put them together so that
//! the promise of each becomes a promise of the whole.
//!
//! # How it works
//!
//! ```text
//!   redis-cli ─▶ xs_net::Session × xs_proto::resp       front/    a batch of requests: reads, or one entry
//!                        │ asks                ▲ reads
//!                        ▼                     │
//!                 one task: xs_consensus::replica       node/     what came is one append; its answers are one wake-up
//!                  │          │           │
//!                  │          │           └──▶ Store over xs_storage::engine     store/   "applied 19" in 19's own batch
//!                  │          └──▶ xs_consensus::raft_store on xs_storage::log            one sync for all that waits
//!                  └──▶ peer/: hello, Raft's messages, forwards ──▶ the other nodes
//! ```
//!
//! **A write** becomes an entry: its commands, a name (the connection's session and a number) and, from the leader, the time.
//! On a follower it is forwarded. When it is unclear whether an entry was done, because its leader died, it is sent again; the
//! state remembers the last name of each session and its answer, so the second copy is answered and not done. The client
//! hears an error only if no leader is found within [`Config::patience`], and the error says whether the write may have been
//! done (`UNCERTAIN`) or surely was not (`CLUSTERDOWN`).
//!
//! **A read** asks the node once for a batch: Raft's leader confirms that it leads still and tells up to where the log is
//! committed; when this node has applied that far, the batch is read here, from the engine, on the connection's thread. So followers
//! carry reads, too. With [`Reads::Lease`] the leader need not ask while its last majority's promises hold, if the clocks can be
//! trusted so far. After `READONLY` a connection reads without asking. Followers learn with the next entries, the next read or
//! the next heartbeat what is committed, so what it reads is older than that: by a fifth of the election timeout at most, while
//! the node hears its leader.
//!
//! **Time** is in the entries. A key is over when an entry has brought a later time than its end; so all replicas agree, and a
//! restart changes nothing. When nobody writes and a key's time comes, the leader writes an empty entry.
//!
//! **Starting**: the first nodes are given the same list and found the cluster; a later one waits (`--join`) until
//! `RAFT ADD` takes it in as a learner, and `RAFT PROMOTE` lets it vote. Nodes meet with a hello, in which everything that could be
//! mixed up has a name: the version, the cluster, who, for whom, and which disk.
//!
//! Where to read on: `command` (what an entry is), `store` (what it does), `node` (its way), `peer`, `front`; then `server`, which puts
//! them together, and `simulate`, which does the same on simulated machines.
//!
//! # Invariants
//!
//! - What was answered is on a majority's disks, and is never lost. (`raft` and `replica`; `tests/processes`.)
//! - Answers fit one order of everything, in which each request stands between its asking and its answer: linearizable. Not
//!   so after `READONLY`. (`node::step` for reads, `store::view` for reading beside the writer; checked from outside in
//!   `simulate`, the demonstration and the tests.)
//! - An entry is applied once, however often it was sent. (`store::sessions`.)
//! - Every replica's state is the same function of the log. (`store`; its property test compares dumps.)
//! - The state says itself how far it is, in the batch that brought it there; the log never begins behind what the
//!   engine has made durable. (`store::Store::apply`, `node::machine`.)
//! - Nobody is taken for a node by mistake that is another one, of another cluster, has lost its disk, or was removed.
//!   (`peer::hello`, `peer::accept`, `Replica::meet`, `node::neighbours`; `tests/processes/strangers.rs`.)
//! - Under leases, no node speaks with one that promises less than it counts on. (`peer::hello`.)
//! - Replies come in the order of the requests. (`front::plan`.)
//! - Whatever waits is bounded, and drops or refuses beyond: outboxes, inboxes, writes without a leader, sessions, cursors, strangers.
//!
//! # Cost
//!
//! A write: one entry in the log of each node, one message each way to each follower, a sync of the disk here and there at the
//! same time, shared by all that wait; then a batch of the engine, unsynced. That it is committed is no message of its own. A
//! value is written twice on each node, once in the log and once in the engine. A read: a share of one round of messages.
//! `xs-distributed-kv simulate` prints how many runs a second the whole of it takes.
//!
//! Beside etcd 3.4.23, as Debian has it. Three nodes of each on one core, the clients on another, values of 256 bytes, every write
//! synced, each client with one request under way; medians of three rounds of two seconds, taken in turns. A failover is the
//! time from the leader's death by `kill -9` to the next write that a client of another node gets through, five times.
//!
//! | | a second | etcd | | p99 | etcd |
//! |---|--:|--:|--:|--:|--:|
//! | durable puts, 1 client | 1,292 | 586 | 2.2 times | 4.6 ms | 8.4 ms |
//! | durable puts, 64 clients | 8,373 | 2,838 | 3.0 | 20 ms | 66 ms |
//! | durable puts, 256 clients | 11,878 | 3,468 | 3.4 | 36 ms | 135 ms |
//! | linearizable gets, 64 clients | 38,333 | 4,320 | 8.9 | 6.2 ms | 45 ms |
//! | failover, median | 376 ms | 1,295 ms | 3.4 | worst: 535 ms | 1,519 ms |
//!
//! On one core it is the processor that both run out of: a put takes 85 to 99 µs of it here, all three nodes together, and
//! 290 µs of etcd. With both cores for the nodes (`--cores 0,1`) etcd gains nothing beside clients that share one of them: 64
//! clients put 3.2 times as much here, 256 clients 3.9 times.
//!
//! Nobody writes between a leader's death and the next one's first word. Each node waits for one to two election timeouts, drawn
//! anew each time, and the first of those that are left to wake is elected with two short rounds of messages. Ten times each, from
//! `kill -9` to the moment at which another node says that it leads:
//!
//! | election timeout | a node waits | median | worst |
//! |--:|--:|--:|--:|
//! | 150 ms | 150–300 ms | 161 ms, 1.07 timeouts | 272 ms, 1.81 |
//! | 300 ms, the default | 300–600 ms | 316 ms, 1.05 | 424 ms, 1.41 |
//! | 1 s | 1–2 s | 1.14 s, 1.14 | 1.62 s, 1.62 |
//!
//! All of this: `cargo build --release -p xs-distributed-kv`, then `cargo run --release -p xs-benches --features peers-etcd --
//! distributed-kv --clients 1,64,256 --rounds 3 --seconds 2 --failovers 5`.
//!
//! # Example
//!
//! Three nodes in one process, each with a disk of its own in memory:
//!
//! ```
//! use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use xs_distributed_kv::{Bound, Config, Environment};
//! use xs_os::vfs::MemoryVfs;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let any = SocketAddr::from(([127, 0, 0, 1], 0));
//! let bound = (1..=3).map(|node| Ok((node, Bound::bind(any, any)?))).collect::<Result<BTreeMap<u64, _>, xs_distributed_kv::StartError>>()?;
//! let founders: BTreeMap<u64, String> = bound.iter().map(|(node, at)| (*node, at.peer_addr().to_string())).collect();
//! let mut nodes = Vec::new();
//! for (node, bound) in bound {
//!     let config = Config { founders: founders.clone(), ..Config::new(node, "data") };
//!     let environment = Environment { vfs: Arc::new(MemoryVfs::new()), ..Environment::system() };
//!     nodes.push(bound.start(config, &environment)?);
//! }
//!
//! // Any node will do, and it waits for a leader by itself.
//! let mut one = tokio::net::TcpStream::connect(nodes[0].client_addr()).await?;
//! one.write_all(b"SET greeting hello\r\n").await?;
//! let mut answer = [0; 5];
//! one.read_exact(&mut answer).await?;
//! assert_eq!(&answer, b"+OK\r\n");
//!
//! let mut another = tokio::net::TcpStream::connect(nodes[2].client_addr()).await?;
//! another.write_all(b"GET greeting\r\n").await?;
//! let mut answer = [0; 11];
//! another.read_exact(&mut answer).await?;
//! assert_eq!(&answer, b"$5\r\nhello\r\n");
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! etcd writes every change to its log and to bbolt with a consistent index beside it, which is the arrangement here, and gives
//! each change a revision; its clients speak gRPC, and find out by themselves whether a write that timed out was done. RedisRaft
//! put Raft under Redis as a module: the state is Redis' memory, snapshots are its forked dumps. Redis Cluster answers before
//! a follower has a write, and may lose it; `WAIT` makes that less likely. TiKV and CockroachDB run thousands of such groups side by
//! side, one for each range of keys.
//!
//! # What this leaves out
//!
//! Passwords and TLS, also between nodes: whoever knows the cluster's name and a node's number can speak as one that was never
//! met, so it binds to loopback unless it is told otherwise by name, and belongs into a network of its own. Other types than
//! strings, `WATCH` (a refusal that names `CAS`), `KEYS`, blocking commands, scripts, publish and subscribe. Sharding. A cursor of
//! `SCAN` is known to the node that gave it. A leader whose calendar is far ahead ends keys too early, and the clock of the state
//! stays there. A read waits on the reactor's thread if the engine has to fetch it from the disk. Large transactions: 3 MiB in
//! all, 256 commands that rewrite a value they don't carry (`EXPIRE`, `PERSIST`, `APPEND`), and 6 MiB of answers; what is beyond
//! is answered with an error. Who was removed is known until a restart; a removed node that runs on is a stranger then, which
//! is heard and changes nothing. Turning leases on or off while nodes run. Client connections on threads of their own: a node is
//! one thread, beside those that work on its disk.
//!
//! # Try next
//!
//! Start three nodes and `redis-cli --scan` on one while you kill another; then run `xs-distributed-kv simulate --seed 7`, take the
//! `since` out of `store::sessions`, and find the seed that notices.
//!
//! # Sources
//!
//! D. Ongaro, "Consensus: Bridging Theory and Practice" (Stanford 2014), chapter 6 on clients, sessions and reads, 10.2 on doing
//! disk and network at once; the Redis documentation of each command, of `READONLY` and of the Redis Cluster redirections.
#![forbid(unsafe_code)]

mod answer;
mod cli;
mod client;
mod command;
mod front;
mod metrics;
mod node;
mod peer;
mod server;
mod simulate;
mod store;
#[doc(hidden)]
pub mod testing {
    //! Clients that record what they see, for the tests of processes, and what a fuzz target needs.
    pub use crate::peer::take_any_frames;
    pub use crate::workload::{Record, Worker};
}
mod wire;
mod workload;

pub use cli::run;
pub use node::AtFollower;
pub use peer::{Network, Tcp};
pub use server::{Bound, Config, EngineKind, Environment, Reads, Server, StartError};
