//! The way of what was appended to the disk: who leads writes and syncs, and the job does what nobody should wait for.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use xs_os::Progress;

use super::framing::Framing;
use super::pending::Chunk;
use super::segment::Segment;
use super::shared::{Io, Point, Shared};
use super::turn::{Goal, Turn};
use super::watermark::Promise;
use crate::engine::Settle;
use crate::{Error, Result};

/// How long a leader waits for others that are likely to come. Much less than a sync of most disks, much more than it
/// takes to wake a thread.
const GATHER: Duration = Duration::from_micros(50);

/// What is to be done about that which waits in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Write it.
    Write,
    /// Write it, unless a segment must begin for that: nothing that waits for the disk.
    WriteReady,
    /// Write it, and sync.
    Sync,
}

impl<F: Framing> Shared<F> {
    /// Waits for the goal, and works towards it if nobody else does.
    pub(super) fn settle(&self, goal: Goal) -> Result<()> {
        let poke = || self.poke();
        while let Some(lead) = self.turn.wait(goal, &poke) {
            let sync = matches!(goal, Goal::Durable(_));
            if sync {
                self.gather();
            }
            let more = self.flush(if sync { Work::Sync } else { Work::Write });
            drop(lead);
            if more {
                self.poke();
            }
        }
        self.verdict(goal)
    }

    /// For a task: writes on its thread if nobody is at the disk, and else leaves a note for who is.
    pub(super) fn poll_written(&self, ticket: u64, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let goal = Goal::Written(ticket);
        self.write_ready(goal);
        self.turn.poll(goal, cx, &|| self.poke()).map(|()| self.verdict(goal))
    }

    /// Works towards a goal that needs no more than one write, if nobody is at the disk.
    pub(super) fn write_ready(&self, goal: Goal) {
        let poke = || self.poke();
        if self.turn.reached(goal) {
            return;
        }
        if let Some(lead) = self.turn.try_take(&poke) {
            let more = self.flush(Work::WriteReady);
            drop(lead);
            if more {
                self.poke();
            }
        }
    }

    /// What a goal has come to, if it is settled.
    pub(super) fn outcome(&self, goal: Goal) -> Option<Result<()>> {
        self.turn.reached(goal).then(|| self.verdict(goal))
    }

    /// Waits a moment for those who were just served and are likely to come again: one sync for all of them, instead of
    /// two in turn that each serve half. If nobody comes, that many more turns go by without waiting.
    fn gather(&self) {
        let crowd = self.turn.crowd();
        let mut io = self.io.lock();
        if crowd < 2 || io.hurries() {
            return;
        }
        let found = {
            let mut tail = self.tail.lock();
            let target = tail.taken + crowd;
            if tail.ticket >= target {
                return;
            }
            tail.gathering = Some((target, thread::current()));
            tail.ticket
        };
        thread::park_timeout(GATHER);
        let mut tail = self.tail.lock();
        tail.gathering = None;
        io.gathered(tail.ticket > found);
    }

    /// What a goal that is settled has come to.
    fn verdict(&self, goal: Goal) -> Result<()> {
        match (goal, self.stopped.get()) {
            (_, None) => Ok(()),
            (Goal::Written(ticket) | Goal::Durable(ticket), _) if self.safe.load(Ordering::Acquire) >= ticket => Ok(()),
            (_, Some(error)) => Err(error.clone()),
        }
    }

