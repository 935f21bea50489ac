//! A cluster in one thread, over faulty disks and a network that can be cut.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use xs_os::vfs::Vfs;
use xs_os::vfs::faulty::FaultyVfs;
use xs_os::{Clock, Rng, SteppedJobs, VirtualClock};

use super::{Kept, List};
use crate::raft::{Body, ClusterId, LogView, Membership, NodeId, Options};
use crate::raft_store::Start;
use crate::replica::{Event, OpenError, Outcome, Replica, ReplicaOptions, Token};

pub(super) const DIR: &str = "node";

pub(super) struct Node {
    pub(super) replica: Option<Replica<List>>,
    pub(super) disk: FaultyVfs,
    pub(super) jobs: SteppedJobs,
    pub(super) kept: Option<Arc<Mutex<Kept>>>,
    pub(super) events: Vec<Event<usize>>,
    life: u64,
}

pub(super) struct Cluster {
    pub(super) clock: VirtualClock,
    pub(super) nodes: Vec<Node>,
    /// Nobody hears these, and they hear nobody.
    pub(super) cut: BTreeSet<usize>,
    /// Messages that were carried, by kind.
    pub(super) carried: Vec<(&'static str, usize)>,
    pub(super) change: fn(&mut ReplicaOptions),
    founders: u64,
}

pub(super) fn id(node: usize) -> NodeId {
    NodeId(node as u64 + 1)
}

impl Cluster {
    /// So many nodes, of which the first so many are the cluster; keeping themselves or not.
    pub(super) fn new(nodes: usize, founders: u64, keep: bool, change: fn(&mut ReplicaOptions)) -> Cluster {
        let node = |seed| Node {
            replica: None,
            disk: FaultyVfs::new(seed as u64),
            jobs: SteppedJobs::new(),
            kept: keep.then(Arc::default),
            events: Vec::new(),
            life: 0,
        };
        let (clock, nodes) = (VirtualClock::new(), (0..nodes).map(node).collect());
        let mut cluster = Cluster { clock, nodes, cut: BTreeSet::new(), carried: Vec::new(), change, founders };
        for node in 0..cluster.nodes.len() {
            cluster.start(node).unwrap();
        }
        cluster
    }

    pub(super) fn three(change: fn(&mut ReplicaOptions)) -> Cluster {
        let mut cluster = Cluster::new(3, 3, false, change);
        cluster.elect();
        cluster
    }

    pub(super) fn options(&self, node: usize) -> ReplicaOptions {
        let mut options = ReplicaOptions::new(ClusterId(1), id(node));
        options.jobs = Arc::new(self.nodes[node].jobs.clone());
        options.segment_bytes = 4096;
        options.raft = Options { snapshot_chunk_bytes: 1000, ..options.raft };
        (self.change)(&mut options);
        options
    }

    pub(super) fn start(&mut self, node: usize) -> Result<(), OpenError> {
        let founders = Membership::of((1..=self.founders).map(NodeId).collect()).unwrap();
        let first = if id(node).0 <= self.founders { founders } else { Membership::default() };
        self.nodes[node].jobs = SteppedJobs::new();
        let options = self.options(node);
        let at = &mut self.nodes[node];
        at.life += 1;
        at.events.clear();
        let machine = at.kept.as_ref().map_or_else(List::default, List::kept);
        let rng = Rng::from_seed(id(node).0 * 1000 + at.life);
        let (disk, start) = (Arc::new(at.disk.clone()), Start::OpenOrCreate(first));
        at.replica = Some(Replica::open(disk, Path::new(DIR), start, machine, options, rng, self.clock.now())?);
        Ok(())
    }

    /// The power goes: of what was not synced, some is there.
    pub(super) fn crash(&mut self, node: usize) {
        let at = &mut self.nodes[node];
        let found = at.disk.crash(&mut Rng::from_seed(at.life));
        at.replica = None;
        at.disk = FaultyVfs::over(&found, at.life);
    }

    pub(super) fn replica(&mut self, node: usize) -> &mut Replica<List> {
        self.nodes[node].replica.as_mut().unwrap()
    }

