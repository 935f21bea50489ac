//! Locks of ranges of bytes, kept in memory as an operating system keeps them.

use std::ops::Range;

/// What the lock of a range of bytes shuts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeLock {
    /// Exclusive ones of other handles.
    Shared,
    /// Every one of other handles.
    Exclusive,
}

#[derive(Clone, Debug)]
struct Held {
    owner: u64,
    range: Range<u64>,
    lock: RangeLock,
}

/// The locks of one file.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    held: Vec<Held>,
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

impl Ranges {
    /// Whether others than the owner have a lock there that `lock` does not go with.
    pub(super) fn is_shut(&self, owner: u64, range: &Range<u64>, lock: RangeLock) -> bool {
        let shuts = |held: &Held| lock == RangeLock::Exclusive || held.lock == RangeLock::Exclusive;
        self.held.iter().any(|held| held.owner != owner && overlap(&held.range, range) && shuts(held))
    }

    /// Puts a lock, or none, in place of what the owner has there. False if another's lock is in the way.
    pub(super) fn set(&mut self, owner: u64, range: &Range<u64>, lock: Option<RangeLock>) -> bool {
        if lock.is_some_and(|lock| self.is_shut(owner, range, lock)) {
            return false;
        }
        // What stood there before keeps its ends.
        for held in std::mem::take(&mut self.held) {
            if held.owner != owner || !overlap(&held.range, range) {
                self.held.push(held);
                continue;
            }
            let ends = [held.range.start..range.start, range.end..held.range.end];
            let ends = ends.into_iter().filter(|end| end.start < end.end);
            self.held.extend(ends.map(|range| Held { range, ..held.clone() }));
        }
        self.held.extend(lock.map(|lock| Held { owner, range: range.clone(), lock }));
        true
    }

    /// Ends all that a handle has.
    pub(super) fn end(&mut self, owner: u64) {
        self.held.retain(|held| held.owner != owner);
    }
}
