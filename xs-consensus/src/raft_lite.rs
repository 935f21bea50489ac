//! Raft on three pages, to be read before [`raft`](crate::raft): elections, replication, commit, and nothing else.
//!
//! # The problem
//!
//! Raft is small, and a Raft that a system can live with is not: pre-votes, pipelines, snapshots, memberships and reads
//! hide the dozen lines that everything rests on. Here are those lines.
//!
//! # How it works
//!
//! A [`Lite`] is told what happens ([`Lite::tick`], [`Lite::step`], [`Lite::propose`]) and leaves in [`Lite::out`] what it
//! has to say. Before any of that is sent, [`Lite::kept`] must be on the disk: term, vote and log.
//!
//! ```text
//!              silence                 a majority votes
//!   Follower ───────────▶ Candidate ───────────────────▶ Leader ──▶ Append to all, again and again
//!      ▲                      │                             │
//!      └──────────────────────┴── a higher term ────────────┘
//!
//!   log    1:a  1:b  2:c  3:d  3:e        an entry is its term and its command; its place is its index, from 1
//!                     ▲ commit            what a majority has; applied in this order on every node
//! ```
//!
//! # Invariants
//!
//! - One vote a term: `on_ask`, and [`Kept`] is on the disk before the answer leaves.
//! - A leader has everything committed: `on_ask` refuses whoever's log is behind.
//! - Equal index and term, equal past: `on_append` compares the entry in front.
//! - Only entries of the leader's own term are committed by counting: `count`.
//!
//! # Cost
//!
//! Each append carries everything from the first entry that the follower may lack, again with every heartbeat until it is
//! acknowledged, and a refusal steps back by one. So it costs too much, always, and is easy to see through.
//!
//! # Example
//!
//! ```
//! use xs_consensus::raft_lite::{Lite, Message};
//! use xs_os::{Clock, Rng, VirtualClock};
//!
//! let now = VirtualClock::new().now();
//! let mut nodes: Vec<Lite> = (0..3).map(|id| Lite::new(id, 3, Default::default(), Rng::from_seed(id as u64), now)).collect();
//! let silence = std::time::Duration::from_secs(1);
//! nodes[0].tick(now + silence);                     // the first to lose patience
//! for round in 0..4 {
//!     if round == 2 { nodes[0].propose(b"tea".to_vec()).unwrap(); }
//!     let said: Vec<_> = (0..3).flat_map(|from| std::mem::take(&mut nodes[from].out).into_iter().map(move |m| (from, m))).collect();
//!     for (from, (to, message)) in said {
//!         nodes[to].step(now + silence, from, message);
//!     }
//! }
//! assert_eq!(nodes[0].take_committed(), [b"tea".to_vec()]);
//! ```
//!
//! # How others do it
//!
//! MIT's course 6.824 (6.5840) has its students write this much. Ongaro's TLA+ specification is shorter still, and states
//! what it claims; LogCabin is his own whole one.
//!
//! # What this leaves out
//!
//! Whatever makes a cluster live long: snapshots, changes of membership, reads without an entry, pre-votes and
//! check-quorum (a node that was cut off disturbs the others when it comes back), flow control, limits, and checks of what
//! strangers send. [`raft`](crate::raft) has all of these.
//!
//! # Try next
//!
//! Let `count` commit any term's entries, and run the test below until it finds the paper's Figure 8. Then let `refused`
//! step back by a whole term.
//!
//! # Sources
//!
//! D. Ongaro and J. Ousterhout, "In Search of an Understandable Consensus Algorithm" (USENIX ATC 2014), Figure 2, of which
//! this is a transcription.

use std::time::{Duration, Instant};

use xs_os::Rng;

/// A leader is heard from this often.
const HEARTBEAT: Duration = Duration::from_millis(50);

/// A node stands for election after this long without a leader, and up to twice as long.
const PATIENCE: Duration = Duration::from_millis(150);

/// One entry: its command, in the term of the leader that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The leader's term.
    pub term: u64,
    /// What is to be done; nothing for the entry that a new leader begins with.
    pub command: Vec<u8>,
}

/// What must be on the disk before anything in [`Lite::out`] is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The latest term seen.
    pub term: u64,
    /// Who got the vote in it.
    pub vote: Option<usize>,
    /// The log; the entry of index 1 is the first.
    pub log: Vec<Entry>,
}

