//! Where the entries stand: an index to its term and its position in the log of records, as runs.
//!
//! Entries that were appended one behind the other in one term are one run, of 24 bytes. A new term, a record of another
//! kind in between, and a cut begin another, so a log of millions of entries is a handful of runs.

use crate::raft::{Bounds, Index, Term};

/// Entries one behind the other: of one term, at positions one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: Index,
    term: Term,
    position: u64,
}

/// Marks of the size that are kept; if there were more, every other one goes.
const MAX_MARKS: usize = 4096;

/// The places of all entries behind `before`.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    before: (Index, Term),
    last: (Index, Term),
    runs: Vec<Run>,
    /// Bytes of all entries that were ever put, those that were cut off again roughly taken out; and what it was in front
    /// of some entries, ascending.
    bytes: u64,
    marks: Vec<(Index, u64)>,
    /// So many bytes of entries lie between two marks, at least.
    spacing: u64,
}

/// So many bytes lie between two marks at first.
const SPACING: u64 = 1 << 10;

impl Places {
    /// None, behind a place.
    pub(super) fn behind(before: (Index, Term)) -> Self {
        Places { before, last: before, spacing: SPACING, ..Places::default() }
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { before: self.before, last: self.last }
    }

    /// An entry of so many bytes stands at a position. What stood at its index and behind it goes; false if that leaves a
    /// hole.
    pub(super) fn put(&mut self, index: Index, term: Term, position: u64, bytes: u64) -> bool {
        if index <= self.before.0 || index > self.last.0.next() {
            return false;
        }
        self.truncate_from(index);
        let continues = self
            .runs
            .last()
            .is_some_and(|run| run.term == term && position.checked_sub(run.position) == Some(index.0 - run.first.0));
        if !continues {
            self.runs.push(Run { first: index, term, position });
        }
        self.last = (index, term);
        if self.marks.last().is_none_or(|(_, marked)| self.bytes - marked >= self.spacing) {
            self.marks.push((index, self.bytes));
            if self.marks.len() > MAX_MARKS {
                let mut odd = false;
                self.marks.retain(|_| {
                    odd = !odd;
                    odd
                });
                self.spacing *= 2;
            }
        }
        self.bytes += bytes;
        true
    }

    /// How many bytes the entries behind `index` have, give or take the distance of two marks.
    pub(super) fn bytes_behind(&self, index: Index) -> u64 {
        let at = self.marks.partition_point(|(at, _)| *at <= index).saturating_sub(1);
        let marked = self.marks.get(at).map_or(self.bytes, |(_, marked)| *marked);
        if index >= self.last.0 { 0 } else { self.bytes - marked }
    }

    fn truncate_from(&mut self, index: Index) {
        if index > self.last.0 {
            return;
        }
        while self.runs.last().is_some_and(|run| run.first >= index) {
            self.runs.pop();
        }
        let term = self.runs.last().map_or(self.before.1, |run| run.term);
        self.last = (index.before(), term);
        while let Some((_, marked)) = self.marks.pop_if(|(at, _)| *at >= index) {
            self.bytes = marked;
        }
    }

    /// Forgets entries up to `to`, which is one of them.
    pub(super) fn compact(&mut self, to: Index) {
        let Some((term, _)) = self.find(to) else { return };
        // The run that the next entry is in; another one than that of `to`, perhaps.
        let keep = self.runs.partition_point(|run| run.first <= to.next()).saturating_sub(1);
        self.runs.drain(..keep);
        if let Some(first) = self.runs.first_mut() {
            first.position += to.next().0 - first.first.0;
            first.first = to.next();
        }
        if to == self.last.0 {
            self.runs.clear();
            self.marks.clear();
        }
        let keep = self.marks.partition_point(|(at, _)| *at <= to).saturating_sub(1);
        self.marks.drain(..keep);
        self.before = (to, term);
    }

    /// The term of the place in front of the first entry has become known.
    pub(super) fn learn_front(&mut self, term: Term) {
        self.before.1 = term;
        if self.last.0 == self.before.0 {
            self.last.1 = term;
        }
    }

    /// The term and the position of an entry.
    pub(super) fn find(&self, index: Index) -> Option<(Term, u64)> {
        if index <= self.before.0 || index > self.last.0 {
            return None;
        }
        let at = self.runs.partition_point(|run| run.first <= index).checked_sub(1)?;
        let run = self.runs[at];
        Some((run.term, run.position + (index.0 - run.first.0)))
    }

    /// The term of an entry, or of the place in front of the first.
    pub(super) fn term(&self, index: Index) -> Option<Term> {
        if index == self.before.0 { Some(self.before.1) } else { self.find(index).map(|(term, _)| term) }
    }

    /// The position of the first entry that is there.
    pub(super) fn first_position(&self) -> Option<u64> {
        self.runs.first().map(|run| run.position)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_log_is_a_few_runs() {
        let mut places = Places::default();
        for n in 1..=1000 {
            assert!(places.put(Index(n), Term(1 + n / 400), n + 5, 1000));
        }
        assert_eq!(places.runs.len(), 3);
        assert_eq!(places.bytes_behind(Index(0)), 1_000_000);
        assert_eq!(places.find(Index(400)), Some((Term(2), 405)));
        places.compact(Index(500));
        assert!(places.bytes_behind(Index(500)).abs_diff(500_000) <= 2 * SPACING);
        assert!(places.bytes_behind(Index(900)).abs_diff(100_000) <= 2 * SPACING);
        assert_eq!(places.bytes_behind(Index(1000)), 0);
        assert!(!places.put(Index(1002), Term(9), 2000, 1), "a hole");
    }

    proptest! {
        /// Against a map of every entry.
        #[test]
        fn runs_are_what_a_map_is(calls in vec((0_u8..10, 1_u64..12, 0_u64..3), 1..80)) {
            let (mut places, mut map) = (Places::default(), BTreeMap::<u64, (u64, u64)>::new());
            let (mut before, mut position, mut term) = ((0, 0), 0, 1);
            for (kind, draw, more) in calls {
                position += more;
                let last = map.last_key_value().map_or(before.0, |(index, _)| *index);
                if kind < 8 {
                    // Mostly behind the last, sometimes a cut.
                    let index = if kind < 6 { last + 1 } else { last.saturating_sub(draw).max(before.0) + 1 };
                    term += u64::from(kind > 4);
                    map.split_off(&index);
                    map.insert(index, (term, position));
                    prop_assert!(places.put(Index(index), Term(term), position, 1));
                } else if let Some((term, _)) = map.get(&(before.0 + draw)) {
                    before = (before.0 + draw, *term);
                    map = map.split_off(&(before.0 + 1));
                    places.compact(Index(before.0));
                }
                position += 1;
                let last = map.last_key_value().map_or(before, |(index, (term, _))| (*index, *term));
                let expected = Bounds {
                    before: (Index(before.0), Term(before.1)),
                    last: (Index(last.0), Term(last.1)),
                };
                prop_assert_eq!(places.bounds(), expected);
                for index in 0..=last.0 + 1 {
                    let found = map.get(&index).map(|(term, position)| (Term(*term), *position));
                    prop_assert_eq!(places.find(Index(index)), found);
                }
                prop_assert_eq!(places.first_position(), map.first_key_value().map(|(_, (_, position))| *position));
            }
        }
    }
}
