//! The durable half of a Raft node, on any disk: [`RaftStore`].
//!
//! # The problem
//!
//! The core ([`raft`](crate::raft)) says what must be durable before what may be said, and leaves the disk to others. What
//! they have to do is short to say and long to get right: a term and a vote that are never forgotten, entries that a later
//! leader may replace, a front that moves on when snapshots are made, snapshots that are too large for memory and come in
//! pieces; and all that on a disk that tears writes, fails syncs, fills up, rots, is exchanged for an empty one, or is
//! mounted on the wrong machine.
//!
//! # How it works
//!
//! **Everything but snapshots is a record in one log**, an [`xs_storage::log::Log`]. A record is never changed: a later one
//! says what holds now. So whatever a [`Persist`](crate::raft::Persist) asks for is appended, becomes durable in order, and
//! costs one sync, which several of them share. A crash leaves a prefix, which is exactly what the core allows for.
//!
//! ```text
//!   directory/
//!     identity              cluster, node, incarnation: written once
//!     snapshot-90-4         what the entries up to 90 (of term 4) made of the state machine
//!     snapshot-200-5.part   one that is being made or received: removed by the next opening
//!     log/                  records:
//!
//!      position   70     71       72      73      74    75    76       77       78
//!              ┌──────┬──────┬────────┬───────┬──────┬─────┬──────┬─────────┬───────┐
//!              │ e 91 │ e 92 │  e 93  │ front │ e 94 │ t 5 │ e 93 │  e 94   │ e 95  │
//!              │ t4   │ t4   │  t4    │ 90 t4 │ t4   │vote │ t5   │  t5     │ t5    │
//!              └──────┴──────┴────────┴───────┴──────┴─────┴──────┴─────────┴───────┘
//!                               ▲                 ▲           └ takes the place of 93 and 94
//!                               └─ superseded ────┘
//! ```
//!
//! *Entry* records say index, term and payload; one takes the place of what stood at its index and behind it. *Hard state*
//! records say term and vote. A *front* record says everything else at once: where the log begins, the membership there,
//! the hard state, who the node is, how often it was opened and whom it has met. So all records in front of the last front
//! *and* of the first entry
//! that counts can go: the log is trimmed up to there, a segment at a time. Reading all records that are left, in order,
//! is all of recovery.
//!
//! **In memory** stands no entry. Places are runs: entries of one term that were appended one behind the other share 24
//! bytes. The core keeps the recent entries itself; older ones, which a follower that is behind needs, are read back from
//! the log, with a reader kept where it stands.
//!
//! **A snapshot is a file** of blocks with checksums, so that pieces can be read and written alone, by a job, while the node
//! goes on. It is written under the name of a part, synced, renamed, and its directory is synced; only then a front record
//! may rely on it. One that comes from a leader is [staged](RaftStore::stage), and counts when its front is durable. A piece is
//! checked before it is sent: a snapshot that has rotted is [refused](RaftStore::refuse_snapshot) and stays at home.
//!
//! **Whose directory it is** stands in a file of its own, and again in every front. Another node's, or another cluster's, is
//! refused. An empty one is refused unless a node is to be [created](Start); and since whoever starts nodes may get that
//! wrong, every directory draws a number, its *incarnation*. Nodes tell each other who they are, and remember it
//! ([`RaftStore::meet`]): one that comes back without its disk is a stranger under a friend's name, whose votes would be
//! counted twice. It is refused until it comes under a new id. Every opening counts up, durably, before it answers
//! ([`RaftStore::life`]): what a process names for itself, like sessions, no other process has ever named so.
//!
//! # Invariants
//!
//! - What a commit has answered for is there at every later opening, whatever crash lay between. (`xs_storage::log`;
//!   `tests::crashes` explores every crash of recorded lives.)
//! - After a crash the store is what some prefix of the writes made of it, and hard state comes before the entries that were
//!   written with it. (`store::write`: the order of the appends.)
//! - A snapshot that a front relies on is durable before it; an older one goes after it. (`snapshot_file::finish`, `garbage`.)
//! - Trimming takes no record that recovery needs. (`store::garbage`: the smaller of two positions.)
//! - No byte is believed whose checksum doesn't fit, and no block stands for another. (`log::Records`, `snapshot_file::sum`.)
//! - After a failed write or sync nothing is written any more, and nothing becomes durable by accident. (`xs_storage::log`.)
//!
//! # Cost
//!
//! An entry takes 26 bytes on the disk beside its command; a command is copied once, into the log's buffer. Memory: a run of
//! 24 bytes for every change of term or record in between, 16 bytes for 64 KiB of log, and what
//! [`LogOptions`](xs_storage::log::LogOptions) says. Opening reads every record that is left, and the core reads them once
//! more; it waits for one sync. A read of old entries waits for the disk: the page cache, as a rule.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use xs_consensus::raft::{ClusterId, Membership, NodeId, Options, Raft};
//! use xs_consensus::raft_store::{RaftStore, Start, StoreOptions};
//! use xs_os::vfs::MemoryVfs;
//! use xs_os::{Clock, Rng, VirtualClock};
//!
//! let (disk, clock) = (Arc::new(MemoryVfs::new()), VirtualClock::new());
//! let options = StoreOptions::new(ClusterId(1), NodeId(1));
//! let first = Membership::of(vec![NodeId(1)])?;
//! let mut rng = Rng::from_seed(1);
//!
//! let (store, initial) =
//!     RaftStore::open(disk.clone(), Path::new("n1"), Start::Create(first), options.clone(), &mut rng)?;
//! let raft_options = Options { cluster: ClusterId(1), ..Options::default() };
//! let mut raft = Raft::new(NodeId(1), store, initial, raft_options, rng.fork("raft"), clock.now())?;
//! clock.advance(std::time::Duration::from_secs(1));
//! raft.tick(clock.now());
//! while let Some(ready) = raft.ready() {
//!     if let Some(persist) = ready.persist {
//!         raft.view_mut().write(&persist)?.wait()?;        // or .await
//!         raft.persisted(persist.done())?;
//!     }
//! }
//! let term = raft.status().term;
//! drop(raft);
//!
//! // Under another name the directory is refused; the node itself remembers its vote.
//! let other = StoreOptions::new(ClusterId(1), NodeId(2));
//! assert!(RaftStore::open(disk.clone(), Path::new("n1"), Start::Open, other, &mut rng).is_err());
//! let (_, initial) = RaftStore::open(disk, Path::new("n1"), Start::Open, options, &mut rng)?;
//! assert_eq!((initial.hard_state.term, initial.hard_state.vote), (term, Some(NodeId(1))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! etcd's `wal` keeps entries and hard state in one log of segments, as here, and marks snapshots in it; its snapshots are
//! files of their own, written whole. Its members carry an id that is made from the cluster's token and their address, so a
//! member that lost its disk is refused by name until it is removed. hashicorp/raft asks for three stores and offers
//! BoltDB, where every entry is a key, and later a log of its own for the cost of that. TiKV keeps the logs of thousands of
//! groups in one `raft-engine`, whose memory holds the positions of all entries. KRaft writes `meta.properties` by a command
//! that formats a directory, and has put a directory's id into the protocol since.
//!
//! # What this leaves out
//!
//! A directory that was put back to an older state (a restored copy of the disk): it is its own incarnation, so nobody can
//! tell, and it must be treated as lost. Peers that this node has never met can't be recognised either. Repairing a damaged log
//! from other nodes' (Alagappan et al.): it is refused, and the node must be replaced. A received part of a snapshot that
//! outlives a restart, several groups in one log, and compressed or encrypted records.
//!
//! # Try next
//!
//! Keep the last two snapshots instead of one, and let opening fall back to the older one when the newer has rotted: which
//! entries must stay for that?
//!
//! # Sources
//!
//! D. Ongaro, "Consensus: Bridging Theory and Practice" (2014), 3.8 on persisted state, 5 on compaction, 11.7.3 on lost disks;
//! R. Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage" (FAST 2018); KIP-853, "KRaft Controller
//! Membership Changes", for directory ids; etcd's documentation, "Failure modes" and "Runtime reconfiguration".

mod error;
mod garbage;
mod identity;
mod places;
mod read;
mod record;
mod recover;
mod snapshot_file;
mod store;
#[cfg(test)]
mod tests;

pub use error::{Error, Impostor};
pub use garbage::Garbage;
pub use identity::Identity;
pub use snapshot_file::{SnapshotFile, SnapshotReader, SnapshotWriter};
pub use store::{RaftStore, SnapshotDir, Start, StoreOptions};
