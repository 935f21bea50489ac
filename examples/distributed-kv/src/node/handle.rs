//! The way to the node's task, from whatever serves clients.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::command::Member;
use crate::metrics::Clients;
use crate::store::{Outcome, View};

/// Why a request was not done, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// Nothing was done. Ask again later.
    #[error("CLUSTERDOWN {0}; nothing was done")]
    NotDone(Cow<'static, str>),
    /// It may have been done, or may be yet.
    #[error("UNCERTAIN {0}: the write may have been done, or may be yet")]
    Uncertain(Cow<'static, str>),
    /// Nothing was done: another node does it.
    #[error("MOVED 0 {0}")]
    Moved(String),
    /// It will never be done like this.
    #[error("ERR {0}")]
    Never(String),
    /// The node has stopped.
    #[error("ERR this node has stopped: {0}")]
    Stopped(String),
}

/// What an operator asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admin {
    /// Take a node in, as a learner.
    Add(u64, Member),
    /// Let a learner vote.
    Promote(u64),
    /// Let a node go.
    Remove(u64),
    /// Hand leadership to a node, or to whoever is furthest.
    Transfer(Option<u64>),
    /// Shorten the log now.
    Compact,
}

/// One thing to be done by the node's task.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Bring an entry into the log; its time is stamped by the leader.
    Write { entry: Vec<u8>, answer: oneshot::Sender<Result<Outcome, Failed>> },
    /// Say when the state holds all that was answered before.
    Read { answer: oneshot::Sender<Result<(), Failed>> },
    /// An operator's wish.
    Admin { admin: Admin, answer: oneshot::Sender<Result<(), Failed>> },
    /// Hand leadership on, if it is here; answered when it is gone, or can't go.
    StepDown { answer: oneshot::Sender<()> },
    /// Stop.
    Stop,
}

/// What a leader knows of another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Follower {
    pub(crate) matched: u64,
    pub(crate) mode: &'static str,
}

/// What the node tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) id: u64,
    pub(crate) cluster: u64,
    pub(crate) role: &'static str,
    pub(crate) term: u64,
    pub(crate) leader: Option<u64>,
    pub(crate) commit: u64,
    pub(crate) applied: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) voters: Vec<u64>,
    pub(crate) learners: Vec<u64>,
    pub(crate) followers: BTreeMap<u64, Follower>,
    pub(crate) members: BTreeMap<u64, Member>,
    pub(crate) stopped: Option<String>,
    pub(crate) dropped: u64,
    pub(crate) proposed: u64,
    pub(crate) forwarded: u64,
    pub(crate) elections: u64,
    pub(crate) snapshots: u64,
}

/// A node, as its clients' side sees it. Clones are the same node.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) view: View,
    pub(crate) status: Arc<Mutex<Status>>,
    pub(crate) applied: Arc<AtomicU64>,
    pub(crate) clients: Arc<Clients>,
}

const GONE: Failed = Failed::NotDone(Cow::Borrowed("this node is stopping"));
const GONE_UNDER_WAY: Failed = Failed::Uncertain(Cow::Borrowed("this node stopped meanwhile"));

impl Handle {
    /// Has an entry applied.
    pub(crate) async fn write(&self, entry: Vec<u8>) -> Result<Outcome, Failed> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask::Write { entry, answer }).await.map_err(|_| GONE)?;
        answered.await.unwrap_or(Err(GONE_UNDER_WAY))
    }

    /// Waits until [`Handle::view`] shows all that was answered before this call, to anybody.
    pub(crate) async fn read(&self) -> Result<(), Failed> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask::Read { answer }).await.map_err(|_| GONE)?;
        answered.await.unwrap_or(Err(GONE))
    }

    pub(crate) async fn admin(&self, admin: Admin) -> Result<(), Failed> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask::Admin { admin, answer }).await.map_err(|_| GONE)?;
        answered.await.unwrap_or(Err(GONE_UNDER_WAY))
    }

    /// Hands leadership on, if this node has it, and waits until it has gone or can't go.
    pub(crate) async fn step_down(&self) {
        let (answer, answered) = oneshot::channel();
        if self.asks.send(Ask::StepDown { answer }).await.is_ok() {
            let _ = answered.await;
        }
    }

    /// Stops the node.
    pub(crate) async fn stop(&self) {
        let _ = self.asks.send(Ask::Stop).await;
    }

    /// The last entry that this node has applied.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    pub(crate) fn status(&self) -> Status {
        self.status.lock().clone()
    }
}
