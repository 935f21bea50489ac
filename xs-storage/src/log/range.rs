//! Where entries lie in their files, found without reading them: for whoever sends them on as they are.
//!
//! A consumer that goes on where it stopped is answered from memory. Its range begins at a place that is known: the last
//! range ended there. It ends at a waypoint or at the log's end. Only who begins somewhere else, or must stop somewhere
//! else, has up to a stride of the file walked for it, once: the place is remembered.

use std::collections::VecDeque;
use std::sync::Arc;

use xs_os::vfs::Open;

use super::framing::Framing;
use super::reader::FileRange;
use super::segment::{NEVER, STRIDE, Segment, Waypoint};
use super::shared::Shared;
use super::turn::Goal;
use super::walk::{Step, Walk};
use super::{Index, SegmentInfo};
use crate::{Error, Result};

/// So many places are remembered, of the consumers that asked last.
const REMEMBERED: usize = 256;

/// Places that are no waypoints, and were found nevertheless, by their segments.
#[derive(Debug, Default)]
pub(super) struct Places(VecDeque<(Arc<Segment>, Waypoint)>);

impl Places {
    fn find(&self, segment: &Arc<Segment>, index: Index) -> Option<Waypoint> {
        let found = self.0.iter().rev().find(|(of, at)| at.index == index && Arc::ptr_eq(of, segment));
        found.map(|(_, at)| *at)
    }

    fn remember(&mut self, segment: &Arc<Segment>, at: Waypoint) {
        if self.find(segment, at.index).is_some() {
            return;
        }
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((segment.clone(), at));
    }

    /// Lets go of segments that are no longer in the log.
    pub(super) fn forget(&mut self, gone: &[Arc<Segment>]) {
        self.0.retain(|(of, _)| !gone.iter().any(|gone| Arc::ptr_eq(gone, of)));
    }
}

/// A segment of a log, the index behind it, and where in it the walk may end.
struct Part<'a> {
    segment: &'a Arc<Segment>,
    /// Entries that reach behind this index are none of it.
    limit: Index,
    /// The place of the limit, if that is known.
    end: Option<Waypoint>,
}

