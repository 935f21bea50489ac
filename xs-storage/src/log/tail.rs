//! The end of the log, where entries get their numbers: everything under the one lock that appenders take.

use std::path::Path;
use std::sync::Arc;
use std::task::Waker;
use std::thread::Thread;

use super::framing::{Framing, Mark, Sealed};
use super::pending::Chunk;
use super::segment::{NEVER, STRIDE, Segment, Waypoint, body};
use super::{Index, LogOptions};

#[derive(Debug)]
pub(super) struct Tail {
    /// All segments, oldest first; never empty. Shared with readers, and so replaced instead of changed.
    pub(super) segments: Arc<Vec<Arc<Segment>>>,
    /// Counts truncations: a reader of another timeline has seen its end.
    pub(super) timeline: u64,
    /// The index that the next entry gets, or a later one.
    pub(super) next: Index,
    /// Where in the last segment it will stand.
    pub(super) pos: u64,
    /// The epoch that it will belong to.
    pub(super) epoch: u64,
    /// The latest time that an entry of the last segment says of itself.
    pub(super) latest: i64,
    /// The sum of what the checksums of the last segment's entries leave out.
    pub(super) sum: u32,
    /// The next entry begins a segment, if it is not the first of one.
    pub(super) rolls: bool,
    /// From where on in the segment the next waypoint is worth its memory.
    pub(super) waypoint_from: u64,
    /// The number of appends: what a commit waits for.
    pub(super) ticket: u64,
    /// The tickets in front of this one have been taken to be written, this one included.
    pub(super) taken: u64,
    /// Who leads, and waits until this ticket has been given out.
    pub(super) gathering: Option<(u64, Thread)>,
    /// Everything in front of this index is durable.
    pub(super) durable: Index,
    /// What nobody has started to write.
    pub(super) filling: Vec<Chunk>,
    pub(super) filling_bytes: u64,
    /// What somebody is writing.
    pub(super) flushing: Arc<Vec<Chunk>>,
    /// Somebody writes or syncs.
    pub(super) busy: bool,
    /// Memory of a chunk that was written, for the next.
    pub(super) run: Vec<u8>,
    /// Set when the log has stopped: readers go no further.
    pub(super) stopped: bool,
    pub(super) watchers: Vec<Waker>,
}

impl Tail {
    pub(super) fn last(&self) -> &Arc<Segment> {
        self.segments.last().expect("a log has a segment")
    }

    /// The first index that readers do not get to.
    pub(super) fn end(&self) -> Index {
        if self.stopped { self.durable } else { self.next }
    }

    /// The place that the next entry will stand at.
    pub(super) fn place(&self) -> Waypoint {
        Waypoint { index: self.next, pos: self.pos, epoch: self.epoch, latest: self.latest, sum: self.sum }
    }

    /// Whether something that nobody has started to write waits for its segment to begin.
    pub(super) fn waits_for_segment(&self) -> bool {
        self.filling.iter().any(|chunk| chunk.segment.begun().is_none())
    }

    /// Nobody has ever written to this log: its only segment has no file.
    pub(super) fn is_new(&self) -> bool {
        self.segments.len() == 1 && self.last().begun().is_none()
    }

    pub(super) fn start(&self) -> Index {
        self.segments[0].first
    }

    /// The epoch of an entry of up to `len` bytes, which goes to the last segment if it fits or if that is empty.
    pub(super) fn epoch_for<F: Framing>(&self, len: u64, options: &LogOptions) -> u64 {
        let fits = self.pos.saturating_add(F::MARK_LEN as u64).saturating_add(len) <= options.segment_bytes;
        if fits && !self.rolls || self.next == self.last().first { self.epoch } else { self.epoch + 1 }
    }

    /// Adds a segment that continues the last one. Its file is made by who writes to it.
    pub(super) fn roll<F: Framing>(&mut self, dir: &Path, epoch: u64) {
        self.last().seal(self.place());
        let segment = Arc::new(Segment::new::<F>(dir, epoch, self.last().epoch, self.next));
        let mut segments = Vec::clone(&self.segments);
        segments.push(segment);
        self.segments = Arc::new(segments);
        self.epoch = epoch;
        self.start_of_segment::<F>();
    }

    /// What is so where a segment starts.
    pub(super) fn start_of_segment<F: Framing>(&mut self) {
        (self.pos, self.latest, self.sum, self.rolls) = (body::<F>(), NEVER, 0, false);
        self.waypoint_from = self.pos + STRIDE;
    }

    /// The chunk that the next entry goes to. `len` is what a segment that begins with it must have room for.
    pub(super) fn chunk<F: Framing>(&mut self, framing: &F, len: u64, options: &LogOptions) -> &mut Chunk {
        let segment = self.segments.last().expect("a log has a segment");
        let open = self.filling.last().is_some_and(|chunk| Arc::ptr_eq(&chunk.segment, segment));
        if !open {
            let mark = Mark { epoch: self.epoch, next: self.next, durable: self.durable };
            let reserve = options.segment_bytes.max(self.pos + F::MARK_LEN as u64 + len);
            let run = std::mem::take(&mut self.run);
            self.filling.push(Chunk::new(framing, segment.clone(), self.pos, mark, reserve, run));
            self.pos += F::MARK_LEN as u64;
            self.filling_bytes += F::MARK_LEN as u64;
        }
        self.filling.last_mut().expect("there is one")
    }

    /// Counts an entry whose bytes, `len` of them, were put into the chunk.
    pub(super) fn appended<F: Framing>(&mut self, framing: &F, sealed: &Sealed, len: u64) {
        let mut place = self.place();
        if self.pos >= self.waypoint_from {
            self.last().waypoint(place);
            self.waypoint_from = self.pos + STRIDE;
        }
        place.pass(framing, sealed.head(), sealed.end, len);
        (self.next, self.pos, self.latest, self.sum) = (place.index, place.pos, place.latest, place.sum);
        self.filling_bytes += len;
        self.ticket += 1;
    }
}
