//! When snapshots are made, and how the log gets shorter.
//!
//! ```text
//!                    in memory                                       keeps itself
//!   log too long ──▶ snapshot ──▶ file is durable ──▶ front     flush ──▶ durable() has moved ──▶ front
//!                    (a job)                          moves                                       moves
//!   a follower needs what is gone: send the snapshot            make a snapshot, and send it
//! ```
//!
//! A snapshot takes time to be made, sent and installed, and the log grows meanwhile. If it were shortened as always, the
//! follower would find what it needs next gone, and need another snapshot, for ever. So a leader *holds* the log: what
//! followers need that are sent a snapshot, read on behind one, or are slow, stays, and no newer snapshot takes the place of
//! the one that is on its way. [`ReplicaOptions::hold_bytes`](super::ReplicaOptions::hold_bytes) bounds that; one that is
//! slower than this begins anew, and one that is not heard holds nothing.

use std::time::{Duration, Instant};

use super::machine::StateMachine;
use super::node::Replica;
use super::outcome::{Event, Stopped};
use super::worker::Task;
use crate::raft::{Index, LogView, Status};
use crate::raft_store::SnapshotFile;

/// What is going on about the log's length.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    /// The caller wants it now.
    pub(super) demanded: bool,
    /// The snapshot is damaged, so another one is wanted.
    wanted: bool,
    /// A snapshot of the state at this index is being made.
    making: Option<Index>,
    collecting: bool,
    /// After a failure: when is looked again.
    look_at: Option<Instant>,
    failures: u32,
    /// How far the state machine was asked to make itself durable.
    flushed_for: Index,
}

impl Compaction {
    pub(super) fn damaged(&mut self) {
        self.wanted = true;
    }

    pub(super) fn installed(&mut self) {
        self.wanted = false;
    }

    pub(super) fn next_look(&self) -> Option<Instant> {
        self.look_at
    }

    fn failed(&mut self, now: Instant) {
        self.failures = (self.failures + 1).min(6);
        self.look_at = Some(now + Duration::from_secs(1 << self.failures));
    }
}

impl<S: StateMachine> Replica<S> {
    /// Shortens the log if it is long enough, and sees to a snapshot if somebody needs one.
    pub(super) fn look_after_log(&mut self, now: Instant) -> Result<(), Stopped> {
        if self.compaction.look_at.is_some_and(|at| at <= now) {
            self.compaction.look_at = None;
        }
        let installing = self.written.iter().any(|written| written.persist.install().is_some());
        if installing || self.compaction.look_at.is_some() {
            return Ok(());
        }
        let status = self.raft.status();
        if self.machine.durable().is_some() {
            self.look_after_kept(&status)?;
        }
        let due = self.snapshot_is_due(&status);
        if due && self.compaction.making.is_none() {
            self.make_snapshot()?;
        }
        self.compaction.demanded = false;
        Ok(())
    }

    fn snapshot_is_due(&self, status: &Status) -> bool {
        if self.machine.durable().is_some() {
            return needed_by_follower(status) && self.snapshot_index().is_none_or(|index| index < status.before.0);
        }
        if self.compaction.wanted {
            return true;
        }
        let index = self.snapshot_index().unwrap_or_default().max(status.before.0);
        if status.applied <= index {
            return false;
        }
        let waits = is_sending(status) && self.may_hold(status);
        let long = self.raft.view().bytes_behind(index) > self.options.compact_after_bytes;
        self.compaction.demanded || long && !waits
    }

    /// Whether the log is short enough to wait for followers.
    fn may_hold(&self, status: &Status) -> bool {
        self.raft.view().bytes_behind(status.before.0) <= self.options.hold_bytes
    }

    /// How far the log may be shortened for the sake of followers.
    fn held_at(&self, status: &Status) -> Option<Index> {
        if !self.may_hold(status) {
            return None;
        }
        let followers = status.followers.iter().filter(|follower| follower.heard);
        let needed = followers.filter_map(|follower| match follower.mode {
            // Of use only with the entries behind it.
            "snapshot" => self.snapshot_index(),
            // One that needs what is gone will be sent a snapshot, from wherever that is.
            _ => Some(follower.matched).filter(|matched| *matched >= status.before.0),
        });
        needed.chain(self.compaction.making).min()
    }

