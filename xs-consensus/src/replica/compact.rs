//! When snapshots are made, and how the log gets shorter.
//!
//! ```text
//!                    in memory                                       keeps itself
//!   log too long ──▶ snapshot ──▶ file is durable ──▶ front     flush ──▶ durable() has moved ──▶ front
//!                    (a job)                          moves                                       moves
//!   a follower needs what is gone: send the snapshot            make a snapshot, and send it
//! ```

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
    making: bool,
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

/// A log that is so many times longer than it may be is shortened although a follower waits for what goes.
const PATIENCE_WITH_FOLLOWERS: u64 = 4;

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
        if due && !self.compaction.making {
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
        let bytes = self.raft.view().bytes_behind(index);
        let patience = if is_sending(status) { PATIENCE_WITH_FOLLOWERS } else { 1 };
        let long = bytes > self.options.compact_after_bytes.saturating_mul(patience);
        self.compaction.demanded || long
    }

    fn snapshot_index(&self) -> Option<Index> {
        self.raft.view().snapshot_file().map(|file| file.meta().index)
    }

    fn make_snapshot(&mut self) -> Result<(), Stopped> {
        let Some(meta) = self.raft.snapshot_meta(0) else { return Ok(()) };
        let source = self.machine.snapshot().map_err(Stopped::machine("make a snapshot"))?;
        self.worker.submit(Task::Make { source, meta });
        self.compaction.making = true;
        Ok(())
    }

    /// A snapshot of our own is whole, or can't be made.
    pub(super) fn made(&mut self, now: Instant, made: Result<SnapshotFile, xs_storage::Error>) -> Result<(), Stopped> {
        self.compaction.making = false;
        match made {
            Ok(file) => {
                let meta = file.meta().clone();
                (self.compaction.failures, self.compaction.look_at, self.compaction.wanted) = (0, None, false);
                // A leader's may have come meanwhile.
                let useful = meta.index >= self.raft.view().bounds().before.0;
                self.raft.view_mut().keep(file);
                self.events.push_back(Event::SnapshotMade(meta.clone()));
                if useful && self.machine.durable().is_none() {
                    self.shorten(meta.index)?;
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
        let limit = self.options.compact_after_bytes;
        if bytes <= limit && !self.compaction.demanded {
            return Ok(());
        }
        if status.applied > self.compaction.flushed_for {
            self.compaction.flushed_for = status.applied;
            self.machine.flush().map_err(Stopped::machine("flush"))?;
        }
        let mut to = self.machine.durable().unwrap_or_default().min(status.applied);
        // What is being sent, or made to be sent, is of use only with the entries behind it.
        let waits = is_sending(status) || self.compaction.making;
        match self.snapshot_index() {
            Some(index) if waits && bytes <= limit.saturating_mul(PATIENCE_WITH_FOLLOWERS) => to = to.min(index),
            _ => {}
        }
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
