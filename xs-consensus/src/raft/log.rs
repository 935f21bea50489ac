//! The log as the core sees it: what is durable behind a [`LogView`], and the tail that is not, or not for long.
//!
//! ```text
//!     LogView                      │  tail, in memory
//!   ┌────────────┬─────────────────┼──────────────────┬──────────────────┬───────────────┐
//!   │ compacted  │  durable        │  durable, cached │  in a `Persist`  │  not yet      │
//!   └────────────┴─────────────────┴──────────────────┴──────────────────┴───────────────┘
//!           before.0               offset          stable             handed            last
//! ```

use std::collections::VecDeque;

use super::error::{Bounds, Lookup};
use super::{Entry, Index, SnapshotMeta, Term};

/// What is durable, as far as the core has been told so by [`Raft::persisted`](super::Raft::persisted); it may show more.
///
/// An answer never waits: what would need the disk is fetched behind the scenes, and the answer for now is
/// [`Lookup::NotAtHand`].
pub trait LogView {
    /// Where the log begins and ends.
    fn bounds(&self) -> Bounds;

    /// The term of an entry within the bounds (`before` included).
    fn term(&self, index: Index) -> Lookup<Term>;

    /// Puts the entries from `from` to `to`, both included, into `into`: the first one, and then more while all together
    /// count no more than `max_bytes` ([`Entry::size`]).
    fn entries(&self, from: Index, to: Index, max_bytes: usize, into: &mut Vec<Entry>) -> Lookup<()>;

    /// The newest snapshot, if there is one: it can be sent to a follower.
    fn snapshot(&self) -> Option<SnapshotMeta>;
}

#[derive(Debug)]
pub(super) struct RaftLog<L> {
    pub(super) view: L,
    tail: VecDeque<Entry>,
    /// The place of the tail's first entry, or the one behind the last if it is empty.
    offset: Index,
    last: (Index, Term),
    /// Up to here entries have been put into a `Persist`.
    handed: Index,
    /// Up to here they are durable.
    stable: Index,
    tail_bytes: usize,
    cache_bytes: usize,
    /// A snapshot that takes the log's place and is not durable yet.
    pub(super) restoring: Option<SnapshotMeta>,
}

impl<L: LogView> RaftLog<L> {
    pub(super) fn new(view: L, cache_bytes: usize) -> Self {
        let last = view.bounds().last;
        let (tail, offset) = (VecDeque::new(), last.0.next());
        let (handed, stable) = (last.0, last.0);
        RaftLog { view, tail, offset, last, handed, stable, tail_bytes: 0, cache_bytes, restoring: None }
    }

    pub(super) fn last(&self) -> (Index, Term) {
        self.last
    }

    pub(super) fn stable(&self) -> Index {
        self.stable
    }

    /// The index and term in front of the first entry.
    pub(super) fn before(&self) -> (Index, Term) {
        match &self.restoring {
            Some(meta) => (meta.index, meta.term),
            None => self.view.bounds().before,
        }
    }

    /// The term at an index up to the last one.
    pub(super) fn term(&self, index: Index) -> Lookup<Term> {
        if index == self.last.0 {
            return Lookup::Found(self.last.1);
        }
        if index >= self.offset {
            let entry = self.tail.get((index.0 - self.offset.0) as usize);
            return entry.map_or(Lookup::Compacted, |entry| Lookup::Found(entry.term));
        }
        if index.0 == 0 {
            return Lookup::Found(Term(0));
        }
        match &self.restoring {
            Some(meta) if meta.index == index => Lookup::Found(meta.term),
            Some(_) => Lookup::Compacted,
            None => self.view.term(index),
        }
    }

    /// Entries from `from` on, up to `to`: at least one, and then as many as `max_bytes` allow.
    pub(super) fn entries(&self, from: Index, to: Index, max_bytes: usize, into: &mut Vec<Entry>) -> Lookup<()> {
        if from > to {
            return Lookup::Found(());
        }
        let before = into.len();
        let mut bytes = 0;
        let mut from = from;
        if from < self.offset {
            if self.restoring.is_some() {
                return Lookup::Compacted;
            }
            let durable = self.view.entries(from, to.min(self.offset.before()), max_bytes, into);
            let last = into.get(before..).and_then(|found| found.last()).map(|entry| entry.index);
            if durable != Lookup::Found(()) || last != Some(self.offset.before()) {
                return durable;
            }
            bytes = into[before..].iter().map(Entry::size).sum();
            from = self.offset;
        }
        if from > to {
            return Lookup::Found(());
        }
        let start = (from.0 - self.offset.0) as usize;
        let end = ((to.0 - self.offset.0) as usize + 1).min(self.tail.len());
        let fitting = self.tail.range(start..end).take_while(|entry| {
            bytes += entry.size();
            bytes <= max_bytes
        });
        let least = usize::from(into.len() == before);
        let count = fitting.count().max(least).min(end - start);
        into.reserve_exact(count);
        into.extend(self.tail.range(start..start + count).cloned());
        Lookup::Found(())
    }

    pub(super) fn push(&mut self, entry: Entry) {
        debug_assert_eq!(entry.index, self.last.0.next());
        self.last = (entry.index, entry.term);
        self.tail_bytes += entry.size();
        self.tail.push_back(entry);
    }

    /// Cuts off the entry at `index` and all behind it; `term` is that of the entry in front.
    pub(super) fn truncate_from(&mut self, index: Index, term: Term) {
        while self.offset.0 + self.tail.len() as u64 > index.0 {
            let Some(entry) = self.tail.pop_back() else { break };
            self.tail_bytes -= entry.size();
        }
        self.offset = self.offset.min(index);
        self.last = (index.before(), term);
        self.handed = self.handed.min(self.last.0);
        self.stable = self.stable.min(self.last.0);
    }