impl<F: Framing> Shared<F> {
    /// Entries that lie together in one file: from the one that spans `from`, or the first behind it, up to those that
    /// end at or before `upto`; about `limit` bytes, and one entry at least. None if there are none.
    pub(super) fn range(&self, from: Index, upto: Index, limit: u64) -> Result<Option<FileRange>> {
        let (segments, upto, tail) = {
            let tail = self.tail.lock();
            (tail.segments.clone(), upto.min(tail.end()), tail.place())
        };
        let mut from = from.max(segments[0].first);
        while from < upto {
            let at = segments.partition_point(|segment| segment.first <= from).max(1) - 1;
            let part = self.part(&segments, at, upto, tail)?;
            if let Some(start) = self.range_start(&part, from)? {
                let end = self.range_end(&part, start, limit)?;
                // An entry that reaches behind `upto` begins at a known place as well.
                if end.pos > start.pos {
                    return self.handed(part.segment, start, end).map(Some);
                }
            }
            match segments.get(at + 1) {
                Some(next) => from = next.first,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    fn part<'a>(&self, segments: &'a [Arc<Segment>], at: usize, upto: Index, tail: Waypoint) -> Result<Part<'a>> {
        let segment = &segments[at];
        let (limit, end) = match segments.get(at + 1) {
            Some(next) => (next.first, self.learn(segment, next.first)?),
            None => (tail.index, Some(tail)),
        };
        // An end behind the limit is that of entries that were cut off since.
        let end = end.filter(|end| end.index <= limit && limit <= upto);
        Ok(Part { segment, limit: limit.min(upto), end })
    }

    /// The place of the first entry that ends behind `from`.
    fn range_start(&self, part: &Part<'_>, from: Index) -> Result<Option<Waypoint>> {
        if part.end.is_some_and(|end| from >= end.index) {
            return Ok(None);
        }
        let before = part.segment.before(from);
        if before.index == from {
            return Ok(Some(before));
        }
        let remembered = self.places.lock().find(part.segment, from);
        if remembered.is_some() {
            return Ok(remembered);
        }
        let mut found = None;
        self.walk(part.segment, before, part.limit, &mut |at, entry| {
            if entry.end > from {
                found = Some(Waypoint { index: entry.index, ..at });
            }
            found.is_none()
        })?;
        Ok(found)
    }

    /// The place behind entries of about `limit` bytes, one at least.
    fn range_end(&self, part: &Part<'_>, start: Waypoint, limit: u64) -> Result<Waypoint> {
        if let Some(end) = part.end.filter(|end| end.pos - start.pos <= limit) {
            return Ok(end);
        }
        let most = start.pos.saturating_add(limit);
        let within = part.segment.last_within(start.pos, most, part.limit);
        // A waypoint less is given for a look at the file, unless that is a large part of what was asked for.
        if limit >= STRIDE {
            let known = within.or_else(|| part.segment.first_behind(start.pos, part.limit)).or(part.end);
            if let Some(known) = known {
                return Ok(known);
            }
        }
        let mut stop = within.unwrap_or(start);
        self.walk(part.segment, stop, part.limit, &mut |_, entry| {
            let first = stop.pos == start.pos;
            let fits = first || entry.behind.pos <= most;
            if fits {
                stop = entry.behind;
            }
            fits
        })?;
        Ok(stop)
    }

    /// The range from one place to another, in the file.
    fn handed(&self, segment: &Arc<Segment>, start: Waypoint, end: Waypoint) -> Result<FileRange> {
        self.places.lock().remember(segment, end);
        let waits = if segment.begun().is_some() { segment.written() < end.pos } else { self.in_memory(segment) };
        if waits {
            let ticket = self.tail.lock().ticket;
            self.settle(Goal::Written(ticket))?;
        }
        let file = segment.open::<F>(&*self.vfs, Open::Read)?.clone();
        Ok(FileRange::new(file, segment.clone(), start, end))
    }

    /// Walks over entries of a segment, as long as `each` says so and they end at or before `limit`.
    fn walk(
        &self,
        segment: &Segment,
        from: Waypoint,
        limit: Index,
        each: &mut dyn FnMut(Waypoint, Passed) -> bool,
    ) -> Result<()> {
        let mut walk = Walk::new(from);
        loop {
            let at = walk.at;
            if at.index >= limit {
                return Ok(());
            }
            match walk.step(&self.framing, &mut |pos, len| self.read(segment, pos, len))? {
                Step::Entry { index, end, payload } => {
                    let time = self.framing.time(&payload);
                    if end > limit || !each(at, Passed { index, end, time, behind: walk.at }) {
                        return Ok(());
                    }
                }
                Step::Mark(_) => {}
                Step::End => return Ok(()),
                Step::Damaged(what) => {
                    let what = format!("{what}, where entry {} was", at.index);
                    return Err(Error::corrupt(&segment.path, at.pos, what));
                }
            }
        }
    }

    pub(super) fn segments(&self) -> Result<Vec<SegmentInfo>> {
        let (segments, tail) = {
            let tail = self.tail.lock();
            (tail.segments.clone(), tail.place())
        };
        let info = |(at, segment): (usize, &Arc<Segment>)| {
            let (behind, end) = match segments.get(at + 1) {
                Some(next) => (next.first, self.learn(segment, next.first)?),
                None => (tail.index, Some(tail)),
            };
            let bytes = end.map(|end| end.pos).or_else(|| segment.len(&*self.vfs)).unwrap_or(0);
            let latest = end.map(|end| end.latest).filter(|latest| *latest != NEVER);
            Ok(SegmentInfo { first: segment.first, end: behind, bytes, latest })
        };
        segments.iter().enumerate().map(info).collect()
    }

    /// The first entry at or behind `from` that says of itself that it is of `time` or later: its first index, and what
    /// it says.
    pub(super) fn first_at(&self, time: i64, from: Index) -> Result<Option<(Index, i64)>> {
        let (segments, upto, tail) = {
            let tail = self.tail.lock();
            (tail.segments.clone(), tail.end(), tail.place())
        };
        for (at, segment) in segments.iter().enumerate() {
            if segments.get(at + 1).is_some_and(|next| next.first <= from) {
                continue;
            }
            let part = self.part(&segments, at, upto, tail)?;
            if part.end.is_some_and(|end| end.latest < time) {
                continue;
            }
            let (in_front, before) = (segment.before(from), segment.before_time(time));
            let start = if before.pos > in_front.pos { before } else { in_front };
            let mut found = None;
            self.walk(segment, start, part.limit, &mut |_, entry| {
                if entry.end > from {
                    found = entry.time.filter(|at| *at >= time).map(|at| (entry.index, at));
                }
                found.is_none()
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// An entry that was come past.
struct Passed {
    index: Index,
    end: Index,
    time: Option<i64>,
    /// The place behind it.
    behind: Waypoint,
}
