//! Snapshots for followers whose entries are compacted away, in pieces.
//!
//! ```text
//!   leader                                          follower
//!     │ offer: meta, no bytes ──────────────────────▶ │  has it all? has a part of just this one?
//!     │ ◀──────────────────────────── next: 4 MiB     │
//!     │ chunks_wanted → driver → snapshot_chunk       │
//!     │ 4 MiB .. 5 MiB ─────────────────────────────▶ │  chunks_received → driver → snapshot_written
//!     │ ◀──────────────────────────── next: 5 MiB     │
//!     │ …                                             │  all there: Persist::install
//!     │ ◀──────────── matched: the snapshot's index ──│  sealed until it is durable
//! ```
//!
//! One piece is on its way at a time. When no answer comes for an election timeout, and then twice as long each time, the
//! snapshot is offered anew. A follower that isn't heard gives its place to others. The offer makes it resumable: whoever leads, and whatever broke, a follower that
//! has a part of this very snapshot goes on from there.

use std::time::Instant;

use bytes::Bytes;

use super::error::{Lookup, Refused};
use super::log::RaftLog;
use super::message::{AppendOutcome, AppendReply, Body, SnapshotChunk, SnapshotReply};
use super::node::{Raft, Role};
use super::progress::{Mode, Progress, Sending};
use super::ready::{ChunkReceived, ChunkWanted};
use super::{Index, LogView, NodeId, SnapshotMeta};

/// A snapshot on its way to us.
#[derive(Debug)]
pub(super) struct Receiving {
    meta: SnapshotMeta,
    from: NodeId,
    /// The driver has written this much, and was given this much.
    written: u64,
    given: u64,
}

impl<L: LogView> Raft<L> {
    /// The follower needs entries that are compacted away.
    pub(super) fn begin_snapshot(&mut self, progress: &mut Progress, snapshots: &mut usize) {
        let Some(meta) = self.log.view.snapshot() else { return };
        let useful = meta.index >= progress.next && meta.index >= self.log.before().0;
        if *snapshots == 0 || !useful {
            return;
        }
        *snapshots -= 1;
        progress.enter(Mode::Snapshot(Sending::new(meta, self.now)));
        self.continue_snapshot(progress);
    }

    /// Offers the snapshot, or asks the driver for the next piece.
    pub(super) fn continue_snapshot(&mut self, progress: &mut Progress) {
        let Mode::Snapshot(sending) = &mut progress.mode else { return };
        if sending.waiting {
            return;
        }
        if self.log.view.snapshot().as_ref() != Some(&sending.meta) {
            // There is a newer one: begin again, from the log if that is enough now.
            return progress.enter(Mode::Probe { waiting: false });
        }
        sending.waiting = true;
        sending.again_at = self.now + self.options.election_timeout * sending.patience;
        let meta = sending.meta.clone();
        match sending.next {
            Some(offset) if offset < meta.bytes => {
                let len = (meta.bytes - offset).min(self.options.snapshot_chunk_bytes as u64) as usize;
                self.chunks_wanted.push(ChunkWanted { to: progress.id, meta, offset, len });
            }
            _ => {
                let offer = SnapshotChunk { meta, offset: 0, data: Bytes::new(), round: progress.told_round };
                self.say(progress.id, Body::SnapshotChunk(offer));
            }
        }
    }

    /// A piece that was [wanted](super::Ready::chunks_wanted) has been read. One that nobody wants any more is dropped.
    pub fn snapshot_chunk(&mut self, now: Instant, wanted: ChunkWanted, data: Bytes) {
        if self.alive().is_err() {
            return;
        }
        self.set_now(now);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.progress_of(wanted.to) else { return };
        let Mode::Snapshot(sending) = &progress.mode else { return };
        let fits = sending.meta == wanted.meta && sending.next == Some(wanted.offset) && data.len() == wanted.len;
        if fits {
            let chunk = SnapshotChunk { meta: wanted.meta, offset: wanted.offset, data, round: progress.told_round };
            self.say(wanted.to, Body::SnapshotChunk(chunk));
        }
    }

    pub(super) fn on_snapshot_chunk(&mut self, from: NodeId, chunk: SnapshotChunk) -> Result<(), Refused> {
        self.follow(from);
        let SnapshotChunk { meta, offset, data, round } = chunk;
        let too_large =
            meta.bytes > self.options.max_snapshot_bytes || data.len() > self.options.snapshot_chunk_bytes.max(1 << 20);
        if too_large {
            return Err(Refused::Impossible("a snapshot larger than the limit"));
        }
        self.seen_round = self.seen_round.max(round);
        match self.holds(&meta) {
            Lookup::Found(true) => {
                self.needs_no_snapshot(&meta, from);
                return Ok(());
            }
            Lookup::Found(false) => {}
            Lookup::Compacted | Lookup::NotAtHand => return Ok(()),
        }
        if self.log.restoring.is_some() {
            // The last one is being installed; its acknowledgement will come.
            return Ok(());
        }
        if self.receiving.as_ref().is_none_or(|receiving| receiving.meta != meta) {
            self.receiving = Some(Receiving { meta: meta.clone(), from, written: 0, given: 0 });
        }
        let Some(receiving) = &mut self.receiving else { return Ok(()) };
        receiving.from = from;
        if data.is_empty() && meta.bytes > 0 || offset != receiving.given {
            // An offer, or a piece that comes twice or too early.
            if receiving.given == receiving.written {
                self.reply_snapshot();
            }
            return Ok(());
        }
        receiving.given += data.len() as u64;
        self.chunks_received.push(ChunkReceived { meta, offset, data });
        Ok(())
    }

