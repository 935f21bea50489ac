//! How a replica is to work.

use std::sync::Arc;
use std::time::Duration;

use xs_os::{Jobs, ThreadJobs};

use crate::raft::{self, ClusterId, NodeId};

/// How a replica is to work: every limit, with its default.
#[derive(Clone, Debug)]
pub struct ReplicaOptions {
    /// The node's name, unique in its cluster for ever.
    pub node: NodeId,
    /// The core's own, the cluster's name among them.
    pub raft: raft::Options,
    /// Entries of so many bytes behind the last snapshot (or behind what the state machine keeps itself) are the reason for
    /// the next one. 64 MiB by default.
    pub compact_after_bytes: u64,
    /// A leader's log may grow to so many bytes, instead of being shortened, while a follower that is heard needs what would
    /// go: one that is sent a snapshot, reads on behind one, or is slow. One that takes longer begins anew with a newer
    /// snapshot, and does not arrive while writes come as fast as that. 1 GiB by default.
    pub hold_bytes: u64,
    /// Entries that stay in the log although the state includes them, for followers that are a little behind. 10,000 by
    /// default.
    pub keep_entries: u64,
    /// A proposal that is not decided for so long, and a read that is not confirmed, is answered as unknown or lost. 10 s by
    /// default.
    pub patience: Duration,
    /// Proposals that may wait for their outcome. 65,536 by default; as many reads.
    pub max_pending: usize,
    /// The length of a segment of the log, in bytes. 16 MiB by default.
    pub segment_bytes: u64,
    /// Where the log is synced, and where snapshots are made, written, read and removed. By default threads of its own.
    pub jobs: Arc<dyn Jobs>,
}

impl ReplicaOptions {
    /// Those of a node, with defaults for the rest.
    pub fn new(cluster: ClusterId, node: NodeId) -> Self {
        ReplicaOptions {
            node,
            raft: raft::Options { cluster, ..raft::Options::default() },
            compact_after_bytes: 64 << 20,
            hold_bytes: 1 << 30,
            keep_entries: 10_000,
            patience: Duration::from_secs(10),
            max_pending: 1 << 16,
            segment_bytes: 16 << 20,
            jobs: Arc::new(ThreadJobs::new()),
        }
    }
}
