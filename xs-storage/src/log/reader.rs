//! Reading entries in order, while others append, cut and trim.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::framing::Framing;
use super::segment::Segment;
use super::shared::Shared;
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
/// entries that are gone included, and then ends for good: [`Reader::is_cut`]. Trimmed segments stay readable as well.
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
    cut: bool,
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
        Reader { log, segments, current, timeline, from, end, walk, cut: false }
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
                    self.current += 1;
                    self.walk.moved(next.before(next.first));
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
                    if end > limit && log.framing.distance(index, limit).is_none() {
                        // An entry that spans the cut went with it.
                        self.walk.at.index = limit;
                        continue;
                    }
                    segment.waypoint(at);
                    if let Some(entry) = self.wanted(index, end.min(limit), payload) {
                        self.walk.at.index = entry.end;
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
        let epoch = self.segments[self.current].epoch;
        match tail.segments.iter().position(|segment| segment.epoch == epoch) {
            Some(at) => {
                self.current = at;
                self.segments = tail.segments.clone();
            }
            None => {
                let behind = tail.segments.iter().filter(|segment| segment.epoch > epoch);
                let mut segments = vec![self.segments[self.current].clone()];
                segments.extend(behind.cloned());
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
