//! Reading entries in order, while others append, cut and trim.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use xs_os::vfs::{File, Open};

use super::framing::Framing;
use super::segment::{Segment, Waypoint};
use super::shared::Shared;
use super::turn::Goal;
use super::walk::{Step, Walk};
use super::{Index, Records};
use crate::{Error, Result};

/// An entry as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its first index.
    pub index: Index,
    /// The first index behind it.
    pub end: Index,
    /// Its bytes.
    pub payload: Bytes,
}

/// A place in a log, moving forward. [`Reader::next`] gives entries up to the end, and goes on when more were appended.
///
/// A reader outlives what happens to the log. When the tail is cut off, it still hands out what it knew of, the
/// entries that are gone included, and then ends for good: [`Reader::is_cut`]. Trimmed segments that it knew of stay
/// readable as well; it skips those that came and went while it did not look.
pub struct Reader<F: Framing = Records> {
    log: Arc<Shared<F>>,
    segments: Arc<Vec<Arc<Segment>>>,
    /// Which of the segments the walker is in.
    current: usize,
    timeline: u64,
    /// Entries that end here or before are not asked for.
    from: Index,
    /// As far as this reader knows the log.
    end: Index,
    walk: Walk,
    /// Where in its segment the last entry stands.
    found: u64,
    cut: bool,
}

/// Entries as they lie in a file, to be sent from there without a look at each: of a framing without marks, the very
/// bytes that were appended. They stay what they are for as long as this is held, whatever happens to the log.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: Arc<dyn File>,
    /// Where in it the first entry starts, in bytes.
    pub offset: u64,
    /// The bytes of all of them.
    pub len: u64,
    /// The first entry's index.
    pub index: Index,
    /// The first index behind the last one.
    pub end: Index,
    /// Keeps the segment from being used again.
    _segment: Arc<Segment>,
}

impl FileRange {
    pub(super) fn new(file: Arc<dyn File>, segment: Arc<Segment>, start: Waypoint, end: Waypoint) -> Self {
        let len = end.pos - start.pos;
        FileRange { file, offset: start.pos, len, index: start.index, end: end.index, _segment: segment }
    }

    /// Reads its bytes, for whoever cannot send them from the file.
    ///
    /// # Errors
    /// [`Error::Io`] from the disk.
    pub fn read(&self) -> Result<Bytes> {
        let mut bytes = BytesMut::zeroed(usize::try_from(self.len).unwrap_or(usize::MAX));
        let read = self.file.read_exact_at(&mut bytes, self.offset);
        read.map_err(Error::io("read", &self._segment.path))?;
        Ok(bytes.freeze())
    }
}

impl<F: Framing> Reader<F> {
    pub(super) fn new(log: Arc<Shared<F>>, from: Index) -> Self {
        let (segments, timeline, end) = {
            let tail = log.tail.lock();
            (tail.segments.clone(), tail.timeline, tail.end())
        };
        let from = from.max(segments[0].first);
        let current = segments.partition_point(|segment| segment.first <= from).max(1) - 1;
        let walk = Walk::new(segments[current].before(from.min(end)));
        Reader { log, segments, current, timeline, from, end, walk, found: 0, cut: false }
    }

