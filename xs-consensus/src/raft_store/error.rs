//! What can be wrong with a node's directory.

use std::path::PathBuf;

use crate::raft::{ClusterId, DecodeError, NodeId};

/// Why a store refuses. Nothing on the disk was changed by an opening that failed, but for what a crash had left half
/// done.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk has failed, is full, or holds damaged bytes; the inner error says which, and what can be done.
    #[error(transparent)]
    Storage(#[from] xs_storage::Error),
    /// The directory is that of another node. Give the right one: two nodes that speak with one voice break every promise.
    #[error("{}: belongs to node {found}, not to {expected}: name the right directory", dir.display())]
    OtherNode {
        /// The directory.
        dir: PathBuf,
        /// Who wanted it.
        expected: NodeId,
        /// Whose it is.
        found: NodeId,
    },
    /// The directory belongs to a node of another cluster.
    #[error("{}: belongs to cluster {found}, not to {expected}: name the right directory", dir.display())]
    OtherCluster {
        /// The directory.
        dir: PathBuf,
        /// Whose node wanted it.
        expected: ClusterId,
        /// Whose it is.
        found: ClusterId,
    },
    /// There is no node in the directory, and none was to be created. If the node has run before, its disk is lost or is not
    /// mounted; with an empty one it would forget its votes. Mount it, or add a node under a new id.
    #[error(
        "{}: holds no node: if {node} has ever run, its disk is lost or not mounted, and it must come back under a new id",
        dir.display()
    )]
    NoNode {
        /// The directory.
        dir: PathBuf,
        /// Who was to be found there.
        node: NodeId,
    },
    /// A node was to be created, and there is one already. Open it.
    #[error("{}: holds a node already", dir.display())]
    AlreadyThere {
        /// The directory.
        dir: PathBuf,
    },
    /// A part of the directory is gone: somebody removed it, or copied only the rest.
    #[error("{}: {what}: restore it from a copy, or give the node a new id and an empty directory", dir.display())]
    Incomplete {
        /// The directory.
        dir: PathBuf,
        /// What is gone.
        what: &'static str,
    },
}

/// A node that came back without its memory, under its old name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Impostor {
    /// It belongs to another cluster; check its configuration.
    #[error("{node} belongs to cluster {found}, not to {expected}")]
    OtherCluster {
        /// Who.
        node: NodeId,
        /// Our cluster.
        expected: ClusterId,
        /// Its cluster.
        found: ClusterId,
    },
    /// It says that it is the node that we are.
    #[error("{0} is this node: two processes were given one id")]
    Ourselves(NodeId),
    /// It was another one before: its disk was wiped or exchanged. Its votes and acknowledgements are forgotten, so they
    /// must not be counted twice: remove the node from the cluster, and add it under a new id.
    #[error("{node} has lost its disk since we met it: remove it from the cluster, and add it again under a new id")]
    Reborn {
        /// Who.
        node: NodeId,
    },
}

/// Damage at a place of the log, in the words of the storage errors.
pub(super) fn damaged(dir: &std::path::Path, position: u64, what: impl std::fmt::Display) -> Error {
    Error::Storage(xs_storage::Error::Corrupt {
        path: dir.to_owned(),
        offset: 0,
        what: format!("record {position} of the log: {what}"),
    })
}

/// The same for bytes that did not decode.
pub(super) fn undecodable(dir: &std::path::Path, position: u64) -> impl FnOnce(DecodeError) -> Error {
    move |error| damaged(dir, position, error)
}
