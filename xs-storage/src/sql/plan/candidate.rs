//! The ways to one table's rows, and what each costs: SQLite's loops, by SQLite's estimates.
//!
//! A way uses some conditions and needs the tables that those compare with. What another way does better in every respect is not
//! kept. Which of the rest is taken depends on the tables that come before, and is the search's business.

use super::logest::LogEst;

/// A condition, and which of its comparisons.
pub(super) type Use = (usize, usize);

#[derive(Clone, Debug)]
pub(super) enum Way {
    Scan,
    /// Through the table by its rowid, or through an index.
    Tree {
        index: Option<usize>,
        equal: Vec<Use>,
        low: Option<Use>,
        high: Option<Use>,
    },
    /// Through an index that is made for it.
    Automatic(Vec<Use>),
    /// By what any of a condition's alternatives leads to.
    Union {
        term: usize,
        branches: Vec<Candidate>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) slot: usize,
    /// The tables that come before.
    pub(super) prereq: u64,
    pub(super) setup: LogEst,
    pub(super) run: LogEst,
    pub(super) out: LogEst,
    pub(super) terms: Vec<usize>,
    pub(super) way: Way,
    /// The index whose order may be worth something; 0 for none.
    pub(super) sort: usize,
    pub(super) one_row: bool,
    /// The table itself is not read.
    pub(super) covering: bool,
    pub(super) has_equal: bool,
    pub(super) has_in: bool,
}

impl Candidate {
    pub(super) fn new(slot: usize, prereq: u64, way: Way) -> Candidate {
        Candidate {
            slot,
            prereq,
            setup: 0,
            run: 0,
            out: 0,
            terms: Vec::new(),
            way,
            sort: 0,
            one_row: false,
            covering: false,
            has_equal: false,
            has_in: false,
        }
    }

    /// One row, by all of a key.
    pub(super) fn single(index: Option<usize>, equal: Vec<Use>, covering: bool) -> Candidate {
        let terms = equal.iter().map(|(term, _)| *term).collect();
        let way = Way::Tree { index, equal, low: None, high: None };
        Candidate { terms, one_row: true, covering, has_equal: true, ..Candidate::new(0, 0, way) }
    }

    pub(super) fn is_automatic(&self) -> bool {
        matches!(self.way, Way::Automatic(_))
    }

    fn is_indexed(&self) -> bool {
        matches!(self.way, Way::Tree { index: Some(_), .. })
    }

    /// Whether it does with fewer of the other's conditions, for less.
    fn is_cheaper_part_of(&self, other: &Candidate) -> bool {
        self.terms.len() < other.terms.len()
            && !(self.run > other.run && self.out > other.out)
            && self.terms.iter().all(|term| other.terms.contains(term))
            && (other.covering || !self.covering)
    }
}

/// The ways that were found.
pub(super) struct Pool {
    pub(super) all: Vec<Candidate>,
    /// All are wanted, of an alternative.
    pub(super) plain: bool,
    /// How many more may be looked at: conditions and columns multiply.
    pub(super) left: usize,
}

impl Pool {
    pub(super) fn new(plain: bool, left: usize) -> Pool {
        Pool { all: Vec::new(), plain, left }
    }

    pub(super) fn add(&mut self, mut new: Candidate) {
        self.left = self.left.saturating_sub(1);
        if self.plain {
            if !new.terms.is_empty() {
                self.all.push(new);
            }
            return;
        }
        if new.is_indexed() {
            for old in self.all.iter().filter(|old| old.slot == new.slot && old.is_indexed()) {
                if old.is_cheaper_part_of(&new) {
                    new.run = new.run.min(old.run);
                    new.out = new.out.min(old.out - 1);
                } else if new.is_cheaper_part_of(old) {
                    new.run = new.run.max(old.run);
                    new.out = new.out.max(old.out + 1);
                }
            }
        }
        let Some(at) = self.lesser(0, &new) else { return };
        if at == self.all.len() {
            self.all.push(new);
            return;
        }
        let mut next = at + 1;
        while let Some(other) = self.lesser(next, &new) {
            if other == self.all.len() {
                break;
            }
            self.all.remove(other);
            next = other;
        }
        self.all[at] = new;
    }

    /// The first way from a place on that a new one is better than; the end, if it is one of its own; none if it is no use.
    fn lesser(&self, from: usize, new: &Candidate) -> Option<usize> {
        for (at, old) in self.all.iter().enumerate().skip(from) {
            if old.slot != new.slot || old.sort != new.sort {
                continue;
            }
            let needs_less = new.prereq & !old.prereq == 0;
            if old.is_automatic() && new.is_indexed() && new.has_equal && needs_less {
                return Some(at);
            }
            let no_more = old.prereq & !new.prereq == 0;
            if no_more && old.setup <= new.setup && old.run <= new.run && old.out <= new.out {
                return None;
            }
            if needs_less && old.run >= new.run && old.out >= new.out {
                return Some(at);
            }
        }
        Some(self.all.len())
    }
}
