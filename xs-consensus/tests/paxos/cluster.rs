//! Replicas by hand: a network that is a list, disks that are maps, and a story of what is said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use xs_consensus::paxos::multi::{Body, Kept, Message, Options, Replica, RoleName, Slot, Value};
use xs_consensus::paxos::{Ballot, Cluster, NodeId};
use xs_os::{Clock, Rng, VirtualClock};

pub(crate) struct Replicas {
    cluster: Cluster,
    clock: VirtualClock,
    /// Those that are up.
    pub(crate) up: BTreeMap<NodeId, Replica>,
    disks: BTreeMap<NodeId, Kept>,
    pub(crate) net: VecDeque<Message>,
    alone: BTreeSet<NodeId>,
    pub(crate) story: Vec<String>,
    roles: BTreeMap<NodeId, RoleName>,
    pub(crate) applied: BTreeMap<NodeId, Vec<Value>>,
}

pub(crate) fn told(value: &Value) -> String {
    match value {
        Value::Noop => "no-op".to_owned(),
        Value::Command(bytes) => format!("\"{}\"", String::from_utf8_lossy(bytes)),
    }
}

pub(crate) fn tell(message: &Message) -> String {
    let said = match &message.body {
        Body::Prepare { ballot, first } => format!("{ballot} begins; what did you vote for from {first} on?"),
        Body::Promise { ballot, votes, next, .. } => {
            let vote = |(slot, vote): &(Slot, xs_consensus::paxos::Vote<Value>)| {
                format!("{slot} {} ({})", told(&vote.value), vote.ballot)
            };
            let votes: Vec<_> = votes.iter().map(vote).collect();
            let votes = if votes.is_empty() { "nothing".to_owned() } else { votes.join(", ") };
            let more = next.map_or(String::new(), |next| format!("; more from {next} on"));
            format!("promised {ballot}; I voted for {votes}{more}")
        }
        Body::Accept { ballot, values, commit } => {
            let values: Vec<_> = values.iter().map(|(slot, value)| format!("{slot} {}", told(value))).collect();
            let values = if values.is_empty() { "nothing new".to_owned() } else { values.join(", ") };
            format!("in {ballot}: {values} (chosen up to {commit})")
        }
        Body::Accepted { ballot, slots, missing } => {
            let slots: Vec<_> = slots.iter().map(Slot::to_string).collect();
            let slots =
                if slots.is_empty() { "I hear you".to_owned() } else { format!("voted for {}", slots.join(", ")) };
            let missing = missing.map_or(String::new(), |slot| format!("; what was chosen from {slot} on?"));
            format!("in {ballot}: {slots}{missing}")
        }
        Body::Rejected { ballot, promised } => format!("not in {ballot}: I have promised {promised}"),
        Body::Learn { first, values, commit } => {
            let values: Vec<_> = values.iter().map(told).collect();
            format!("chosen from {first} on: {} (of all up to {commit})", values.join(", "))
        }
    };
    format!("{} → {}: {said}", message.from, message.to)
}

impl Replicas {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let mut replicas = Replicas {
            clock: VirtualClock::new(),
            up: BTreeMap::new(),
            disks: BTreeMap::new(),
            net: VecDeque::new(),
            alone: BTreeSet::new(),
            story: Vec::new(),
            roles: BTreeMap::new(),
            applied: BTreeMap::new(),
            cluster,
        };
        for id in replicas.cluster.nodes().to_vec() {
            replicas.start(id);
        }
        replicas
    }

    pub(crate) fn start(&mut self, id: NodeId) {
        let kept = self.disks.entry(id).or_default().clone();
        let (options, rng) = (Options::default(), Rng::from_seed(id.0));
        let replica = Replica::new(id, self.cluster.clone(), kept, options, rng, self.clock.now()).unwrap();
        self.applied.insert(id, Vec::new());
        self.up.insert(id, replica);
        self.pump(id);
    }

    pub(crate) fn crash(&mut self, id: NodeId) {
        self.up.remove(&id);
        self.roles.remove(&id);
    }

    pub(crate) fn isolate(&mut self, id: NodeId) {
        self.alone.insert(id);
    }

    pub(crate) fn heal(&mut self) {
        self.alone.clear();
    }

    pub(crate) fn campaign(&mut self, id: NodeId) {
        let now = self.clock.now();
        self.up.get_mut(&id).unwrap().campaign(now);
        self.pump(id);
    }

    pub(crate) fn propose(&mut self, id: NodeId, command: &str) -> Result<Slot, xs_consensus::paxos::Rejected> {
        let now = self.clock.now();
        let slot = self.up.get_mut(&id).unwrap().propose(now, Bytes::copy_from_slice(command.as_bytes()));
        self.pump(id);
        slot
    }

    pub(crate) fn tick(&mut self, by: Duration) {
        self.clock.advance(by);
        let now = self.clock.now();
        for id in self.cluster.nodes().to_vec() {
            if let Some(replica) = self.up.get_mut(&id) {
                replica.tick(now);
                self.pump(id);
            }
        }
    }

    /// The first message arrives, or is lost.
    pub(crate) fn deliver_one(&mut self) -> bool {
        let Some(message) = self.net.pop_front() else { return false };
        let (to, cut) = (message.to, self.alone.contains(&message.from) || self.alone.contains(&message.to));
        match self.up.get_mut(&to).filter(|_| !cut) {
            None => self.story.push(format!("lost: {}", tell(&message))),
            Some(replica) => {
                self.story.push(tell(&message));
                replica.step(self.clock.now(), message).unwrap();
                self.pump(to);
            }
        }
        true
    }

    pub(crate) fn deliver(&mut self) {
        while self.deliver_one() {}
    }

    pub(crate) fn hand_over(&mut self, from: u64, to: u64, body: Body) {
        let (from, to) = (NodeId(from), NodeId(to));
        self.up.get_mut(&to).unwrap().step(self.clock.now(), Message { from, to, body }).unwrap();
        self.pump(to);
    }

    fn pump(&mut self, id: NodeId) {
        let Some(replica) = self.up.get_mut(&id) else { return };
        while let Some(ready) = replica.ready() {
            if let Some(persist) = ready.persist {
                let disk = self.disks.entry(id).or_default();
                persist.records().iter().cloned().for_each(|record| disk.apply(record));
                replica.persisted(persist.done()).unwrap();
            }
            self.net.extend(ready.send);
            for (slot, value) in ready.apply {
                self.story.push(format!("{id} applies {slot} {}", told(&value)));
                self.applied.entry(id).or_default().push(value);
            }
            let status = replica.status();
            let before = self.roles.insert(id, status.role).unwrap_or(RoleName::Follower);
            if before != status.role {
                let role = format!("{:?}", status.role).to_lowercase();
                self.story.push(format!("{id} is {role} in {}", status.promised));
            }
        }
    }

    pub(crate) fn log(&self, id: NodeId) -> String {
        let Some(replica) = self.up.get(&id) else { return "down".to_owned() };
        let status = replica.status();
        let slot = |slot: u64| {
            let vote = replica.vote(Slot(slot));
            vote.map_or("-".to_owned(), |vote| {
                let star = if vote.ballot == Ballot::CHOSEN { "*".to_owned() } else { format!("({})", vote.ballot) };
                format!("{}{star}", told(&vote.value))
            })
        };
        (1..=status.last.0).map(slot).collect::<Vec<_>>().join(" ")
    }
}
