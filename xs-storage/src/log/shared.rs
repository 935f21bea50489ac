//! What the handles of one log share, and the way of an entry from a caller to the disk.

use std::collections::VecDeque;
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use xs_os::Progress;
use xs_os::jobs::JobHandle;
use xs_os::vfs::{File, Open, Vfs};

use super::framing::{Framing, MAX_HEAD};
use super::pending::Chunk;
use super::range::Places;
use super::segment::Segment;
use super::spares::Spares;
use super::tail::Tail;
use super::turn::{Goal, Turn};
use super::watermark::{Promise, Watermark};
use super::{Index, LogOptions};
use crate::engine::{Commit, Settle};
use crate::{Error, Result};

/// Payloads from this many bytes on are kept as they are when they were handed over: a copy would cost more than
/// another slice in the write.
const SHARE_FROM: usize = 4 << 10;

/// So many times [`LogOptions::buffer_bytes`] may wait in memory while somebody syncs or begins a segment: some hundred
/// milliseconds of appending, in which nobody who only appends waits for the disk.
const SLACK: u64 = 8;

/// How long a leader waits for others that are likely to come. Much less than a sync of most disks, much more than it
/// takes to wake a thread.
const GATHER: Duration = Duration::from_micros(50);

pub(super) struct Shared<F: Framing> {
    pub(super) framing: F,
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) dir: PathBuf,
    pub(super) options: LogOptions,
    pub(super) tail: Mutex<Tail>,
    pub(super) turn: Turn,
    pub(super) io: Mutex<Io>,
    /// Held during every sync of a segment; whether one has failed. Taken behind `io`, if both are.
    pub(super) syncing: Mutex<Option<Error>>,
    pub(super) spares: Mutex<Spares>,
    /// Held while segments are taken out. Those that are out of the log and still in the directory, in that order.
    pub(super) trimming: Mutex<VecDeque<Arc<Segment>>>,
    /// Places that were found by walking, for those who go on from there.
    pub(super) places: Mutex<Places>,
    /// For a framing without marks.
    pub(super) watermark: Option<Mutex<Watermark>>,
    pub(super) job: OnceLock<JobHandle>,
    pub(super) stopped: OnceLock<Error>,
    /// The tickets that are durable indeed, also after the log has stopped.
    pub(super) safe: AtomicU64,
    pub(super) counts: Counts,
    /// Held as long as the log is open.
    #[cfg_attr(not(feature = "partition"), expect(dead_code, reason = "to hold it is enough"))]
    pub(super) lock: Mutex<Option<Arc<dyn File>>>,
}

pub(super) struct Io {
    /// A segment with bytes that were written and not synced.
    pub(super) dirty: Option<Arc<Segment>>,
    /// Bytes written to it since the last sync began.
    unsynced: u64,
    /// How often somebody waited for a sync since the newest segment began.
    pub(super) waited: u32,
    /// What the last mark on the disk says is durable.
    pub(super) marked: Index,
    /// Turns that are to go by without waiting for others, and how many it were the last time.
    hurry: u32,
    hurried: u32,
}

impl Io {
    pub(super) fn new(marked: Index) -> Self {
        Io { dirty: None, unsynced: 0, waited: 0, marked, hurry: 0, hurried: 0 }
    }

    fn hurries(&mut self) -> bool {
        let hurries = self.hurry > 0;
        self.hurry = self.hurry.saturating_sub(1);
        hurries
    }

    /// Learns from a wait: one that brought nobody is repeated half as often.
    fn gathered(&mut self, somebody: bool) {
        self.hurried = if somebody { 0 } else { (self.hurried * 2 + 1).min(63) };
        self.hurry = self.hurried;
    }
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) syncs: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) payload: AtomicU64,
}

/// A payload as it is handed in.
pub(super) enum Payload<'a> {
    Pieces(&'a [&'a [u8]]),
    Whole(Bytes),
}

impl Payload<'_> {
    fn len(&self) -> u64 {
        match self {
            Payload::Pieces(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
            Payload::Whole(bytes) => bytes.len() as u64,
        }
    }
}

/// What has to be done about the bytes that wait in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Full {
    Nothing,
    /// They are many, but somebody is at the disk, or a segment must begin first, which is the job's work: the appender
    /// goes on.
    Poke,
    Write,
}

impl Full {
    /// After an append that added some.
    fn of(tail: &Tail, added: u64, options: &LogOptions) -> Self {
        let buffers = |bytes| bytes / options.buffer_bytes;
        match buffers(tail.filling_bytes) {
            0 => Full::Nothing,
            1..SLACK if tail.busy || tail.waits_for_segment() => {
                // Now and then is enough.
                let more = buffers(tail.filling_bytes) > buffers(tail.filling_bytes - added);
                if more { Full::Poke } else { Full::Nothing }
            }
            _ => Full::Write,
        }
    }
}

