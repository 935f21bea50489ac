//! What a node wants done, with the order that must be kept as a type.
//!
//! ```text
//!   Raft::ready() ─▶ Ready ─┬─ send ──────────────────▶ network, now
//!                           ├─ apply ─────────────────▶ state machine ──▶ Raft::applied
//!                           └─ persist: Persist ──▶ disk, synced ──▶ Persist::done() ─▶ Persisted
//!                                 │ sealed: votes, acknowledgements                        │
//!                                 └──────────────── given out by ◀── Raft::persisted ◀─────┘
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;

use super::error::{Error, Lookup, ReadLost};
use super::node::{Raft, Role};
use super::{Entry, HardState, Index, LogView, Message, NodeId, Payload, ReadId, SnapshotMeta, Term};

/// What a node wants done now.
#[must_use = "what a `Ready` holds is given out once"]
#[derive(Debug, Default)]
pub struct Ready {
    /// What must become durable. Several may be under way; they become durable in order.
    pub persist: Option<Persist>,
    /// Messages that promise nothing, or only what is durable: send them at once, in any order. They may get lost.
    pub send: Vec<Message>,
    /// Committed and durable entries, in order, each once: apply them, then call [`Raft::applied`].
    pub apply: Vec<Entry>,
    /// Answers to [`Raft::read`]: the state machine may be read now, or not.
    pub reads: Vec<ReadAnswer>,
    /// Pieces of a snapshot that followers wait for: read them, then call [`Raft::snapshot_chunk`].
    pub chunks_wanted: Vec<ChunkWanted>,
    /// Pieces of a snapshot that the leader sent: write them, then call [`Raft::snapshot_written`].
    pub chunks_received: Vec<ChunkReceived>,
}

impl Ready {
    fn is_empty(&self) -> bool {
        self.persist.is_none()
            && self.send.is_empty()
            && self.apply.is_empty()
            && self.reads.is_empty()
            && self.chunks_wanted.is_empty()
            && self.chunks_received.is_empty()
    }
}

/// The answer to a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAnswer {
    /// Which one.
    pub id: ReadId,
    /// `Ok`: the state machine has applied all that the read must see, up to this index.
    pub outcome: Result<Index, ReadLost>,
}

/// A follower waits for a piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkWanted {
    /// The follower.
    pub to: NodeId,
    /// The snapshot.
    pub meta: SnapshotMeta,
    /// Where the piece begins.
    pub offset: u64,
    /// Its length.
    pub len: usize,
}

/// A piece of a snapshot came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkReceived {
    /// The snapshot.
    pub meta: SnapshotMeta,
    /// Where the piece belongs; 0 begins a new snapshot.
    pub offset: u64,
    /// The piece.
    pub data: Bytes,
}

/// What waits for durability.
#[derive(Debug)]
pub(super) enum Sealed {
    Message(Message),
    /// A candidate's vote for itself.
    OwnVote(Term),
}

/// Notices that a `Persist` went without being done.
#[derive(Debug)]
struct Guard {
    lost: Arc<AtomicBool>,
    armed: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed {
            self.lost.store(true, Ordering::Release);
        }
    }
}

/// What must become durable, after every earlier one. A crash may leave a part of it: then the hard state before the
/// snapshot, that before the entries, and of these the first ones. It holds back what the node may say only when all of it
/// is durable; dropping it stops the node.
#[must_use = "a dropped `Persist` stops the node"]
#[derive(Debug)]
pub struct Persist {
    seq: u64,
    hard_state: Option<HardState>,
    install: Option<SnapshotMeta>,
    entries: Vec<Entry>,
    sealed: Vec<Sealed>,
    guard: Guard,
}

impl Persist {
    /// The hard state, if term or vote have changed.
    pub fn hard_state(&self) -> Option<HardState> {
        self.hard_state
    }

    /// The snapshot that was received and takes the place of the state machine and of the *whole* log, which begins
    /// behind it. It comes before the entries.
    pub fn install(&self) -> Option<&SnapshotMeta> {
        self.install.as_ref()
    }

