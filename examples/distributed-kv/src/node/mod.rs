//! The node: one task that owns the replica.
//!
//! ```text
//!   clients' reactors ── asks ───┐                      ┌── messages ──▶ outbox of each node
//!   nodes' connections ─ inbound ┼─▶ one step of the task ┼── answers ──▶ whoever asked
//!   time, disk ─────── waker ────┘                      └── applied ───▶ the state, read by all
//! ```
//!
//! A step takes everything that has come, hands it to the replica, polls it once, and passes on what came out. So all that
//! waited goes into one append, and one sync covers it.
//!
//! **A write** has a number here and is answered once. On the leader it is proposed; on any other node it is forwarded to the
//! leader, or held until there is one. When leadership changes under way, nobody knows whether it was done: it is sent again,
//! under its old name, by which the state knows a copy. Only when that, too, takes too long, is the client told that
//! the end is uncertain.
//!
//! **Reads** that came in one step share one confirmation.

mod admin;
mod handle;
mod machine;
mod neighbours;
mod step;
mod writes;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use xs_consensus::raft::Index;
use xs_consensus::replica::{Replica, Stopped};
use xs_net::Timer;
use xs_net::timer::Sleep;
use xs_os::Rng;

use self::neighbours::Neighbours;
use self::writes::{Write, Writes};
use crate::command::Member;
use crate::metrics::Clients;
#[cfg(feature = "metrics")]
use crate::metrics::Facade;
use crate::peer::{Directory, Hello, Inbound, Link, LinkOptions, Network, Outbox};

pub(crate) use self::handle::{Admin, Ask, Failed, Follower, Handle, Status};
pub(crate) use self::machine::Machine;

/// So much waits for one node that can't be reached.
const OUTBOX: usize = 16 << 20;
/// So many asks wait to be taken in.
pub(crate) const ASKS: usize = 4096;
/// So much waits from other nodes.
pub(crate) const INBOUND: usize = 1024;
/// How often what is held back for want of a leader is tried again, beside every news of one.
const RETRY: Duration = Duration::from_millis(20);
/// The status is told this often, beside every change of role.
const TELL: Duration = Duration::from_millis(20);

/// What becomes of a write that comes to a node which doesn't lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtFollower {
    /// It is forwarded to the leader.
    #[default]
    Forward,
    /// The client is told where the leader is: `MOVED`.
    Redirect,
}

/// How a node behaves.
#[derive(Debug, Clone)]
pub(crate) struct NodeOptions {
    pub(crate) at_follower: AtFollower,
    /// A request that could not be done for so long is given up.
    pub(crate) patience: Duration,
    /// A forward without an answer is sent again after so long.
    pub(crate) forward: Duration,
}

/// Who waits for what the replica was asked under a number.
enum Waiter {
    Write(Write),
    /// Another node's, under its own number.
    Forwarded {
        from: u64,
        number: u64,
    },
    Reads(Vec<Reading>),
    Change(oneshot::Sender<Result<(), Failed>>),
    /// The node's own entry: time, or addresses.
    Own,
}

/// A read that waits.
struct Reading {
    deadline: Instant,
    answer: oneshot::Sender<Result<(), Failed>>,
}

/// A node's task, before it runs.
pub(crate) struct Node<N> {
    replica: Replica<Machine>,
    options: NodeOptions,
    network: N,
    timer: Timer,
    rng: Rng,
    directory: Directory,
    hello: Hello,
    asks: mpsc::Receiver<Ask>,
    inbound: mpsc::Receiver<Inbound>,
    links: BTreeMap<u64, Outbox>,
    neighbours: Neighbours,
    /// What is under way in the replica, by token.
    waiting: BTreeMap<u64, Waiter>,
    /// Tokens and numbers are counted together.
    last_number: u64,
    writes: Writes,
    /// Reads that are to be asked for with the next step, or were refused.
    reads: Vec<Reading>,
    ticking: Option<u64>,
    tick_after: Instant,
    /// Where nodes are, as they have said themselves.
    met: BTreeMap<u64, Member>,
    /// What this leader has proposed to remember, so that it is not proposed twice.
    remembering: BTreeMap<u64, Member>,
    stepping_down: Option<(Instant, oneshot::Sender<()>)>,
    retry_at: Option<Instant>,
    told_at: Instant,
    status: Arc<Mutex<Status>>,
    applied: Arc<AtomicU64>,
    counts: Counts,
    #[cfg(feature = "metrics")]
    facade: (Facade, Arc<Clients>),
    ending: bool,
}