/// What nodes say. All of it carries the sender's term.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Figure 2 names and explains them.
pub enum Message {
    /// "Vote for me!", with where the candidate's log ends.
    Ask { term: u64, last_index: usize, last_term: u64 },
    /// The answer.
    Vote { term: u64, granted: bool },
    /// Entries behind a place, and how far the leader's log is committed.
    Append { term: u64, prev_index: usize, prev_term: u64, entries: Vec<Entry>, commit: usize },
    /// "I have all up to here", or `None`: it did not fit.
    Appended { term: u64, matched: Option<usize> },
}

#[derive(Debug)]
enum Role {
    Follower,
    Candidate { votes: Vec<bool> },
    Leader { next: Vec<usize>, matched: Vec<usize> },
}

/// A node; the nodes of a cluster are numbered from 0.
#[derive(Debug)]
pub struct Lite {
    id: usize,
    nodes: usize,
    /// What must be on the disk before `out` is sent.
    pub kept: Kept,
    /// What is to be sent, and to whom.
    pub out: Vec<(usize, Message)>,
    role: Role,
    commit: usize,
    applied: usize,
    deadline: Instant,
    rng: Rng,
}

impl Lite {
    /// Node `id` of `nodes`, with what it kept when it ran before.
    pub fn new(id: usize, nodes: usize, kept: Kept, rng: Rng, now: Instant) -> Lite {
        let mut lite =
            Lite { id, nodes, kept, out: Vec::new(), role: Role::Follower, commit: 0, applied: 0, deadline: now, rng };
        lite.wait(now);
        lite
    }

    /// Whether it leads, and in which term.
    pub fn leads(&self) -> Option<u64> {
        matches!(self.role, Role::Leader { .. }).then_some(self.kept.term)
    }

    /// When [`Lite::tick`] must be called.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Commands that were committed since the last time.
    pub fn take_committed(&mut self) -> Vec<Vec<u8>> {
        let news = &self.kept.log[self.applied..self.commit];
        let commands = news.iter().map(|entry| entry.command.clone()).filter(|command| !command.is_empty()).collect();
        self.applied = self.commit;
        commands
    }

    /// Appends a command, as leader; `None` if it doesn't lead. The answer is its index, and its term must still stand
    /// there when it is committed.
    pub fn propose(&mut self, command: Vec<u8>) -> Option<usize> {
        let term = self.leads()?;
        self.kept.log.push(Entry { term, command });
        self.send_appends();
        self.count();
        Some(self.kept.log.len())
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        if now < self.deadline {
            return;
        }
        if self.leads().is_some() {
            self.deadline = now + HEARTBEAT;
            return self.send_appends();
        }
        self.wait(now);
        self.kept.term += 1;
        self.kept.vote = Some(self.id);
        let mut votes = vec![false; self.nodes];
        votes[self.id] = true;
        self.role = Role::Candidate { votes };
        let (last_index, last_term) = self.last();
        self.tell_all(|term| Message::Ask { term, last_index, last_term });
        self.count_votes(now);
    }

    /// A message has come.
    pub fn step(&mut self, now: Instant, from: usize, message: Message) {
        let (Message::Ask { term, .. }
        | Message::Vote { term, .. }
        | Message::Append { term, .. }
        | Message::Appended { term, .. }) = message;
        if term > self.kept.term {
            self.kept.term = term;
            self.kept.vote = None;
            if self.leads().is_some() {
                self.wait(now);
            }
            self.role = Role::Follower;
        }
        let current = term == self.kept.term;
        match message {
            Message::Ask { last_index, last_term, .. } => {
                let granted = current && self.on_ask(now, from, (last_term, last_index));
                self.out.push((from, Message::Vote { term: self.kept.term, granted }));
            }
            Message::Append { prev_index, prev_term, entries, commit, .. } => {
                let matched = if current { self.on_append(now, prev_index, prev_term, entries, commit) } else { None };
                self.out.push((from, Message::Appended { term: self.kept.term, matched }));
            }
            Message::Vote { granted: true, .. } if current => {
                if let Role::Candidate { votes } = &mut self.role {
                    votes[from] = true;
                    self.count_votes(now);
                }
            }
            Message::Appended { matched: Some(index), .. } if current => {
                if let Role::Leader { next, matched } = &mut self.role {
                    matched[from] = matched[from].max(index);
                    next[from] = matched[from] + 1;
                    self.count();
                }
            }
            Message::Appended { matched: None, .. } if current => self.refused(from),
            Message::Vote { .. } | Message::Appended { .. } => {}
        }
    }