    /// Every job steps, every node is polled, and every message arrives.
    pub(super) fn turn(&mut self) {
        let now = self.clock.now();
        let mut sent = Vec::new();
        for (at, node) in self.nodes.iter_mut().enumerate() {
            let Some(replica) = &mut node.replica else { continue };
            for _ in 0..3 {
                replica.poll(&mut Context::from_waker(Waker::noop()), now);
                node.jobs.poke_all();
                node.jobs.run_until_idle(100);
            }
            replica.poll(&mut Context::from_waker(Waker::noop()), now);
            sent.extend(std::iter::from_fn(|| replica.next_message()).map(|message| (at, message)));
            node.events.extend(std::iter::from_fn(|| replica.next_event()));
        }
        for (from, message) in sent {
            let to = message.to.0 as usize - 1;
            if self.cut.contains(&from) || self.cut.contains(&to) {
                continue;
            }
            let entries = if let Body::Append(append) = &message.body { append.entries.len() } else { 0 };
            self.carried.push((message.body.name(), entries));
            if let Some(replica) = &mut self.nodes[to].replica {
                let _ = replica.handle_message(now, message);
            }
        }
    }

    pub(super) fn run(&mut self, millis: u64) {
        for _ in 0..millis.div_ceil(5) {
            self.clock.advance(Duration::from_millis(5));
            self.turn();
        }
    }

    /// Until a condition holds, ten seconds at most.
    pub(super) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Cluster) -> bool) {
        for _ in 0..2000 {
            if holds(self) {
                return;
            }
            self.run(5);
        }
        let states: Vec<_> =
            self.nodes.iter().map(|node| node.replica.as_ref().map(|replica| replica.status())).collect();
        panic!("never: {what}\n{states:#?}");
    }

    /// Who leads of those that are not cut off.
    pub(super) fn leader(&mut self) -> Option<usize> {
        let cut = self.cut.clone();
        let leads = |(at, node): (usize, &Node)| {
            let replica = node.replica.as_ref()?;
            (replica.leader() == Some(id(at)) && replica.stopped().is_none() && !cut.contains(&at)).then_some(at)
        };
        let mut leaders: Vec<_> = self.nodes.iter().enumerate().filter_map(leads).collect();
        leaders.sort_by_key(|at| self.nodes[*at].replica.as_ref().map(|replica| replica.status().term));
        leaders.pop()
    }

    pub(super) fn elect(&mut self) -> usize {
        self.until("a leader", |cluster| cluster.leader().is_some());
        self.leader().unwrap()
    }

    pub(super) fn propose(&mut self, node: usize, token: u64, command: &str) {
        let now = self.clock.now();
        let command = Bytes::copy_from_slice(command.as_bytes());
        self.replica(node).propose(now, Token(token), command).unwrap();
    }

    /// Proposes to whoever leads, and waits for the outcome.
    pub(super) fn put(&mut self, command: &str) {
        let leader = self.elect();
        self.propose(leader, 9999, command);
        self.until("applied", |cluster| cluster.outcome(leader, 9999).is_some());
        let outcome = self.outcome(leader, 9999).unwrap();
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
        self.nodes[leader].events.clear();
    }

    /// The outcome of a token, which must be the only one.
    pub(super) fn outcome(&self, node: usize, token: u64) -> Option<Outcome<usize>> {
        let mut found = self.nodes[node].events.iter().filter_map(|event| match event {
            Event::Proposed { token: Token(of), outcome } if *of == token => Some(outcome.clone()),
            _ => None,
        });
        let outcome = found.next();
        assert!(found.next().is_none(), "answered twice");
        outcome
    }

    pub(super) fn items(&self, node: usize) -> Vec<String> {
        let items = &self.nodes[node].replica.as_ref().unwrap().machine().items;
        items.iter().map(|item| String::from_utf8_lossy(item).into_owned()).collect()
    }

    pub(super) fn all_have(&mut self, nodes: &[usize], items: &[String]) {
        self.until("all have it", |cluster| nodes.iter().all(|node| cluster.items(*node) == items));
    }

    pub(super) fn front(&mut self, node: usize) -> u64 {
        self.replica(node).store().bounds().before.0.0
    }

    pub(super) fn files(&self, node: usize) -> Vec<String> {
        let names = self.nodes[node].disk.list(Path::new(DIR)).unwrap();
        names.into_iter().filter_map(|name| name.into_string().ok()).collect()
    }
}
