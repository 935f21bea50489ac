//! A cluster in one thread: nodes, their disks, and the messages between them, all in the hands of a test.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use xs_consensus::raft::{
    Change, Entry, Index, Initial, Membership, MemoryLog, Message, NodeId, Options, Payload, Persist, Raft, ReadAnswer,
    ReadId, Rejected, RoleName, Term,
};
use xs_os::{Clock, Rng, VirtualClock};

use crate::checks::Checks;

pub(crate) fn id(id: u64) -> NodeId {
    NodeId(id)
}

pub(crate) fn ids(ids: &[u64]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

pub(crate) fn voters(voters: &[u64]) -> Membership {
    Membership::of(ids(voters)).unwrap()
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// One machine.
pub(crate) struct Machine {
    /// None while it is down.
    pub(crate) raft: Option<Raft<MemoryLog>>,
    /// What a crash left.
    disk: MemoryLog,
    /// Under way to the disk.
    pub(crate) pending: VecDeque<Persist>,
    /// The state machine: every command that was applied.
    pub(crate) state: Vec<(Index, Bytes)>,
    pub(crate) reads: Vec<ReadAnswer>,
    /// The snapshot that is being received.
    part: Vec<u8>,
    membership: Membership,
    restarts: u64,
    /// What it was when it was last looked at.
    role: Option<(RoleName, Term)>,
}

pub(crate) struct Cluster {
    pub(crate) clock: VirtualClock,
    pub(crate) machines: BTreeMap<NodeId, Machine>,
    pub(crate) net: VecDeque<Message>,
    /// Links that lose everything.
    pub(crate) cut: BTreeSet<(NodeId, NodeId)>,
    pub(crate) options: Options,
    pub(crate) checks: Checks,
    /// Disks finish at once.
    pub(crate) quick_disks: bool,
    pub(crate) seed: u64,
    /// What happened, for transcripts.
    pub(crate) story: Vec<String>,
    pub(crate) wrong: Option<String>,
    pub(crate) delivered: u64,
}

impl Cluster {
    pub(crate) fn empty(seed: u64) -> Cluster {
        Cluster {
            clock: VirtualClock::new(),
            machines: BTreeMap::new(),
            net: VecDeque::new(),
            cut: BTreeSet::new(),
            options: Options::default(),
            checks: Checks::default(),
            quick_disks: true,
            seed,
            story: Vec::new(),
            wrong: None,
            delivered: 0,
        }
    }

    /// A cluster of these voters.
    pub(crate) fn of(members: &[u64]) -> Cluster {
        Cluster::with(members, Options::default())
    }

    pub(crate) fn with(members: &[u64], options: Options) -> Cluster {
        let mut cluster = Cluster { options, ..Cluster::empty(1) };
        for member in members {
            cluster.add(*member, voters(members));
        }
        cluster
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn add(&mut self, node: u64, membership: Membership) {
        let machine = Machine {
            raft: None,
            disk: MemoryLog::new(),
            pending: VecDeque::new(),
            state: Vec::new(),
            reads: Vec::new(),
            part: Vec::new(),
            membership,
            restarts: 0,
            role: None,
        };
        self.machines.insert(id(node), machine);
        self.restart(node);
    }

    pub(crate) fn restart(&mut self, node: u64) {
        let options = self.options.clone();
        self.restart_with(node, options);
    }

    pub(crate) fn restart_with(&mut self, node: u64, options: Options) {
        let now = self.now();
        let seed = self.seed;
        let machine = self.machines.get_mut(&id(node)).unwrap();
        machine.restarts += 1;
        let rng = Rng::from_seed(seed).fork(&format!("{node}/{}", machine.restarts));
        let log = machine.disk.clone();
        let snapshot = log.snapshot_data().cloned();
        let before = xs_consensus::raft::LogView::bounds(&log).before.0;
        let mut initial =
            Initial { hard_state: log.hard_state(), membership: machine.membership.clone(), applied: Index(0) };
        machine.state.clear();
        if let Some((meta, data)) = snapshot {
            machine.state = unpack(&data);
            initial.applied = meta.index;
            assert!(meta.index >= before);
        }
        machine.raft = Some(Raft::new(id(node), log, initial, options, rng, now).expect("a state that was persisted"));
        self.drive(node);
    }

    /// The machine stops. What was on its way to the disk is there up to `written` pieces.
    pub(crate) fn crash_after(&mut self, node: u64, written: usize) {
        let machine = self.machines.get_mut(&id(node)).unwrap();
        let Some(raft) = machine.raft.take() else { return };
        machine.disk = raft.view().clone();
        for persist in machine.pending.drain(..).take(written) {
            let whole = Bytes::from(std::mem::take(&mut machine.part));
            machine.disk.persist(&persist, whole);
            if let Some(meta) = persist.install() {
                machine.membership = (*meta.membership).clone();
            }
        }
        machine.pending.clear();
        machine.part.clear();
        machine.reads.clear();
    }

    pub(crate) fn crash(&mut self, node: u64) {
        self.crash_after(node, 0);
    }

    pub(crate) fn raft(&self, node: u64) -> &Raft<MemoryLog> {
        self.machines[&id(node)].raft.as_ref().expect("a machine that is up")
    }

    pub(crate) fn machine(&mut self, node: u64) -> &mut Machine {
        self.machines.get_mut(&id(node)).unwrap()
    }

    /// Calls the node, and does what it wants done.
    pub(crate) fn call<T>(&mut self, node: u64, f: impl FnOnce(&mut Raft<MemoryLog>, Instant) -> T) -> T {
        let now = self.now();
        let raft = self.machine(node).raft.as_mut().expect("a machine that is up");
        let result = f(raft, now);
        self.drive(node);
        result
    }

    fn complain(&mut self, outcome: Result<(), String>) {
        if let Err(wrong) = outcome {
            self.wrong.get_or_insert(wrong);
        }
    }

    fn drive(&mut self, node: u64) {
        let me = id(node);
        loop {
            let now = self.clock.now();
            let machine = self.machines.get_mut(&me).unwrap();
            let Some(raft) = &mut machine.raft else { return };
            let Some(ready) = raft.ready() else { break };
            self.net.extend(ready.send);
            let mut outcome = Ok(());
            if let Some(persist) = ready.persist {
                for entry in persist.entries() {
                    outcome = outcome.and_then(|()| self.checks.written(entry));
                }
                machine.pending.push_back(persist);
            }
            for entry in ready.apply {
                outcome = outcome.and_then(|()| self.checks.applied(me, &entry));
                if let Payload::Command(command) = &entry.payload {
                    machine.state.push((entry.index, command.clone()));
                }
                raft.applied(entry.index);
            }
            machine.reads.extend(ready.reads);
            for wanted in ready.chunks_wanted {
                let data = raft.view().snapshot_data().expect("it was offered").1.clone();
                let start = wanted.offset as usize;
                let piece = data.slice(start..start + wanted.len);
                raft.snapshot_chunk(now, wanted, piece);
            }
            for received in ready.chunks_received {
                machine.part.truncate(received.offset as usize);
                machine.part.extend_from_slice(&received.data);
                raft.snapshot_written(now, &received);
            }
            self.complain(outcome);
            if self.quick_disks {
                self.persist(node);
            }
        }
        let Some(machine) = self.machines.get_mut(&me) else { return };
        let Some(raft) = &machine.raft else { return };
        let role = (raft.role(), raft.status().term);
        if machine.role.replace(role).is_some_and(|before| before != role) {
            self.story.push(format!("{me} is {} of {}", role.0, role.1));
        }
        let outcome = self.checks.node(raft);
        self.complain(outcome);
    }

    /// The disk finishes everything that is under way.
    pub(crate) fn persist(&mut self, node: u64) {
        while self.persist_one(node) {}
    }

    /// The disk finishes one piece.
    pub(crate) fn persist_one(&mut self, node: u64) -> bool {
        let machine = self.machine(node);
        let Some(persist) = machine.pending.pop_front() else { return false };
        let Some(raft) = &mut machine.raft else { return false };
        let mut whole = Bytes::new();
        if let Some(meta) = persist.install() {
            whole = Bytes::from(std::mem::take(&mut machine.part));
            machine.state = unpack(&whole);
            machine.membership = (*meta.membership).clone();
        }
        raft.view_mut().persist(&persist, whole);
        raft.persisted(persist.done()).expect("done in order");
        if !self.quick_disks {
            self.drive(node);
        }
        true
    }

    /// Delivers the message at `place` of the network.
    pub(crate) fn deliver_at(&mut self, place: usize) {
        let Some(message) = self.net.remove(place) else { return };
        if self.cut.contains(&(message.from, message.to)) {
            self.story.push(format!("lost: {}", tell(&message)));
            return;
        }
        self.hand_over(message);
    }

    pub(crate) fn hand_over(&mut self, message: Message) {
        let to = message.to;
        let up = self.machines.get(&to).is_some_and(|machine| machine.raft.is_some());
        if !up {
            self.story.push(format!("lost: {}", tell(&message)));
            return;
        }
        self.story.push(tell(&message));
        self.delivered += 1;
        let outcome = self.call(to.0, |raft, now| raft.step(now, message));
        if let Err(refused) = outcome {
            self.story.push(format!("  {to} refuses: {refused}"));
        }
    }

    /// Delivers until nothing is under way.
    pub(crate) fn deliver(&mut self) {
        let mut steps = 0;
        while !self.net.is_empty() {
            self.deliver_at(0);
            steps += 1;
            assert!(steps < 100_000, "messages without end");
        }
        assert_eq!(self.wrong, None);
    }

    /// Time passes, for all.
    pub(crate) fn tick(&mut self, by: Duration) {
        self.clock.advance(by);
        let up: Vec<_> =
            self.machines.iter().filter(|(_, machine)| machine.raft.is_some()).map(|(id, _)| id.0).collect();
        for node in up {
            self.call(node, |raft, now| raft.tick(now));
        }
    }

    /// Time passes in steps, and everything is delivered between them.
    pub(crate) fn run(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.tick(Duration::from_millis(10));
            self.deliver();
        }
    }

    pub(crate) fn elect(&mut self, node: u64) {
        self.call(node, |raft, now| raft.campaign(now));
        self.deliver();
        assert_eq!(self.raft(node).role(), RoleName::Leader);
    }

    pub(crate) fn propose(&mut self, node: u64, command: &str) -> Result<(Term, Index), Rejected> {
        self.call(node, |raft, now| raft.propose(now, bytes(command)))
    }

    /// Proposes, and delivers until everybody has it.
    pub(crate) fn put(&mut self, node: u64, command: &str) -> Index {
        let (_, index) = self.propose(node, command).unwrap();
        self.deliver();
        index
    }

    pub(crate) fn change(&mut self, node: u64, changes: &[Change]) -> Result<(Term, Index), Rejected> {
        self.call(node, |raft, now| raft.propose_membership(now, changes))
    }

    pub(crate) fn read(&mut self, node: u64, read: u64) -> Result<(), Rejected> {
        self.call(node, |raft, now| raft.read(now, ReadId(read)))
    }

    /// The one leader of the highest term.
    pub(crate) fn leader(&self) -> Option<u64> {
        let up = self.machines.values().filter_map(|machine| machine.raft.as_ref());
        let leaders = up.filter(|raft| raft.role() == RoleName::Leader);
        leaders.max_by_key(|raft| raft.status().term).map(|raft| raft.status().id.0)
    }

    /// Cuts the node off from everybody, in both directions.
    pub(crate) fn isolate(&mut self, node: u64) {
        let all: Vec<_> = self.machines.keys().copied().collect();
        for other in all {
            self.cut.insert((id(node), other));
            self.cut.insert((other, id(node)));
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    pub(crate) fn state(&self, node: u64) -> Vec<String> {
        let state = &self.machines[&id(node)].state;
        state.iter().map(|(_, command)| String::from_utf8_lossy(command).into_owned()).collect()
    }

    /// The node takes a snapshot of its state, and keeps `keep` entries in front of it.
    pub(crate) fn compact(&mut self, node: u64, keep: u64) -> bool {
        let machine = self.machine(node);
        let data = pack(&machine.state);
        let raft = machine.raft.as_mut().unwrap();
        let Some(meta) = raft.snapshot_meta(data.len() as u64) else { return false };
        if meta.index <= raft.status().before.0
            || raft.view().snapshot_data().is_some_and(|(old, _)| old.index >= meta.index)
        {
            return false;
        }
        // The membership at the front of the log stands in for the snapshot's when the log is read again.
        let from = Index((meta.index.0 + 1).saturating_sub(keep).max(raft.status().before.0.0 + 1));
        machine.membership = (*raft.membership_at(from.before())).clone();
        raft.view_mut().compact(meta, data, from);
        raft.compacted();
        true
    }

    pub(crate) fn entries(&self, node: u64) -> Vec<Entry> {
        self.raft(node).view().all().to_vec()
    }
}

fn pack(state: &[(Index, Bytes)]) -> Bytes {
    let mut packed = Vec::new();
    for (index, command) in state {
        packed.extend(index.0.to_le_bytes());
        packed.extend((command.len() as u32).to_le_bytes());
        packed.extend_from_slice(command);
    }
    packed.into()
}

/// What `pack` has packed; of nonsense, as much as makes sense.
fn unpack(packed: &[u8]) -> Vec<(Index, Bytes)> {
    let mut state = Vec::new();
    let mut rest = packed;
    while let Some((index, behind)) = rest.split_first_chunk() {
        let Some((len, behind)) = behind.split_first_chunk() else { break };
        let len = u32::from_le_bytes(*len) as usize;
        if len > behind.len() {
            break;
        }
        state.push((Index(u64::from_le_bytes(*index)), Bytes::copy_from_slice(&behind[..len])));
        rest = &behind[len..];
    }
    state
}

/// A message as a line of a story.
pub(crate) fn tell(message: &Message) -> String {
    use xs_consensus::raft::{AppendOutcome, Body};
    let body = match &message.body {
        Body::PreVote(vote) => format!("would you vote for me? (log ends {} {})", vote.last_index, vote.last_term),
        Body::Vote(vote) => {
            let why = if vote.transfer { ", our leader wishes it" } else { "" };
            format!("vote for me! (log ends {} {}{why})", vote.last_index, vote.last_term)
        }
        Body::PreVoteReply { granted } => (if *granted { "I would" } else { "I would not" }).to_string(),
        Body::VoteReply { granted } => (if *granted { "you have my vote" } else { "no" }).to_string(),
        Body::Append(append) => {
            let entries: Vec<_> = append.entries.iter().map(tell_entry).collect();
            let entries = if entries.is_empty() { "nothing new".to_string() } else { entries.join(", ") };
            format!("behind {} {}: {entries} (committed {})", append.prev_index, append.prev_term, append.commit)
        }
        Body::AppendReply(reply) => match reply.outcome {
            AppendOutcome::Matched(index) => format!("I have all up to {index}"),
            AppendOutcome::Rejected { prev_index, hint_index, hint_term } => {
                format!("{prev_index} doesn't fit, try {hint_index} {hint_term}")
            }
        },
        Body::SnapshotChunk(chunk) if chunk.data.is_empty() => {
            format!("do you need a snapshot of {}? ({} bytes)", chunk.meta.index, chunk.meta.bytes)
        }
        Body::SnapshotChunk(chunk) => {
            let end = chunk.offset + chunk.data.len() as u64;
            format!("snapshot of {}, bytes {}..{end} of {}", chunk.meta.index, chunk.offset, chunk.meta.bytes)
        }
        Body::SnapshotReply(reply) => format!("of the snapshot of {} I have {} bytes", reply.index, reply.next),
        Body::ReadRequest { .. } => "how far must I have come to read?".to_string(),
        Body::ReadReply { index: Some(index), .. } => format!("up to {index}"),
        Body::ReadReply { index: None, .. } => "I can't say".to_string(),
        Body::Forward { commands } => format!("{} commands for you", commands.len()),
        Body::TimeoutNow { last } => format!("stand for election, my log ends {last}"),
    };
    format!("{} → {} {}: {body}", message.from, message.to, message.term)
}

pub(crate) fn tell_entry(entry: &Entry) -> String {
    let what = match &entry.payload {
        Payload::Noop => "noop".to_string(),
        Payload::Command(command) => format!("{:?}", String::from_utf8_lossy(command)),
        Payload::Membership(membership) => tell_membership(membership),
    };
    format!("{} {} {what}", entry.index, entry.term)
}

pub(crate) fn tell_membership(membership: &Membership) -> String {
    let list = |ids: &[NodeId]| ids.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ");
    let mut told = format!("{{{}}}", list(membership.voters()));
    if membership.is_joint() {
        told = format!("{{{}}} and {told}", list(membership.outgoing()));
    }
    if !membership.learners().is_empty() {
        told += &format!(" learners {{{}}}", list(membership.learners()));
    }
    told
}