    /// Whether all that a snapshot stands for is in our log.
    fn holds(&self, meta: &SnapshotMeta) -> Lookup<bool> {
        if mutated!(self, SnapshotOverNewer) {
            return Lookup::Found(false);
        }
        if self.commit >= meta.index { Lookup::Found(true) } else { self.log_fits(meta.index, meta.term) }
    }

    /// All of it is in our log, so it is committed here as well (Figure 13, 6, without throwing state away).
    fn needs_no_snapshot(&mut self, meta: &SnapshotMeta, from: NodeId) {
        self.commit_to(meta.index);
        let durable = self.hard_state_durable() && self.log.stable() >= meta.index;
        let reply = AppendReply { round: self.seen_round, outcome: AppendOutcome::Matched(meta.index) };
        if durable {
            self.say(from, Body::AppendReply(reply));
        } else {
            self.promise(from, Body::AppendReply(reply));
        }
    }

    fn reply_snapshot(&mut self) {
        let Some(receiving) = &self.receiving else { return };
        let reply = SnapshotReply {
            index: receiving.meta.index,
            term: receiving.meta.term,
            next: receiving.written,
            round: self.seen_round,
        };
        self.say(receiving.from, Body::SnapshotReply(reply));
    }

    /// A piece that was [received](super::Ready::chunks_received) has been written. When it was the last one, the whole
    /// must have been checked; installing it is the next `Persist`'s matter.
    pub fn snapshot_written(&mut self, now: Instant, received: &ChunkReceived) {
        if self.alive().is_err() {
            return;
        }
        self.set_now(now);
        let end = received.offset + received.data.len() as u64;
        let Some(receiving) = &mut self.receiving else { return };
        if receiving.meta != received.meta || receiving.written != received.offset {
            return;
        }
        receiving.written = end;
        if end < receiving.meta.bytes {
            return self.reply_snapshot();
        }
        let Some(receiving) = self.receiving.take() else { return };
        // Since the first piece came, another leader may have sent the entries themselves, and more: acknowledged entries
        // behind the snapshot must not go.
        match self.holds(&receiving.meta) {
            Lookup::Found(true) => self.needs_no_snapshot(&receiving.meta, receiving.from),
            Lookup::Found(false) => self.restore(receiving.meta, receiving.from),
            Lookup::Compacted | Lookup::NotAtHand => {}
        }
    }

    /// The snapshot that was received turned out to be damaged, or could not be written: it will be sent anew.
    pub fn snapshot_failed(&mut self, now: Instant) {
        self.set_now(now);
        if let Some(receiving) = &mut self.receiving {
            (receiving.written, receiving.given) = (0, 0);
        }
        self.chunks_received.clear();
        self.reply_snapshot();
    }

    fn restore(&mut self, meta: SnapshotMeta, leader: NodeId) {
        self.persists.truncate_from(Index(1));
        self.memberships = super::membership::Memberships::new(meta.index, meta.membership.clone());
        self.commit = if mutated!(self, SnapshotOverNewer) { meta.index } else { self.commit.max(meta.index) };
        self.log.restore(meta.clone());
        self.installing = Some(meta.clone());
        let outcome = AppendOutcome::Matched(meta.index);
        self.promise(leader, Body::AppendReply(AppendReply { round: self.seen_round, outcome }));
    }

    /// The snapshot is the state machine now, durably.
    pub(super) fn installed(&mut self, index: Index) {
        self.log.installed(index);
        self.applied = index;
        self.apply_handed = index;
    }

    pub(super) fn on_snapshot_reply(&mut self, from: NodeId, reply: SnapshotReply) -> Result<(), Refused> {
        let now = self.now;
        let Role::Leader(leader) = &mut self.role else { return Ok(()) };
        let round = leader.reads.round();
        let Some(progress) = leader.progress_of(from) else { return Err(Refused::Stranger(from)) };
        progress.heard = now;
        progress.acked_round = progress.acked_round.max(reply.round.min(round));
        if let Mode::Snapshot(sending) = &mut progress.mode
            && (sending.meta.index, sending.meta.term) == (reply.index, reply.term)
        {
            if reply.next > sending.meta.bytes {
                return Err(Refused::Impossible("more of a snapshot than there is"));
            }
            // What was said before is no news: an answer to a piece that came twice must not send the next one twice.
            if sending.next.is_none_or(|next| reply.next > next) {
                sending.next = Some(reply.next);
                sending.waiting = false;
                sending.patience = 1;
            }
        }
        self.confirm_reads();
        Ok(())
    }

    /// What a snapshot of the state machine at its present state says about itself, if it has `bytes` bytes: the driver
    /// keeps it, shows it in its [`LogView`], and may let go of entries in front of it. `None` while nothing is applied, and
    /// on a witness, which has no state machine and keeps the whole log.
    pub fn snapshot_meta(&self, bytes: u64) -> Option<SnapshotMeta> {
        let membership = self.membership_at(self.applied);
        if membership.is_witness(self.id) || self.membership().is_witness(self.id) {
            return None;
        }
        match self.log.term(self.applied) {
            Lookup::Found(term) if self.applied.0 > 0 => {
                Some(SnapshotMeta { index: self.applied, term, membership, bytes })
            }
            _ => None,
        }
    }

    /// The log was compacted: forgets memberships that nobody asks for any more.
    pub fn compacted(&mut self) {
        let before = self.log.before().0;
        self.memberships.compact(before);
    }
}

impl<L: LogView> RaftLog<L> {
    pub(super) fn installed(&mut self, index: Index) {
        if self.restoring.as_ref().is_some_and(|meta| meta.index == index) {
            self.restoring = None;
            self.mark_stable(index);
        }
    }
}