impl<F: Framing> Shared<F> {
    /// Numbers an entry and leaves it for the next write. Durable when the commit says so.
    pub(super) fn append(self: &Arc<Self>, payload: Payload<'_>) -> Result<(Index, Commit)> {
        let len = payload.len();
        let limit = F::MAX_PAYLOAD.min(self.options.max_entry);
        if len > limit {
            return Err(Error::TooLarge { what: "entry", len, limit });
        }
        let draft = match &payload {
            Payload::Pieces(pieces) => self.framing.draft(pieces),
            Payload::Whole(bytes) => self.framing.draft(&[bytes]),
        };
        let draft = draft.map_err(Error::Invalid)?;
        self.append_drafted(&draft, payload)
    }

    /// An entry of which all is known but its index.
    pub(super) fn append_drafted(self: &Arc<Self>, draft: &F::Draft, payload: Payload<'_>) -> Result<(Index, Commit)> {
        let len = payload.len();
        let room = len + MAX_HEAD as u64;

        let (index, ticket, full, watchers, gathered) = {
            let mut tail = self.tail.lock();
            self.check_running()?;
            let epoch = tail.epoch_for::<F>(room, &self.options);
            let sealed = self.framing.seal(draft, epoch, tail.next).map_err(Error::Invalid)?;
            if epoch != tail.epoch {
                tail.roll::<F>(&self.dir, epoch);
            }
            let chunk = tail.chunk(&self.framing, room, &self.options);
            let before = chunk.len;
            chunk.copy(sealed.head());
            match payload {
                Payload::Whole(bytes) if bytes.len() >= SHARE_FROM => chunk.share(bytes.slice(sealed.replaces..)),
                Payload::Whole(bytes) => chunk.copy(&bytes[sealed.replaces..]),
                Payload::Pieces(pieces) => {
                    let mut skip = sealed.replaces;
                    for piece in pieces {
                        let skipped = skip.min(piece.len());
                        skip -= skipped;
                        chunk.copy(&piece[skipped..]);
                    }
                }
            }
            let added = chunk.len - before;
            tail.appended(&self.framing, &sealed, added);
            let arrived = tail.ticket;
            let gathered = tail.gathering.take_if(|(target, _)| arrived >= *target);
            let full = Full::of(&tail, added, &self.options);
            (sealed.index, tail.ticket, full, mem::take(&mut tail.watchers), gathered)
        };
        if let Some((_, leader)) = gathered {
            leader.unpark();
        }
        watchers.into_iter().for_each(std::task::Waker::wake);
        self.counts.payload.fetch_add(len, Ordering::Relaxed);
        match full {
            Full::Nothing => {}
            Full::Poke => self.poke(),
            // Whoever fills the memory empties it, or waits for who does.
            Full::Write => self.settle(Goal::Written(ticket))?,
        }
        Ok((index, Commit::pending(self.clone(), ticket)))
    }