#[derive(Debug, Default)]
struct Counts {
    proposed: u64,
    forwarded: u64,
    elections: u64,
    snapshots: u64,
}

impl<N: Network> Node<N> {
    /// A node around a replica, and the way to it.
    pub(crate) fn new(
        replica: Replica<Machine>,
        options: NodeOptions,
        network: N,
        timer: Timer,
        rng: Rng,
        directory: Directory,
        hello: Hello,
        inbound: mpsc::Receiver<Inbound>,
    ) -> (Self, Handle) {
        let (asks_in, asks) = mpsc::channel(ASKS);
        let status = Arc::new(Mutex::new(Status { id: hello.from, cluster: hello.cluster, ..Status::default() }));
        let applied = Arc::new(AtomicU64::new(replica.machine().store().applied()));
        let view = replica.machine().store().view();
        let clients = Arc::new(Clients::default());
        #[cfg(feature = "metrics")]
        let facade = (Facade::new(hello.from), clients.clone());
        let handle = Handle { asks: asks_in, view, status: status.clone(), applied: applied.clone(), clients };
        let told_at = timer.now();
        let node = Node {
            replica,
            options,
            network,
            timer,
            rng,
            directory,
            #[cfg(feature = "metrics")]
            facade,
            hello,
            asks,
            inbound,
            links: BTreeMap::new(),
            neighbours: Neighbours::default(),
            waiting: BTreeMap::new(),
            last_number: 0,
            writes: Writes::default(),
            reads: Vec::new(),
            ticking: None,
            tick_after: told_at,
            met: BTreeMap::new(),
            remembering: BTreeMap::new(),
            stepping_down: None,
            retry_at: None,
            told_at,
            status,
            applied,
            counts: Counts::default(),
            ending: false,
        };
        (node, handle)
    }

    /// Runs until it is told to stop, or can't go on.
    ///
    /// # Errors
    ///
    /// Why the replica has stopped.
    pub(crate) async fn run(mut self) -> Result<(), Stopped> {
        self.follow();
        self.tell();
        let mut sleep = self.timer.sleep_until(self.timer.now());
        let ended = poll_fn(|cx| self.poll(cx, &mut sleep)).await;
        let outcome = match &ended {
            Some(why) => why.to_string(),
            None => "it was told to".to_owned(),
        };
        self.status.lock().stopped = Some(outcome.clone());
        self.fail_all(&outcome);
        ended.map_or(Ok(()), Err)
    }

