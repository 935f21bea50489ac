//! The replica: what goes in, and what can be asked.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use xs_os::Rng;
use xs_os::vfs::Vfs;
use xs_storage::engine::Commit;

use super::acquaintances::Acquaintances;
use super::compact::Compaction;
use super::machine::StateMachine;
use super::options::ReplicaOptions;
use super::outcome::{Event, OpenError, Stopped, Token};
use super::pending::{Kind, Pending, Reads};
use super::worker::Worker;
use crate::raft::{
    Change, Error as RaftError, Index, LogView, Membership, Message, NodeId, Persist, Raft, Refused, Rejected,
    RoleName, SnapshotMeta, Status, Term,
};
use crate::raft_store::{Identity, Impostor, RaftStore, Start, StoreOptions};

/// One node of a replicated system: [`Raft`], its [`RaftStore`] and a state machine.
///
/// Call any input method, and [`Replica::poll`] behind it (once for many inputs is best); then drain
/// [`Replica::next_message`] and [`Replica::next_event`]. Poll again when the waker that it was given wakes, and at
/// [`Replica::next_deadline`].
#[derive(Debug)]
pub struct Replica<S: StateMachine> {
    pub(super) raft: Raft<RaftStore>,
    pub(super) machine: S,
    pub(super) options: ReplicaOptions,
    pub(super) worker: Worker,
    /// Handed to the log, and not durable yet.
    pub(super) written: VecDeque<Written>,
    pub(super) pending: Pending,
    pub(super) reads: Reads,
    /// The snapshot of which a piece was given to the worker last.
    pub(super) receiving: Option<SnapshotMeta>,
    pub(super) compaction: Compaction,
    /// Who said who they are, and is no member yet: remembered when they become one.
    pub(super) acquaintances: Acquaintances,
    pub(super) messages: VecDeque<Message>,
    pub(super) events: VecDeque<Event<S::Reply>>,
    pub(super) seen: Seen,
    pub(super) stopped: Option<Stopped>,
}

/// Something on its way to the disk.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) persist: Persist,
    pub(super) commit: Commit,
}

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) term: Term,
    pub(super) leader: Option<NodeId>,
    pub(super) membership: Option<Arc<Membership>>,
    pub(super) applied: Index,
    pub(super) stopped: bool,
}