    /// The next entry; none at the end of what has been appended. After an error from the disk it may be tried again.
    // Not an iterator: that one ends for good at the first `None`, and this one goes on.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            if self.walk.at.index >= self.end && !self.look_again() {
                return Ok(None);
            }
            let limit = match self.segments.get(self.current + 1) {
                Some(next) if self.walk.at.index >= next.first => {
                    // Behind its first index if it was written in the place of what was read: on from there.
                    let at = next.before(self.walk.at.index);
                    self.from = self.from.max(self.walk.at.index);
                    self.current += 1;
                    self.walk.moved(at);
                    continue;
                }
                Some(next) => next.first.min(self.end),
                None => self.end,
            };
            self.skip_known(limit);
            if self.walk.at.index >= limit {
                continue;
            }
            let (log, segment) = (&self.log, &self.segments[self.current]);
            let at = self.walk.at;
            match self.walk.step(&log.framing, &mut |pos, len| log.read(segment, pos, len))? {
                Step::Mark(_) => {}
                Step::Entry { index, end, payload } => {
                    if end > limit {
                        // An entry that spans the cut went with it; of one that has parts, some are left.
                        let left = log.framing.distance(index, limit);
                        self.walk.at.index = limit;
                        let Some(left) = left else { continue };
                        self.walk.at.pos = at.pos + left;
                    }
                    segment.waypoint(at);
                    self.found = at.pos;
                    if let Some(entry) = self.wanted(index, end.min(limit), payload) {
                        return Ok(Some(entry));
                    }
                }
                Step::End if !F::DENSE && self.current + 1 < self.segments.len() => self.walk.at.index = limit,
                Step::End => {
                    let what = format!("entries {} to {limit} are missing", at.index);
                    return Err(Error::corrupt(&segment.path, at.pos, what));
                }
                Step::Damaged(what) => {
                    return Err(Error::corrupt(&segment.path, at.pos, format!("{what}, where entry {} was", at.index)));
                }
            }
        }
    }

    /// The next entries that lie together in one file, as many as have `limit` bytes, and one at least; none at the end.
    ///
    /// # Errors
    /// Those of [`Reader::next`], and [`Error::Stopped`] if the entries cannot be written to their file any more.
    pub fn next_range(&mut self, limit: u64) -> Result<Option<FileRange>> {
        let Some(Entry { index, mut end, .. }) = self.next()? else { return Ok(None) };
        let (segment, offset) = (self.segments[self.current].clone(), self.found);
        let mut behind = self.walk.at.pos;
        while behind - offset < limit {
            let (walk, current, segments) = (self.walk.clone(), self.current, self.segments.clone());
            // What fails now fails again when it is asked for first.
            let more = self.next().ok().flatten().filter(|_| Arc::ptr_eq(&self.segments[self.current], &segment));
            match more.filter(|_| self.walk.at.pos - offset <= limit) {
                Some(entry) => (end, behind) = (entry.end, self.walk.at.pos),
                None => {
                    (self.walk, self.current, self.segments) = (walk, current, segments);
                    break;
                }
            }
        }
        if segment.written() < behind {
            let ticket = self.log.tail.lock().ticket;
            self.log.settle(Goal::Written(ticket))?;
        }
        let file = segment.open::<F>(&*self.log.vfs, Open::Read)?.clone();
        Ok(Some(FileRange { file, offset, len: behind - offset, index, end, _segment: segment }))
    }

    /// Whether the tail of the log was cut off since this reader was made: then it ends with what it knew.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Where a framing can tell without reading, goes straight to the first entry that is asked for.
    fn skip_known(&mut self, limit: Index) {
        let mut at = self.walk.at;
        let to = self.from.min(limit);
        if at.index < to
            && let Some(distance) = self.log.framing.distance(at.index, to)
        {
            (at.index, at.pos) = (to, at.pos + distance);
            self.walk.moved(at);
        }
    }

    /// The part of an entry that is asked for.
    fn wanted(&self, index: Index, end: Index, payload: Bytes) -> Option<Entry> {
        if end <= self.from {
            return None;
        }
        let upto = self.log.framing.distance(index, end).map_or(payload.len(), |len| len as usize);
        Some(Entry { index, end, payload: payload.slice(..upto.min(payload.len())) })
    }

    /// Looks whether the log has grown since the last look.
    fn look_again(&mut self) -> bool {
        let tail = self.log.tail.lock();
        if self.cut || tail.timeline != self.timeline {
            self.cut = true;
            return false;
        }
        // Segments that were trimmed meanwhile are missing in front.
        let current = &self.segments[self.current];
        let (epoch, generation) = (current.epoch, current.generation);
        match tail.segments.iter().position(|segment| Arc::ptr_eq(segment, current)) {
            Some(at) => {
                self.current = at;
                self.segments = tail.segments.clone();
            }
            None => {
                let behind = |segment: &&Arc<Segment>| (segment.epoch, segment.generation) > (epoch, generation);
                let behind = tail.segments.iter().filter(behind);
                let mut segments = vec![self.segments[self.current].clone()];
                segments.extend(behind.cloned());
                // Segments that this reader never heard of were trimmed, too: it goes on with the first there is.
                if let Some(next) = segments.get(1).filter(|next| next.previous != epoch) {
                    self.walk.at.index = self.walk.at.index.max(next.first);
                }
                (self.current, self.segments) = (0, Arc::new(segments));
            }
        }
        let end = tail.end();
        let grown = end > self.end && end > self.walk.at.index;
        self.end = self.end.max(end);
        grown
    }
}

impl<F: Framing> fmt::Debug for Reader<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("at", &self.walk.at.index).field("end", &self.end).finish_non_exhaustive()
    }
}

/// Resolves when the log has an entry at or behind an index, is cut, or has stopped. Look again then: it may be either.
#[must_use = "futures do nothing unless they are polled"]
pub struct Grown<F: Framing = Records> {
    pub(super) log: Arc<Shared<F>>,
    pub(super) past: Index,
    pub(super) timeline: u64,
}

impl<F: Framing> Future for Grown<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut tail = self.log.tail.lock();
        if tail.next > self.past || tail.stopped || tail.timeline != self.timeline {
            return Poll::Ready(());
        }
        if !tail.watchers.iter().any(|waker| waker.will_wake(cx.waker())) {
            tail.watchers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl<F: Framing> fmt::Debug for Grown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grown").field("past", &self.past).finish_non_exhaustive()
    }
}