    /// Entries for the log. What stands at the first one's place and behind it goes.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether nothing has to be written: it only waits for the earlier ones.
    pub fn is_empty(&self) -> bool {
        self.hard_state.is_none() && self.install.is_none() && self.entries.is_empty()
    }

    /// One that no node has given out.
    #[cfg(all(test, feature = "raft-store"))]
    pub(crate) fn of(hard_state: Option<HardState>, install: Option<SnapshotMeta>, entries: Vec<Entry>) -> Persist {
        let guard = Guard { lost: Arc::default(), armed: false };
        Persist { seq: 0, hard_state, install, entries, sealed: Vec::new(), guard }
    }

    /// It is durable, and every earlier one is.
    pub fn done(self) -> Persisted {
        Persisted { seq: self.seq, sealed: self.sealed, guard: self.guard }
    }
}

/// The proof that a [`Persist`] is durable, for [`Raft::persisted`].
#[must_use = "a dropped `Persisted` stops the node"]
#[derive(Debug)]
pub struct Persisted {
    seq: u64,
    sealed: Vec<Sealed>,
    guard: Guard,
}

/// A `Persist` that was handed out.
#[derive(Debug)]
struct InFlight {
    seq: u64,
    /// The last of its entries that still stands in the log.
    last: Index,
    install: Option<Index>,
}

/// The `Persist`s under way.
#[derive(Debug, Default)]
pub(super) struct Persists {
    under_way: std::collections::VecDeque<InFlight>,
    next: u64,
    /// The first one that must be done before the term and the vote are durable; done if it is not under way any more.
    hard_state: Option<u64>,
    lost: Arc<AtomicBool>,
}

impl Persists {
    pub(super) fn lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    fn is_done(&self, seq: u64) -> bool {
        self.under_way.front().is_none_or(|first| first.seq > seq)
    }

    /// Whether the last hard state that was handed out is durable.
    fn hard_state_durable(&self) -> bool {
        self.hard_state.is_none_or(|seq| self.is_done(seq))
    }

    /// Entries from `index` on were cut off.
    pub(super) fn truncate_from(&mut self, index: Index) {
        for persist in &mut self.under_way {
            persist.last = persist.last.min(index.before());
        }
    }
}

impl<L: LogView> Raft<L> {
    /// Says `message` when all that the node knows now is durable.
    pub(super) fn promise(&mut self, to: NodeId, body: super::Body) {
        let message = self.message(to, body);
        if mutated!(self, SkipSync) {
            self.outbox.push(message);
        } else {
            self.sealed.push(Sealed::Message(message));
        }
    }

    /// Whether the term and vote that the node has now are durable.
    pub(super) fn hard_state_durable(&self) -> bool {
        !self.hard_state_changed && self.persists.hard_state_durable()
    }

    /// What the node wants done, if there is something. Call it after every other call until it answers `None`.
    pub fn ready(&mut self) -> Option<Ready> {
        if self.alive().is_err() {
            return None;
        }
        self.flush_reads();
        self.flush_appends();
        let mut ready = Ready { persist: self.take_persist(), ..Ready::default() };
        self.take_apply(&mut ready.apply);
        self.take_reads(&mut ready.reads);
        ready.send = std::mem::take(&mut self.outbox);
        ready.chunks_wanted = std::mem::take(&mut self.chunks_wanted);
        ready.chunks_received = std::mem::take(&mut self.chunks_received);
        (!ready.is_empty()).then_some(ready)
    }

