//! The keys of the latest commits: what a validation asks first, and the trail that the collector follows.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

/// What a key costs in here beside its bytes.
const OVERHEAD: usize = 32;

/// The keys that one commit wrote, sorted.
#[derive(Debug)]
pub(super) struct Footprint {
    pub(super) at: u64,
    pub(super) keys: Box<[Bytes]>,
}

impl Footprint {
    fn bytes(&self) -> usize {
        self.keys.iter().map(|key| key.len() + OVERHEAD).sum::<usize>() + OVERHEAD
    }
}

/// Footprints, the oldest first.
#[derive(Debug)]
pub(super) struct History {
    commits: VecDeque<Arc<Footprint>>,
    bytes: usize,
    keys: usize,
    limit: usize,
    /// The footprints of commits up to this one may be gone.
    forgotten: u64,
}

impl History {
    pub(super) fn new(limit: usize, last: u64) -> Self {
        History { commits: VecDeque::new(), bytes: 0, keys: 0, limit, forgotten: last }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    /// Adds the newest commit; gives back how many keys were dropped for want of room, whose garbage nobody will find by
    /// the trail.
    pub(super) fn push(&mut self, footprint: Footprint) -> usize {
        self.bytes += footprint.bytes();
        self.keys += footprint.keys.len();
        self.commits.push_back(Arc::new(footprint));
        let before = self.keys;
        while self.bytes > self.limit && self.pop().is_some() {}
        before - self.keys
    }

    fn pop(&mut self) -> Option<Arc<Footprint>> {
        let footprint = self.commits.pop_front()?;
        self.bytes -= footprint.bytes();
        self.keys -= footprint.keys.len();
        self.forgotten = footprint.at;
        Some(footprint)
    }

    /// Takes the oldest commit out if it is not newer than `horizon`.
    pub(super) fn pop_until(&mut self, horizon: u64) -> Option<Arc<Footprint>> {
        self.is_due(horizon).then(|| self.pop()).flatten()
    }

    /// Whether there is a commit that is not newer than `horizon`.
    pub(super) fn is_due(&self, horizon: u64) -> bool {
        self.commits.front().is_some_and(|oldest| oldest.at <= horizon)
    }

    /// The commits newer than `at`, no more than `limit` of them; none if some are forgotten.
    pub(super) fn since(&self, at: u64, limit: usize) -> Option<Vec<Arc<Footprint>>> {
        if self.forgotten > at {
            return None;
        }
        let first = self.commits.partition_point(|footprint| footprint.at <= at);
        Some(self.commits.range(first..).take(limit).cloned().collect())
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    fn footprint(at: u64, keys: usize) -> Footprint {
        Footprint { at, keys: (0..keys).map(|key| Bytes::from(format!("{key:08}"))).collect() }
    }

    #[test]
    fn what_is_forgotten_is_admitted() {
        // Each takes 72 bytes.
        let mut history = History::new(3 * 72, 10);
        assert_eq!((11..14).map(|at| history.push(footprint(at, 1))).sum::<usize>(), 0);
        assert_eq!(history.since(10, 9).unwrap().len(), 3);
        assert!(history.since(9, 9).is_none(), "older than the store was opened");
        assert_eq!(history.push(footprint(14, 1)), 1);
        assert!(history.since(10, 9).is_none());
        assert_eq!(history.since(11, 9).unwrap().iter().map(|f| f.at).collect::<Vec<_>>(), [12, 13, 14]);
        assert_eq!(history.since(11, 2).unwrap().iter().map(|f| f.at).collect::<Vec<_>>(), [12, 13]);
        assert!(history.since(14, 9).unwrap().is_empty());
        assert!(history.pop_until(11).is_none());
        assert_eq!(history.pop_until(12).unwrap().at, 12);
        assert_eq!((history.keys(), history.bytes()), (2, 144));
        assert_eq!(history.push(footprint(15, 1000)), 1002, "one that has no room is not kept either");
        assert!(history.since(14, 9).is_none() && history.since(15, 9).unwrap().is_empty());
        assert_eq!((history.keys(), history.bytes()), (0, 0));
    }
}