    /// Writes what was appended so far, and does what else the work is. Only who has the turn may call it; a failure stops the
    /// log, and settles every ticket. Whether much was appended meanwhile by those who went on and may never come again:
    /// then the job is to be poked once the turn is given back.
    pub(super) fn flush(&self, work: Work) -> bool {
        if self.stopped.get().is_some() {
            return false;
        }
        let sync = work == Work::Sync;
        let (chunks, upto) = {
            let mut tail = self.tail.lock();
            if work == Work::WriteReady && tail.waits_for_segment() {
                return false;
            }
            let mut chunks = mem::take(&mut tail.filling);
            tail.filling_bytes = 0;
            tail.taken = tail.ticket;
            if let Some(first) = chunks.first_mut() {
                first.refresh(&self.framing, tail.durable);
            }
            let chunks = Arc::new(chunks);
            tail.flushing = chunks.clone();
            tail.busy = true;
            let (next, ticket, timeline) = (tail.next, tail.ticket, tail.timeline);
            (chunks, Point { next, ticket, epoch: tail.last().epoch, timeline })
        };
        let bytes = chunks.iter().map(|chunk| chunk.len).sum();
        if let Err(error) = self.put(&chunks, sync) {
            self.stop(error);
            return false;
        }
        let more = {
            let mut tail = self.tail.lock();
            tail.flushing = Arc::default();
            tail.busy = false;
            if sync {
                tail.durable = upto.next;
            }
            // Nobody but a reader that copies holds them, and that one holds the lock.
            let last = Arc::into_inner(chunks).and_then(|mut chunks| chunks.pop()).and_then(Chunk::into_run);
            if let Some(run) = last.filter(|run| run.capacity() as u64 <= self.options.buffer_bytes * 2) {
                tail.run = run;
            }
            tail.filling_bytes >= self.options.buffer_bytes
        };
        if sync {
            self.made_durable(upto, bytes);
        } else {
            self.io.lock().written = Some(upto);
            self.turn.settle(Goal::Written(upto.ticket));
        }
        more
    }

    /// Tells everybody whom it concerns that all in front of a point is durable; `bytes` more than before.
    fn made_durable(&self, upto: Point, bytes: u64) {
        self.safe.fetch_max(upto.ticket, Ordering::AcqRel);
        self.turn.settle(Goal::Durable(upto.ticket));
        self.raise_watermark(Promise { epoch: upto.epoch, durable: upto.next }, bytes);
    }

    /// Brings chunks to their files.
    pub(super) fn put(&self, chunks: &[Chunk], sync: bool) -> Result<()> {
        let mut io = self.io.lock();
        for chunk in chunks {
            if chunk.segment.begun().is_none() {
                // A segment is continued only when it is whole on the disk: what is in front of the newest one's first
                // index is durable by that.
                self.sync_dirty(&mut io)?;
                self.begin(&chunk.segment, chunk.reserve)?;
                io.waited = 0;
                if self.options.warm_bytes > 0 {
                    self.poke();
                }
            }
            let (segment, file) = (&chunk.segment, chunk.segment.begun().expect("it has begun"));
            self.reserve(segment, chunk.end(), chunk.reserve)?;
            file.write_all_vectored_at(&chunk.slices(), chunk.start).map_err(Error::io("write", &segment.path))?;
            segment.wrote(chunk.end());
            self.counts.written.fetch_add(chunk.len, Ordering::Relaxed);
            if F::MARK_LEN > 0 && (chunk.start..chunk.end()).contains(&self.prepare_from()) {
                self.poke();
            }
            let behind = io.unsynced >= self.options.background_sync_bytes;
            io.unsynced += chunk.len;
            if !behind && io.unsynced >= self.options.background_sync_bytes {
                self.poke();
            }
            io.dirty = Some(segment.clone());
            io.marked = chunk.mark.durable;
        }
        if sync {
            io.waited = io.waited.saturating_add(1);
            self.sync_dirty(&mut io)?;
        }
        Ok(())
    }

    fn sync_dirty(&self, io: &mut Io) -> Result<()> {
        if let Some(segment) = &io.dirty {
            self.sync_segment(segment)?;
            io.dirty = None;
            io.unsynced = 0;
            io.asked = false;
        }
        Ok(())
    }

    /// The only way to sync a segment that is written to. A sync that fails takes the pages with it, and the next one of
    /// the same file finds nothing wrong: so what it means is decided under one lock, and no sync succeeds behind it.
    fn sync_segment(&self, segment: &Segment) -> Result<()> {
        let mut failed = self.syncing.lock();
        if let Some(error) = &*failed {
            return Err(error.clone());
        }
        let file = segment.begun().expect("it was written to");
        let synced = file.sync().map_err(Error::io("sync", &segment.path));
        self.counts.syncs.fetch_add(1, Ordering::Relaxed);
        synced.inspect_err(|error| *failed = Some(error.clone()))
    }