    /// Waits for the goal, and works towards it if nobody else does.
    pub(super) fn settle(&self, goal: Goal) -> Result<()> {
        let poke = || self.poke();
        while let Some(lead) = self.turn.wait(goal, &poke) {
            let sync = matches!(goal, Goal::Durable(_));
            if sync {
                self.gather();
            }
            let more = self.flush(sync);
            drop(lead);
            if more {
                self.poke();
            }
        }
        self.verdict(goal)
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
            (Goal::Durable(ticket), _) if self.safe.load(Ordering::Acquire) >= ticket => Ok(()),
            (_, Some(error)) => Err(error.clone()),
        }
    }

    pub(super) fn check_running(&self) -> Result<()> {
        self.stopped.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    pub(super) fn poke(&self) {
        if let Some(job) = self.job.get() {
            job.poke();
        }
    }

    /// Writes what was appended so far and, if asked to, syncs. Only who has the turn may call it; a failure stops the
    /// log, and settles every ticket. Whether much was appended meanwhile by those who went on and may never come again:
    /// then the job is to be poked once the turn is given back.
    pub(super) fn flush(&self, sync: bool) -> bool {
        if self.stopped.get().is_some() {
            return false;
        }
        let (chunks, next, ticket, epoch) = {
            let mut tail = self.tail.lock();
            let mut chunks = mem::take(&mut tail.filling);
            tail.filling_bytes = 0;
            tail.taken = tail.ticket;
            if let Some(first) = chunks.first_mut() {
                first.refresh(&self.framing, tail.durable);
            }
            let chunks = Arc::new(chunks);
            tail.flushing = chunks.clone();
            tail.busy = true;
            (chunks, tail.next, tail.ticket, tail.last().epoch)
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
                tail.durable = next;
            }
            // Nobody but a reader that copies holds them, and that one holds the lock.
            let last = Arc::into_inner(chunks).and_then(|mut chunks| chunks.pop()).and_then(Chunk::into_run);
            if let Some(run) = last.filter(|run| run.capacity() as u64 <= self.options.buffer_bytes * 2) {
                tail.run = run;
            }
            tail.filling_bytes >= self.options.buffer_bytes
        };
        if sync {
            self.safe.fetch_max(ticket, Ordering::AcqRel);
            self.turn.settle(Goal::Durable(ticket));
            self.raise_watermark(Promise { epoch, durable: next }, bytes);
        } else {
            self.turn.settle(Goal::Written(ticket));
        }
        more
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
            let more = self.flush(false);
            drop(lead);
            if more {
                self.poke();
            }
        }
    }

    /// Syncs what was written, if it is much, while others go on writing: nobody is told of it, but who must wait for a
    /// sync later waits less.
    fn sync_behind(&self) {
        let segment = {
            let mut io = self.io.lock();
            if io.unsynced < self.options.background_sync_bytes || self.stopped.get().is_some() {
                return;
            }
            io.unsynced = 0;
            io.dirty.clone()
        };
        let Some(segment) = segment else { return };
        if let Err(error) = self.sync_segment(&segment) {
            // With the turn, so that everybody who waits is woken when it is given back.
            let poke = || self.poke();
            let _lead = self.turn.take(&poke);
            self.stop(error);
        }
    }

    /// Writes down what is durable, where the framing does not. A failure is nobody's loss: what the file says stays true,
    /// and it is only less than could be said. So is one that finds the file being synced.
    pub(super) fn raise_watermark(&self, promise: Promise, bytes: u64) {
        let Some(mut watermark) = self.watermark.as_ref().and_then(Mutex::try_lock) else { return };
        if watermark.raise(promise, bytes, self.options.background_sync_bytes).unwrap_or(false) {
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
        if let Some(_lead) = self.turn.for_tasks(&poke) {
            self.flush(true);
        }
        self.roll_behind();
        self.sync_behind();
        if let Some(watermark) = &self.watermark {
            // As above: what is not synced says nothing wrong.
            let _ = watermark.lock().sync(self.options.background_sync_bytes);
        }
        self.write_indexes();
        self.prepare()
    }

    /// Up to `len` bytes of a segment from `pos` on, wherever they are; fewer only if there are no more.
    pub(super) fn read(&self, segment: &Segment, pos: u64, len: usize) -> Result<Bytes> {
        let file = match segment.begun() {
            Some(file) => Some(file),
            // Not even begun: all of it is in memory. Else it is an old one that is opened now.
            None if self.in_memory(segment) => None,
            None => Some(segment.open::<F>(&*self.vfs, Open::Read)?),
        };
        let written = segment.written();
        if let Some(file) = file.filter(|_| pos < written) {
            let mut bytes = BytesMut::zeroed(len.min(usize::try_from(written - pos).unwrap_or(usize::MAX)));
            file.read_exact_at(&mut bytes, pos).map_err(Error::io("read", &segment.path))?;
            return Ok(bytes.freeze());
        }
        let tail = self.tail.lock();
        let mut bytes = BytesMut::new();
        for chunk in tail.flushing.iter().chain(&tail.filling) {
            let at = pos + bytes.len() as u64;
            if std::ptr::eq(&*chunk.segment, segment) && (chunk.start..chunk.end()).contains(&at) {
                chunk.read(at, len - bytes.len(), &mut bytes);
            }
        }
        drop(tail);
        // It may have been written between the two looks.
        if bytes.is_empty() && segment.written() > pos { self.read(segment, pos, len) } else { Ok(bytes.freeze()) }
    }

    pub(super) fn in_memory(&self, segment: &Segment) -> bool {
        let tail = self.tail.lock();
        tail.flushing.iter().chain(&tail.filling).any(|chunk| std::ptr::eq(&*chunk.segment, segment))
    }

    pub(super) fn sync_dir(&self) -> Result<()> {
        self.vfs.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))
    }
}

impl<F: Framing> Settle for Shared<F> {
    fn wait(&self, position: u64) -> Result<()> {
        self.settle(Goal::Durable(position))
    }

    fn poll_wait(&self, position: u64, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.turn.poll(position, cx, &|| self.poke()).map(|()| self.verdict(Goal::Durable(position)))
    }
}

impl<F: Framing> Drop for Shared<F> {
    fn drop(&mut self) {
        self.close();
        // The job finds nobody and ends.
        self.poke();
    }
}