    fn poll(&mut self, cx: &mut Context<'_>, sleep: &mut Sleep) -> Poll<Option<Stopped>> {
        loop {
            let mut asks = Vec::new();
            let mut inbound = Vec::new();
            // One after the other: who has nothing leaves its waker.
            let asked = matches!(self.asks.poll_recv_many(cx, &mut asks, ASKS), Poll::Ready(1..));
            let said = matches!(self.inbound.poll_recv_many(cx, &mut inbound, INBOUND), Poll::Ready(1..));
            // Behind all that came: a lease that held before a question was asked may be over.
            let now = self.timer.now();
            inbound.into_iter().for_each(|inbound| self.inbound(now, inbound));
            asks.into_iter().for_each(|ask| self.ask(now, ask));
            self.step(cx, now);
            if let Some(why) = self.replica.stopped() {
                return Poll::Ready(Some(why.clone()));
            }
            if self.ending {
                return Poll::Ready(None);
            }
            if asked || said {
                continue;
            }
            let deadline = self.next_deadline(now);
            if deadline <= now {
                continue;
            }
            if sleep.deadline() != deadline {
                sleep.reset(deadline);
            }
            if Pin::new(&mut *sleep).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn next_deadline(&self, now: Instant) -> Instant {
        let holding = !self.reads.is_empty() || self.writes.are_held();
        let own = [
            holding.then(|| self.retry_at.unwrap_or(now + RETRY)),
            self.writes.next_deadline(),
            self.next_tick(now),
            self.stepping_down.as_ref().map(|(deadline, _)| *deadline),
        ];
        own.into_iter().flatten().fold(self.replica.next_deadline(), Instant::min)
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Speaks with all who belong to the cluster.
    fn follow(&mut self) {
        let (index, membership) = self.replica.status().membership;
        self.neighbours.hold(index, &membership);
        self.directory.open(membership.nodes().map(|node| node.0));
        membership.nodes().for_each(|node| self.link(node.0));
    }

    /// Lets those go whose removal is applied.
    fn part(&mut self, applied: Index) {
        for node in self.neighbours.applied(applied) {
            if node == self.hello.from {
                continue;
            }
            tracing::info!("n{node} was removed: it is spoken with no more");
            self.forget(node);
            self.directory.close(node);
        }
    }

    /// Neither link nor address of it is kept.
    fn forget(&mut self, node: u64) {
        if let Some(outbox) = self.links.remove(&node) {
            outbox.close();
        }
        self.met.remove(&node);
        self.remembering.remove(&node);
        self.directory.forget(node);
    }

    fn link(&mut self, node: u64) {
        if node == self.hello.from || self.links.contains_key(&node) {
            return;
        }
        let outbox = Outbox::new(OUTBOX);
        self.links.insert(node, outbox.clone());
        let link = Link {
            network: self.network.clone(),
            directory: self.directory.clone(),
            hello: Hello { to: node, ..self.hello.clone() },
            outbox,
            timer: self.timer.clone(),
            rng: self.rng.fork(&format!("link {node}")),
            options: LinkOptions::default(),
        };
        tokio::spawn(link.run());
    }

    /// Where this node is.
    fn myself(&self) -> Member {
        Member { peer: self.hello.peer.clone(), client: self.hello.client.clone() }
    }

    /// Tells what the node knows of itself.
    fn tell(&mut self) {
        self.told_at = self.timer.now();
        self.learn_members();
        let raft = self.replica.status();
        let (_, membership) = raft.membership;
        let ids = |nodes: &[xs_consensus::raft::NodeId]| nodes.iter().map(|node| node.0).collect();
        let followers = raft
            .followers
            .iter()
            .map(|follower| (follower.id.0, Follower { matched: follower.matched.0, mode: follower.mode }));
        let mut members = self.directory.places();
        members.insert(self.hello.from, self.myself());
        members.retain(|node, _| membership.contains(xs_consensus::raft::NodeId(*node)));
        self.applied.store(self.replica.machine().store().applied(), Ordering::Release);
        let status = Status {
            id: self.hello.from,
            cluster: self.hello.cluster,
            role: match raft.role {
                xs_consensus::raft::RoleName::Leader => "leader",
                xs_consensus::raft::RoleName::Follower => "follower",
                _ => "candidate",
            },
            term: raft.term.0,
            leader: raft.leader.map(|node| node.0),
            commit: raft.commit.0,
            applied: raft.applied.0,
            first: raft.before.0.0 + 1,
            last: raft.last.0.0,
            voters: ids(membership.voters()),
            learners: ids(membership.learners()),
            followers: followers.collect(),
            members,
            stopped: None,
            dropped: self.links.values().map(Outbox::dropped).sum(),
            proposed: self.counts.proposed,
            forwarded: self.counts.forwarded,
            elections: self.counts.elections,
            snapshots: self.counts.snapshots,
        };
        #[cfg(feature = "metrics")]
        self.facade.0.tell(&status, &self.facade.1);
        *self.status.lock() = status;
    }
}

impl<N> Drop for Node<N> {
    /// Its links end with it, also when it is cut off in the middle of its work.
    fn drop(&mut self) {
        self.links.values().for_each(Outbox::close);
    }
}