    /// A vote for the first who asks in a term and whose log is not behind ours.
    fn on_ask(&mut self, now: Instant, from: usize, last: (u64, usize)) -> bool {
        let (index, term) = self.last();
        let granted = self.kept.vote.is_none_or(|vote| vote == from) && last >= (term, index);
        if granted {
            self.kept.vote = Some(from);
            self.wait(now);
        }
        granted
    }

    /// Entries that fit: what differs goes, what is new comes.
    fn on_append(
        &mut self,
        now: Instant,
        prev_index: usize,
        prev_term: u64,
        entries: Vec<Entry>,
        commit: usize,
    ) -> Option<usize> {
        self.role = Role::Follower;
        self.wait(now);
        if prev_index > self.kept.log.len() || self.term(prev_index) != prev_term {
            return None;
        }
        let end = prev_index + entries.len();
        for (at, entry) in (prev_index..).zip(entries) {
            if self.kept.log.get(at).is_some_and(|ours| ours.term != entry.term) {
                self.kept.log.truncate(at);
            }
            if at == self.kept.log.len() {
                self.kept.log.push(entry);
            }
        }
        self.commit = self.commit.max(commit.min(end));
        Some(end)
    }

    fn count_votes(&mut self, now: Instant) {
        let Role::Candidate { votes } = &self.role else { return };
        if votes.iter().filter(|vote| **vote).count() * 2 <= self.nodes {
            return;
        }
        let next = vec![self.kept.log.len() + 1; self.nodes];
        self.role = Role::Leader { next, matched: vec![0; self.nodes] };
        self.deadline = now + HEARTBEAT;
        // Committing this one commits all before it, which may not be counted.
        self.propose(Vec::new());
    }

    /// Commits what a majority has, if this leader wrote it.
    fn count(&mut self) {
        let Role::Leader { matched, .. } = &mut self.role else { return };
        matched[self.id] = self.kept.log.len();
        let mut sorted = matched.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let index = sorted[self.nodes / 2];
        if self.term(index) == self.kept.term {
            self.commit = self.commit.max(index);
        }
    }

    fn refused(&mut self, from: usize) {
        let Role::Leader { next, matched } = &mut self.role else { return };
        next[from] = (next[from] - 1).max(matched[from] + 1);
        self.send_append(from);
    }

    fn send_append(&mut self, to: usize) {
        let Role::Leader { next, .. } = &self.role else { return };
        let prev_index = next[to] - 1;
        let (term, prev_term, commit) = (self.kept.term, self.term(prev_index), self.commit);
        let entries = self.kept.log[prev_index..].to_vec();
        self.out.push((to, Message::Append { term, prev_index, prev_term, entries, commit }));
    }

    fn send_appends(&mut self) {
        (0..self.nodes).filter(|to| *to != self.id).collect::<Vec<_>>().into_iter().for_each(|to| self.send_append(to));
    }

    fn tell_all(&mut self, message: impl Fn(u64) -> Message) {
        let (id, term) = (self.id, self.kept.term);
        self.out.extend((0..self.nodes).filter(|to| *to != id).map(|to| (to, message(term))));
    }

    fn last(&self) -> (usize, u64) {
        (self.kept.log.len(), self.term(self.kept.log.len()))
    }

    fn term(&self, index: usize) -> u64 {
        index.checked_sub(1).map_or(0, |at| self.kept.log[at].term)
    }

