//! What the handles of one log share, and the way of an entry from a caller to the disk.

use std::collections::VecDeque;
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use xs_os::jobs::JobHandle;
use xs_os::vfs::{File, Open, Vfs};

use super::framing::{Framing, MAX_HEAD};
use super::range::Places;
use super::segment::Segment;
use super::spares::Spares;
use super::tail::Tail;
use super::turn::{Goal, Turn};
use super::watermark::Watermark;
use super::{Index, LogOptions};
use crate::engine::Commit;
use crate::{Error, Result};

/// Payloads from this many bytes on are kept as they are when they were handed over: a copy would cost more than
/// another slice in the write.
const SHARE_FROM: usize = 4 << 10;

/// So many times [`LogOptions::buffer_bytes`] may wait in memory while somebody syncs or begins a segment: some hundred
/// milliseconds of appending, in which nobody who only appends waits for the disk.
const SLACK: u64 = 8;

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
    pub(super) unsynced: u64,
    /// They are to be synced behind the writers, however few they are.
    pub(super) asked: bool,
    /// As far as the log is written.
    pub(super) written: Option<Point>,
    /// How often somebody waited for a sync since the newest segment began.
    pub(super) waited: u32,
    /// What the last mark on the disk says is durable.
    pub(super) marked: Index,
    /// Turns that are to go by without waiting for others, and how many it were the last time.
    hurry: u32,
    hurried: u32,
}

/// A place that writing has come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// The index behind it.
    pub(super) next: Index,
    /// The ticket in front of it.
    pub(super) ticket: u64,
    /// The epoch of its segment.
    pub(super) epoch: u64,
    /// The truncations before it was written.
    pub(super) timeline: u64,
}

impl Io {
    pub(super) fn new(marked: Index) -> Self {
        Io { dirty: None, unsynced: 0, asked: false, written: None, waited: 0, marked, hurry: 0, hurried: 0 }
    }

    pub(super) fn hurries(&mut self) -> bool {
        let hurries = self.hurry > 0;
        self.hurry = self.hurry.saturating_sub(1);
        hurries
    }

    /// Learns from a wait: one that brought nobody is repeated half as often.
    pub(super) fn gathered(&mut self, somebody: bool) {
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

    pub(super) fn check_running(&self) -> Result<()> {
        self.stopped.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    pub(super) fn poke(&self) {
        if let Some(job) = self.job.get() {
            job.poke();
        }
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

impl<F: Framing> Drop for Shared<F> {
    fn drop(&mut self) {
        self.close();
        // The job finds nobody and ends.
        self.poke();
    }
}