    /// Writes what waits for a segment to begin: the sync of the one in front of it and of the directory are nobody's delay.
    fn roll_behind(&self) {
        if self.tail.lock().filling_bytes < self.options.buffer_bytes {
            return;
        }
        let poke = || self.poke();
        if let Some(lead) = self.turn.try_take(&poke) {
            let more = self.flush(Work::Write);
            drop(lead);
            if more {
                self.poke();
            }
        }
    }

    /// Has what was written synced soon, however little it is, while others go on writing.
    pub(super) fn ask_to_sync(&self) {
        let mut io = self.io.lock();
        if io.dirty.is_some() && io.unsynced > 0 {
            io.asked = true;
            drop(io);
            self.poke();
        }
    }

    /// Syncs what was written, if it is much or somebody has asked, while others go on writing: who must wait for a sync
    /// later waits less.
    fn sync_behind(&self) {
        let (segment, written, bytes) = {
            let mut io = self.io.lock();
            let due = io.asked || io.unsynced >= self.options.background_sync_bytes;
            if !due || self.stopped.get().is_some() {
                return;
            }
            io.asked = false;
            (io.dirty.clone(), io.written, mem::take(&mut io.unsynced))
        };
        let Some(segment) = segment else { return };
        if let Err(error) = self.sync_segment(&segment) {
            // With the turn, so that everybody who waits is woken when it is given back.
            let poke = || self.poke();
            let _lead = self.turn.take(&poke);
            return self.stop(error);
        }
        let Some(written) = written else { return };
        let same = {
            let mut tail = self.tail.lock();
            // What was cut off since is nothing to speak of.
            let same = tail.timeline == written.timeline;
            if same {
                tail.durable = tail.durable.max(written.next);
            }
            same
        };
        if same {
            self.made_durable(written, bytes);
        }
    }

    /// Writes down what is durable, where the framing does not. A failure is nobody's loss: what the file says stays true,
    /// and it is only less than could be said. So is one that finds the file being synced.
    pub(super) fn raise_watermark(&self, promise: Promise, bytes: u64) {
        let Some(mut watermark) = self.watermark.as_ref().and_then(Mutex::try_lock) else { return };
        if watermark.raise(&*self.vfs, promise, bytes, self.options.background_sync_bytes).unwrap_or(false) {
            self.poke();
        }
    }

    /// Nothing can be promised any more: everybody is told, and reads end with what is durable.
    pub(super) fn stop(&self, error: Error) {
        let watchers = {
            let mut tail = self.tail.lock();
            let _ = self.stopped.set(error.stopped());
            tail.stopped = true;
            mem::take(&mut tail.watchers)
        };
        self.turn.settle(Goal::Durable(Turn::ALL));
        watchers.into_iter().for_each(std::task::Waker::wake);
    }

    /// One step of the work in the background.
    pub(super) fn step(&self) -> Progress {
        let poke = || self.poke();
        if let Some((lead, sync)) = self.turn.for_tasks(&poke) {
            let more = self.flush(if sync { Work::Sync } else { Work::Write });
            drop(lead);
            if more {
                self.poke();
            }
        }
        self.roll_behind();
        self.sync_behind();
        if let Some(watermark) = &self.watermark {
            // As above: what is not synced says nothing wrong.
            let _ = watermark.lock().sync(&*self.vfs, &self.dir, self.options.background_sync_bytes);
        }
        self.write_indexes();
        self.prepare()
    }
}

impl<F: Framing> Settle for Shared<F> {
    fn wait(&self, position: u64) -> Result<()> {
        self.settle(Goal::Durable(position))
    }

    fn poll_wait(&self, position: u64, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let goal = Goal::Durable(position);
        self.turn.poll(goal, cx, &|| self.poke()).map(|()| self.verdict(goal))
    }
}
