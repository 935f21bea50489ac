//! What connections ask the node: where another one is, and whether it is the one that it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::{Frame, Hello};
use crate::command::Member;

/// What comes in from other nodes.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// A node has said who it is. Nothing is taken from it, or sent to it, before the answer.
    Met { hello: Hello, answer: oneshot::Sender<Result<(), String>> },
    /// A node that was met has said something.
    Said { from: u64, frame: Frame },
}

/// Addresses, and the way to the node. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    places: Arc<Mutex<BTreeMap<u64, Member>>>,
    /// Whose connections end.
    closed: Arc<Mutex<BTreeSet<u64>>>,
    inbound: mpsc::Sender<Inbound>,
}

impl Directory {
    /// `places` is what the configuration says; what nodes and the cluster say counts more.
    pub(crate) fn new(places: BTreeMap<u64, Member>, inbound: mpsc::Sender<Inbound>) -> Self {
        Directory { places: Arc::new(Mutex::new(places)), closed: Arc::default(), inbound }
    }

    pub(crate) fn address(&self, node: u64) -> Option<String> {
        self.places.lock().get(&node).map(|member| member.peer.clone())
    }

    pub(crate) fn places(&self) -> BTreeMap<u64, Member> {
        self.places.lock().clone()
    }

    pub(crate) fn set(&self, node: u64, member: Member) {
        self.places.lock().insert(node, member);
    }

    pub(crate) fn forget(&self, node: u64) {
        self.places.lock().remove(&node);
    }

    /// The node belongs to the cluster no more: the connections that it has opened end.
    pub(crate) fn close(&self, node: u64) {
        self.closed.lock().insert(node);
    }

    /// The connections of these nodes may stay.
    pub(crate) fn open(&self, nodes: impl IntoIterator<Item = u64>) {
        let mut closed = self.closed.lock();
        for node in nodes {
            closed.remove(&node);
        }
    }

    pub(super) fn is_closed(&self, node: u64) -> bool {
        self.closed.lock().contains(&node)
    }

    /// Whether the node lets the other one in; the reason if not.
    pub(crate) async fn met(&self, hello: Hello) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        if !self.deliver(Inbound::Met { hello, answer }).await {
            return Err("the node is stopping".into());
        }
        answered.await.unwrap_or_else(|_| Err("the node is stopping".into()))
    }

    /// Hands something to the node, when it has room for it; false when it has stopped.
    pub(crate) async fn deliver(&self, inbound: Inbound) -> bool {
        self.inbound.send(inbound).await.is_ok()
    }
}