    fn take_persist(&mut self) -> Option<Persist> {
        let has_work = self.hard_state_changed || self.installing.is_some() || self.log.has_unhanded();
        if !has_work && self.sealed.is_empty() {
            return None;
        }
        if !has_work && self.persists.under_way.is_empty() {
            // All of it is durable already.
            for sealed in std::mem::take(&mut self.sealed) {
                self.release(sealed);
            }
            return None;
        }
        let seq = self.persists.next;
        self.persists.next += 1;
        let hard_state = std::mem::take(&mut self.hard_state_changed).then_some(self.hard_state());
        if hard_state.is_some() {
            self.persists.hard_state = Some(seq);
        }
        let install = self.installing.take();
        let entries = self.log.hand_out();
        let last = entries.last().map_or(Index(0), |entry| entry.index);
        self.persists.under_way.push_back(InFlight { seq, last, install: install.as_ref().map(|meta| meta.index) });
        let guard = Guard { lost: self.persists.lost.clone(), armed: true };
        Some(Persist { seq, hard_state, install, entries, sealed: std::mem::take(&mut self.sealed), guard })
    }

    /// A [`Persist`] is durable: gives out what it held back.
    ///
    /// # Errors
    /// [`Error::PersistLost`] if an earlier one isn't done; the node has stopped then.
    pub fn persisted(&mut self, mut persisted: Persisted) -> Result<(), Error> {
        persisted.guard.armed = false;
        if self.persists.under_way.front().is_none_or(|first| first.seq != persisted.seq) {
            self.persists.lost.store(true, Ordering::Release);
        }
        self.alive()?;
        let Some(done) = self.persists.under_way.pop_front() else { return Err(Error::PersistLost) };
        if let Some(index) = done.install {
            self.installed(index);
        }
        if done.last > self.log.stable() {
            self.log.mark_stable(done.last);
        }
        for sealed in persisted.sealed {
            self.release(sealed);
        }
        self.advance_commit();
        Ok(())
    }

    fn release(&mut self, sealed: Sealed) {
        match sealed {
            Sealed::Message(message) => self.outbox.push(message),
            Sealed::OwnVote(term) => self.own_vote(term),
        }
    }

    /// Takes the entries to apply next.
    fn take_apply(&mut self, into: &mut Vec<Entry>) {
        let mut to = self.commit.min(self.log.stable());
        if mutated!(self, ApplyBeforeCommit) {
            to = self.log.stable();
        }
        if self.log.restoring.is_some() || to <= self.apply_handed {
            return;
        }
        // By the membership of what is committed: one that isn't may still be cut off.
        if self.memberships.at(to).is_witness(self.id) {
            self.apply_handed = to;
            self.applied = to;
            return;
        }
        if self.log.entries(self.apply_handed.next(), to, self.options.max_apply_bytes, into) == Lookup::Found(()) {
            self.apply_handed = into.last().map_or(self.apply_handed, |entry| entry.index);
        }
    }

    /// The state machine has applied everything up to `index`.
    pub fn applied(&mut self, index: Index) {
        self.applied = self.applied.max(index.min(self.apply_handed));
    }

    pub(super) fn hard_state(&self) -> HardState {
        // No further than the durable log: if a crash tears this from the entries that come with it, the hint must not
        // vouch for those that they were to replace.
        HardState { term: self.term, vote: self.vote, commit: self.commit.min(self.log.stable()) }
    }

    /// When [`Raft::tick`] must be called at the latest.
    pub fn next_deadline(&self) -> Instant {
        match &self.role {
            Role::Leader(leader) => {
                let transfer = leader.transfer.as_ref().map(|transfer| transfer.deadline);
                transfer.into_iter().fold(leader.heartbeat_at.min(leader.check_at), Instant::min)
            }
            _ => self.reads.forwarded_deadline().map_or(self.deadline, |at| at.min(self.deadline)),
        }
    }

    /// Appends an entry of our own, as leader.
    pub(super) fn append(&mut self, payload: Payload) -> Index {
        let index = self.log.last().0.next();
        if let Payload::Membership(membership) = &payload {
            self.memberships.push(index, membership.clone());
        }
        let entry = Entry { index, term: self.term, payload };
        if let Role::Leader(leader) = &mut self.role {
            leader.uncommitted.push(&entry);
        }
        let is_membership = matches!(entry.payload, Payload::Membership(_));
        self.log.push(entry);
        if is_membership {
            self.follow_membership();
        }
        index
    }
}