    fn wait(&mut self, now: Instant) {
        self.deadline = now + PATIENCE + Duration::from_millis(self.rng.below(150));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xs_os::{Clock, VirtualClock};

    struct World {
        clock: VirtualClock,
        rng: Rng,
        nodes: Vec<Lite>,
        /// From, to, what.
        net: Vec<(usize, usize, Message)>,
        /// What was committed first, and how much of it each node has applied since it started.
        history: Vec<Vec<u8>>,
        applied: Vec<usize>,
        leaders: std::collections::BTreeMap<u64, usize>,
    }

    impl World {
        fn new(seed: u64, size: usize) -> World {
            let clock = VirtualClock::new();
            let rng = Rng::from_seed(seed);
            let node = |id| Lite::new(id, size, Kept::default(), rng.fork(&format!("{id}")), clock.now());
            let nodes = (0..size).map(node).collect();
            let (applied, leaders) = (vec![0; size], Default::default());
            World { clock, rng, nodes, net: Vec::new(), history: Vec::new(), applied, leaders }
        }

        /// Everything that is kept is on the disk before anything is sent: `out` is taken only here.
        fn look(&mut self, id: usize) {
            let said = std::mem::take(&mut self.nodes[id].out);
            self.net.extend(said.into_iter().map(|(to, message)| (id, to, message)));
            for command in self.nodes[id].take_committed() {
                let place = self.applied[id];
                if place == self.history.len() {
                    self.history.push(command.clone());
                }
                assert_eq!(self.history[place], command, "state machine safety");
                self.applied[id] += 1;
            }
            if let Some(term) = self.nodes[id].leads() {
                assert_eq!(*self.leaders.entry(term).or_insert(id), id, "election safety in term {term}");
            }
            for other in &self.nodes {
                let ours = &self.nodes[id].kept.log;
                let common = ours.iter().zip(&other.kept.log).rposition(|(a, b)| a.term == b.term);
                let common = common.map_or(0, |last| last + 1);
                assert_eq!(ours[..common], other.kept.log[..common], "log matching");
            }
        }

        fn step(&mut self, storm: bool) {
            let id = self.rng.index(self.nodes.len());
            match self.rng.below(20) {
                0..12 if !self.net.is_empty() => {
                    let place = if storm { self.rng.index(self.net.len()) } else { 0 };
                    let (from, to, message) = self.net.remove(place);
                    if storm && self.rng.chance(0.05) {
                        self.net.push((from, to, message.clone()));
                    }
                    if !storm || !self.rng.chance(0.1) {
                        self.nodes[to].step(self.clock.now(), from, message);
                        self.look(to);
                    }
                }
                12..16 => {
                    self.clock.advance(Duration::from_millis(self.rng.below(8)));
                    let now = self.clock.now();
                    self.nodes[id].tick(now);
                    self.look(id);
                }
                16..18 => {
                    let name = self.rng.next_u64().to_le_bytes().to_vec();
                    self.nodes[id].propose(name);
                    self.look(id);
                }
                18 if storm && self.rng.chance(0.1) => {
                    let kept = self.nodes[id].kept.clone();
                    let rng = Rng::from_seed(self.rng.next_u64());
                    self.nodes[id] = Lite::new(id, self.nodes.len(), kept, rng, self.clock.now());
                    self.applied[id] = 0;
                }
                _ => {}
            }
        }
    }

    #[test]
    fn any_network_keeps_it_safe_and_a_good_one_lets_it_move_on() {
        for seed in 0..100 {
            let mut world = World::new(seed, 3 + 2 * (seed as usize % 2));
            (0..1500).for_each(|_| world.step(true));
            let before = world.history.len();
            for step in 0.. {
                world.step(false);
                if world.applied.iter().all(|applied| *applied > before) {
                    break;
                }
                assert!(step < 20_000, "seed {seed}: no progress");
            }
        }
    }

    #[test]
    fn an_entry_of_an_old_term_waits_for_one_of_the_leaders_own() {
        let clock = VirtualClock::new();
        let kept = Kept { term: 2, vote: None, log: vec![Entry { term: 1, command: b"old".to_vec() }] };
        let mut node = Lite::new(0, 3, kept, Rng::from_seed(1), clock.now());
        node.tick(clock.now() + Duration::from_secs(1));
        node.step(clock.now(), 1, Message::Vote { term: 3, granted: true });
        assert_eq!(node.leads(), Some(3));
        node.step(clock.now(), 1, Message::Appended { term: 3, matched: Some(1) });
        assert!(node.take_committed().is_empty(), "a majority has it, and that is not enough (Figure 8)");
        node.step(clock.now(), 1, Message::Appended { term: 3, matched: Some(2) });
        assert_eq!(node.take_committed(), [b"old".to_vec()]);
    }

    #[test]
    fn a_vote_is_given_once_a_term_and_not_to_whoever_is_behind() {
        let clock = VirtualClock::new();
        let kept = Kept { term: 1, vote: None, log: vec![Entry { term: 1, command: b"x".to_vec() }] };
        let mut node = Lite::new(0, 3, kept, Rng::from_seed(1), clock.now());
        let ask = |term, last_index, last_term| Message::Ask { term, last_index, last_term };
        let mut answer = |from, message| {
            node.step(clock.now(), from, message);
            matches!(node.out.pop(), Some((_, Message::Vote { granted: true, .. })))
        };
        assert!(!answer(1, ask(2, 0, 0)));
        assert!(answer(1, ask(2, 1, 1)));
        assert!(!answer(2, ask(2, 5, 1)));
        assert!(answer(1, ask(2, 1, 1)));
        assert!(answer(2, ask(3, 1, 1)));
    }
}