    /// Whether there are entries that no `Persist` has.
    pub(super) fn has_unhanded(&self) -> bool {
        self.handed < self.last.0
    }

    /// The entries that no `Persist` has; they count as handed out from here on.
    pub(super) fn hand_out(&mut self) -> Vec<Entry> {
        let start = (self.handed.next().0 - self.offset.0) as usize;
        self.handed = self.last.0;
        self.tail.range(start..).cloned().collect()
    }

    /// Entries up to `index` are durable.
    pub(super) fn mark_stable(&mut self, index: Index) {
        self.stable = self.stable.max(index);
        self.trim();
    }

    fn trim(&mut self) {
        while self.tail_bytes > self.cache_bytes && self.offset <= self.stable {
            let Some(entry) = self.tail.pop_front() else { break };
            self.tail_bytes -= entry.size();
            self.offset = self.offset.next();
        }
    }

    /// The log becomes empty behind a snapshot.
    pub(super) fn restore(&mut self, meta: SnapshotMeta) {
        self.tail.clear();
        self.tail_bytes = 0;
        self.offset = meta.index.next();
        self.last = (meta.index, meta.term);
        self.handed = meta.index;
        self.stable = Index(0);
        self.restoring = Some(meta);
    }

    /// The last place up to `index` whose term is at most `term`: behind it the logs can't agree.
    pub(super) fn agreement(&self, index: Index, term: Term) -> Lookup<(Index, Term)> {
        let mut index = index.min(self.last.0);
        loop {
            match self.term(index) {
                Lookup::Found(found) if found <= term => return Lookup::Found((index, found)),
                Lookup::Found(_) => index = index.before(),
                Lookup::Compacted => return Lookup::Compacted,
                Lookup::NotAtHand => return Lookup::NotAtHand,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryLog;
    use super::super::Payload;
    use super::*;

    fn entry(index: u64, term: u64) -> Entry {
        Entry { index: Index(index), term: Term(term), payload: Payload::Noop }
    }

    fn log(cache: usize, terms: &[u64]) -> RaftLog<MemoryLog> {
        let memory = MemoryLog::new();
        let mut log = RaftLog::new(memory, cache);
        for (at, term) in terms.iter().enumerate() {
            log.push(entry(at as u64 + 1, *term));
        }
        log
    }

    /// Everything handed out becomes durable.
    fn persist(log: &mut RaftLog<MemoryLog>) {
        let entries = log.hand_out();
        log.view.write(&entries);
        log.mark_stable(log.last().0);
    }

    fn all(log: &RaftLog<MemoryLog>) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let mut from = log.before().0.next();
        while from <= log.last().0 {
            let before = found.len();
            assert_eq!(log.entries(from, log.last().0, usize::MAX, &mut found), Lookup::Found(()));
            assert!(found.len() > before);
            from = found.last().unwrap().index.next();
        }
        found.iter().map(|e| (e.index.0, e.term.0)).collect()
    }

    #[test]
    fn reading_joins_what_is_durable_and_what_is_not() {
        let mut log = log(0, &[1, 1, 2]);
        assert_eq!(log.stable(), Index(0));
        persist(&mut log);
        assert!(log.tail.is_empty(), "no cache");
        log.push(entry(4, 2));
        assert_eq!(all(&log), [(1, 1), (2, 1), (3, 2), (4, 2)]);
        assert_eq!(log.term(Index(2)), Lookup::Found(Term(1)));
        assert_eq!(log.stable(), Index(3));
    }

    #[test]
    fn cutting_off_reaches_into_what_is_durable_and_the_old_entries_are_not_seen_again() {
        let mut log = log(0, &[1, 1, 1, 1]);
        persist(&mut log);
        log.truncate_from(Index(2), Term(1));
        log.push(entry(2, 3));
        assert_eq!(all(&log), [(1, 1), (2, 3)]);
        assert_eq!((log.stable(), log.last()), (Index(1), (Index(2), Term(3))));
        let entries = log.hand_out();
        assert_eq!(entries, [entry(2, 3)]);
    }

    #[test]
    fn the_cache_keeps_no_more_than_it_may_and_never_drops_what_is_not_durable() {
        let mut log = log(2 * entry(1, 1).size(), &[1; 10]);
        assert_eq!(log.tail.len(), 10);
        persist(&mut log);
        assert_eq!(log.tail.len(), 2);
        assert_eq!(all(&log).len(), 10);
    }

    #[test]
    fn agreement_goes_back_a_whole_term_at_a_time() {
        let log = log(0, &[1, 1, 4, 4, 4, 5, 5]);
        assert_eq!(log.agreement(Index(9), Term(3)), Lookup::Found((Index(2), Term(1))));
        assert_eq!(log.agreement(Index(6), Term(4)), Lookup::Found((Index(5), Term(4))));
        assert_eq!(log.agreement(Index(6), Term(0)), Lookup::Found((Index(0), Term(0))));
    }

    #[test]
    fn limits_give_one_entry_at_least() {
        let log = log(0, &[1, 1, 1]);
        let mut found = Vec::new();
        let _ = log.entries(Index(1), Index(3), 0, &mut found);
        assert_eq!(found.len(), 1);
        found.clear();
        let _ = log.entries(Index(1), Index(3), 2 * entry(1, 1).size(), &mut found);
        assert_eq!(found.len(), 2);
    }
}