impl<S: StateMachine> Replica<S> {
    /// Opens or creates the node in `dir`, brings the state machine to where its snapshot or itself can, and is a follower
    /// then. Entries behind that are applied when they are known to be committed.
    ///
    /// # Errors
    /// Why not. Nothing was changed but for what [`StateMachine::restore`] did.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        start: Start,
        mut machine: S,
        options: ReplicaOptions,
        mut rng: Rng,
        now: Instant,
    ) -> Result<Replica<S>, OpenError> {
        let ReplicaOptions { node, ref jobs, .. } = options;
        let cluster = options.raft.cluster;
        let store_options = StoreOptions { cluster, node, segment_bytes: options.segment_bytes, jobs: jobs.clone() };
        let (mut store, mut initial) = RaftStore::open(vfs, dir, start, store_options, &mut rng)?;
        initial.applied = bring_up(&mut machine, &mut store)?;
        let dir = store.snapshots();
        // Two nodes, or two lives, that were given the same chance must not draw the same time-outs for ever.
        let rng = rng.fork(&format!("raft {node} in life {}", store.life()));
        let raft = Raft::new(node, store, initial, options.raft.clone(), rng, now)?;
        let seen = Seen { applied: raft.status().applied, ..Seen::default() };
        let mut replica = Replica {
            raft,
            machine,
            worker: Worker::start(&**jobs, dir),
            options,
            written: VecDeque::new(),
            pending: Pending::default(),
            reads: Reads::default(),
            receiving: None,
            compaction: Compaction::default(),
            acquaintances: Acquaintances::default(),
            messages: VecDeque::new(),
            events: VecDeque::new(),
            seen,
            stopped: None,
        };
        replica.tell_news();
        Ok(replica)
    }

    /// A message has come from another node. Its sender must have been [met](Replica::meet), by whatever brings messages.
    ///
    /// # Errors
    /// Why it was not taken. It may be counted; nothing else follows.
    pub fn handle_message(&mut self, now: Instant, message: Message) -> Result<(), Refused> {
        self.check_running()?;
        self.raft.step(now, message)
    }

    /// Who this node is, to be told to every node that it is connected to, before any message.
    pub fn identity(&self) -> Identity {
        self.raft.view().identity()
    }

    /// How often the node was opened, this time included: never the same in two of its lives, whatever its chance was.
    pub fn life(&self) -> u64 {
        self.raft.view().life()
    }

    /// A node has said who it is. Members of the cluster are remembered, on the disk, and others when they become members.
    ///
    /// # Errors
    /// It is of another cluster, or it has lost its disk since it was met: nothing may be taken from it.
    pub fn meet(&mut self, other: Identity) -> Result<(), Impostor> {
        let remember = self.raft.membership().contains(other.node) && self.stopped.is_none();
        self.raft.view_mut().meet(other, remember)?;
        if !remember {
            self.acquaintances.add(other);
        }
        Ok(())
    }

    /// Proposes a command, on the leader. Everything that is proposed between two [polls](Replica::poll) is one append. The
    /// outcome is an [`Event::Proposed`] with this token, once, within [`ReplicaOptions::patience`]; what outcomes there
    /// are, and what they mean, says [`Outcome`](super::Outcome).
    ///
    /// # Errors
    /// It was not taken, and so is certainly not applied; there is no event. [`Rejected::NotLeader`] says whom to ask.
    pub fn propose(&mut self, now: Instant, token: Token, command: Bytes) -> Result<(), Rejected> {
        self.check_running()?;
        if self.pending.len() >= self.options.max_pending {
            return Err(Rejected::Overloaded);
        }
        let place = self.raft.propose(now, command)?;
        self.pending.insert(place, token, Kind::Command, now + self.options.patience);
        Ok(())
    }

    /// Asks to read the state machine as it is after everything that was answered before, on any node that is not a
    /// witness. The answer is an [`Event::Read`] with this token, once, within [`ReplicaOptions::patience`]; then look at
    /// [`Replica::machine`].
    ///
    /// # Errors
    /// It was not taken; there is no event.
    pub fn read(&mut self, now: Instant, token: Token) -> Result<(), Rejected> {
        self.check_running()?;
        if self.reads.len() >= self.options.max_pending {
            return Err(Rejected::Overloaded);
        }
        self.raft.read(now, self.reads.next_id())?;
        self.reads.insert(token, now + self.options.patience);
        Ok(())
    }

    /// Changes who belongs to the cluster, on the leader. The answer is an [`Event::Proposed`] with this token, once.
    ///
    /// # Errors
    /// It was not taken; there is no event.
    pub fn change(&mut self, now: Instant, token: Token, changes: &[Change]) -> Result<(), Rejected> {
        self.check_running()?;
        if self.pending.len() >= self.options.max_pending {
            return Err(Rejected::Overloaded);
        }
        let place = self.raft.propose_membership(now, changes)?;
        self.pending.insert(place, token, Kind::Change, now + self.options.patience);
        Ok(())
    }

    /// Hands leadership to `to`. An [`Event::Leader`] tells when it has happened; if it has not within an election timeout,
    /// it has failed, and this node leads on.
    ///
    /// # Errors
    /// It can't begin.
    pub fn transfer(&mut self, now: Instant, to: NodeId) -> Result<(), Rejected> {
        self.check_running()?;
        self.raft.transfer(now, to)
    }

    /// Makes a snapshot (or lets the state machine make itself durable) at the next poll, and lets go of entries but for
    /// [`ReplicaOptions::keep_entries`], however short the log is.
    pub fn compact(&mut self) {
        self.compaction.demanded = true;
    }

    /// When [`Replica::poll`] must be called at the latest.
    pub fn next_deadline(&self) -> Instant {
        let mine = [self.pending.next_deadline(), self.reads.next_deadline(), self.compaction.next_look()];
        mine.into_iter().flatten().fold(self.raft.next_deadline(), Instant::min)
    }

    /// The next message to be sent. They may get lost, and come late, twice and in any order.
    pub fn next_message(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<Event<S::Reply>> {
        self.events.pop_front()
    }

    /// The state machine, as far as it has come. For a read that must see everything, ask with [`Replica::read`] first.
    pub fn machine(&self) -> &S {
        &self.machine
    }

    /// What the core knows.
    pub fn status(&self) -> Status {
        self.raft.status()
    }

    /// What the node is.
    pub fn role(&self) -> RoleName {
        self.raft.role()
    }

    /// Who leads, as far as the node knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.raft.leader()
    }

    /// Who belongs to the cluster, by the log.
    pub fn membership(&self) -> Arc<Membership> {
        self.raft.membership().clone()
    }

    /// Why the replica has stopped, if it has.
    pub fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    /// The store, to look at.
    pub fn store(&self) -> &RaftStore {
        self.raft.view()
    }

    pub(super) fn check_running(&self) -> Result<(), RaftError> {
        match &self.stopped {
            None => self.raft.alive(),
            // The core was stopped with it: by losing what was on its way to the disk.
            Some(_) => Err(RaftError::PersistLost),
        }
    }
}

/// Brings a state machine to where its own memory or the snapshot can; how far that is.
fn bring_up<S: StateMachine>(machine: &mut S, store: &mut RaftStore) -> Result<Index, OpenError> {
    let front = store.bounds().before.0;
    let own = machine.durable();
    let behind = Index(0).max(own.unwrap_or_default());
    let snapshot = store.snapshot_file().filter(|file| file.meta().index >= front);
    let needed = behind < front || own.is_none();
    match snapshot {
        Some(file) if needed => {
            let index = file.meta().index;
            machine.restore(index, &mut file.reader()).map_err(OpenError::Machine)?;
            Ok(index)
        }
        None if behind < front => {
            Err(OpenError::Behind { front, machine: behind, damage: store.damaged_snapshot().cloned() })
        }
        _ => Ok(behind),
    }
}