    fn snapshot_index(&self) -> Option<Index> {
        self.raft.view().snapshot_file().map(|file| file.meta().index)
    }

    fn make_snapshot(&mut self) -> Result<(), Stopped> {
        let Some(meta) = self.raft.snapshot_meta(0) else { return Ok(()) };
        let source = self.machine.snapshot().map_err(Stopped::machine("make a snapshot"))?;
        self.compaction.making = Some(meta.index);
        self.worker.submit(Task::Make { source, meta });
        Ok(())
    }

    /// A snapshot of our own is whole, or can't be made.
    pub(super) fn made(&mut self, now: Instant, made: Result<SnapshotFile, xs_storage::Error>) -> Result<(), Stopped> {
        self.compaction.making = None;
        match made {
            Ok(file) => {
                let meta = file.meta().clone();
                (self.compaction.failures, self.compaction.look_at, self.compaction.wanted) = (0, None, false);
                // A leader's may have come meanwhile.
                let useful = meta.index >= self.raft.view().bounds().before.0;
                self.raft.view_mut().keep(file);
                self.events.push_back(Event::SnapshotMade(meta.clone()));
                if useful && self.machine.durable().is_none() {
                    let held = self.held_at(&self.raft.status());
                    self.shorten(held.map_or(meta.index, |held| held.min(meta.index)))?;
                }
                self.collect();
            }
            Err(error) => {
                self.compaction.failed(now);
                self.events.push_back(Event::SnapshotFailed(error));
            }
        }
        Ok(())
    }

    /// A state machine that keeps itself: the log goes as far as that.
    fn look_after_kept(&mut self, status: &Status) -> Result<(), Stopped> {
        let bytes = self.raft.view().bytes_behind(status.before.0);
        if bytes <= self.options.compact_after_bytes && !self.compaction.demanded {
            return Ok(());
        }
        let held = self.held_at(status);
        let wanted = held.map_or(status.applied, |held| held.min(status.applied));
        let durable = self.machine.durable().unwrap_or_default();
        // Nothing is gained by more than what may go.
        if durable < wanted && status.applied > self.compaction.flushed_for {
            self.compaction.flushed_for = status.applied;
            self.machine.flush().map_err(Stopped::machine("flush"))?;
        }
        let to = self.machine.durable().unwrap_or_default().min(wanted);
        if self.shorten(to)? {
            let before = self.raft.view().bounds().before.0;
            if self.snapshot_index().is_some_and(|index| index < before) {
                self.raft.view_mut().drop_snapshot();
            }
            self.collect();
        }
        Ok(())
    }

    /// Lets go of entries that the state includes up to `to`, but for those that stay for followers. Whether there were any.
    fn shorten(&mut self, to: Index) -> Result<bool, Stopped> {
        let to = Index(to.0.saturating_sub(self.options.keep_entries));
        if to <= self.raft.view().bounds().before.0 {
            return Ok(false);
        }
        let membership = self.raft.membership_at(to);
        // Nobody waits for it: whatever is written later comes behind it.
        drop(self.raft.view_mut().compact(to, &membership)?);
        self.raft.compacted();
        Ok(true)
    }

    fn collect(&mut self) {
        if !std::mem::replace(&mut self.compaction.collecting, true) {
            let garbage = self.raft.view_mut().garbage();
            self.worker.submit(Task::Collect(garbage));
        }
    }

    pub(super) fn collected(&mut self, collected: Result<(), xs_storage::Error>) -> Result<(), Stopped> {
        self.compaction.collecting = false;
        if let Err(error) = collected {
            self.events.push_back(Event::SnapshotFailed(error));
        }
        Ok(())
    }
}

fn is_sending(status: &Status) -> bool {
    status.followers.iter().any(|follower| follower.mode == "snapshot")
}

/// Whether a follower that is there wants entries that the log no longer has.
fn needed_by_follower(status: &Status) -> bool {
    status.followers.iter().any(|follower| follower.heard && follower.next <= status.before.0)
}
