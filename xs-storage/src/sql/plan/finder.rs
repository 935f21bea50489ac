//! The ways to one table's rows, found by what is known of its trees and of the conditions.

use super::candidate::{Candidate, Pool, Use, Way};
use super::either;
use super::logest::{self, LogEst};
use super::stats::{Statistics, TreeStatistics};
use super::term::{Op, Probe, Term};
use super::{Slots, bit};
use crate::sql::store::Store;

/// Looks for the ways to one slot.
pub(super) struct Finder<'a, 'q, S: Store> {
    pub(super) slots: &'a Slots<'a, 'q, S>,
    pub(super) terms: &'a [Term<S>],
    pub(super) slot: usize,
    pub(super) prereq: u64,
    pub(super) pool: &'a mut Pool,
    /// Of an alternative of a condition.
    pub(super) part: bool,
}

/// What is known of a search through an index so far.
#[derive(Clone)]
struct Search {
    equal: Vec<Use>,
    low: Option<Use>,
    high: Option<Use>,
    terms: Vec<usize>,
    prereq: u64,
    out: LogEst,
    /// How many searches lists make of one.
    times: LogEst,
    one_row: bool,
    has_equal: bool,
    has_in: bool,
}

/// So many ways are looked at for an alternative.
const PART: usize = 1_000;

impl<S: Store> Finder<'_, '_, S> {
    pub(super) fn find(&mut self) {
        let table = &self.slots.tables[self.slot];
        self.automatic(table);
        if table.scan_only {
            let scan = self.scan(table);
            self.pool.add(scan);
            return;
        }
        // What has no rowids is its key's index.
        if table.forced.is_none() && (table.query || table.has_rowid) {
            let scan = self.scan(table);
            self.pool.add(scan);
            if table.has_rowid {
                let tree = TreeStatistics::rowid(table.rows);
                self.search(table, None, &tree, 1);
            }
        }
        if table.not_indexed && table.has_rowid {
            return;
        }
        let order = self.slots.table(self.slot).map(|table| table.by_age()).unwrap_or_default();
        for nth in order {
            let Some(tree) = table.trees.get(nth) else { continue };
            if !tree.usable || table.forced.is_some_and(|forced| forced != nth) {
                continue;
            }
            self.through(table, nth, tree);
            self.search(table, Some(nth), tree, nth + 2);
        }
        for at in 0..self.terms.len() {
            if !self.part && self.usable(&self.terms[at]) && either::has_probe(&self.terms[at].branches, self.slot) {
                self.union(at);
            }
        }
    }

    fn usable(&self, term: &Term<S>) -> bool {
        self.slots.usable(term.own, self.slot)
    }

    fn scan(&self, table: &Statistics) -> Candidate {
        let mut scan = Candidate::new(self.slot, self.prereq, Way::Scan);
        scan.run = if table.function { 0 } else { table.rows + 16 };
        scan.out = table.rows;
        scan.sort = usize::from(self.slots.may_order(self.slot, None));
        self.adjust(&mut scan, table.rows);
        scan
    }

    /// All of an index.
    fn through(&mut self, table: &Statistics, nth: usize, tree: &TreeStatistics) {
        let ordered = self.slots.may_order(self.slot, Some(nth));
        let narrow = tree.covers && tree.width < table.width && !self.slots.changes;
        if !(ordered || tree.partial || table.forced.is_some() || narrow || !table.has_rowid) {
            return;
        }
        let way = Way::Tree { index: Some(nth), equal: Vec::new(), low: None, high: None };
        let mut all = Candidate::new(self.slot, self.prereq, way);
        let rows = tree.rows.first().copied().unwrap_or(table.rows);
        all.sort = if ordered { nth + 2 } else { 0 };
        all.covering = tree.covers;
        all.out = rows;
        all.run = rows + 1 + 15 * tree.width / table.width.max(1);
        if !tree.covers {
            let mut lookups = rows + 16;
            for term in self.terms.iter().filter(|term| term.follows.is_none()) {
                if !self.slots.covered(self.slot, nth, term) {
                    break;
                }
                if term.truth <= 0 {
                    lookups = logest::bounded(lookups.saturating_add(term.truth));
                } else {
                    lookups -= 1;
                    if term.probes.iter().any(|probe| probe.op.is_equal()) {
                        lookups -= 19;
                    }
                }
            }
            all.run = logest::add(all.run, lookups);
        }
        self.adjust(&mut all, rows);
        self.pool.add(all);
    }

    /// The rowid, or an index, by the conditions on its columns.
    fn search(&mut self, table: &Statistics, index: Option<usize>, tree: &TreeStatistics, sort: usize) {
        let ordered = self.slots.may_order(self.slot, index);
        let start = Search {
            equal: Vec::new(),
            low: None,
            high: None,
            terms: Vec::new(),
            prereq: self.prereq,
            out: tree.rows.first().copied().unwrap_or(table.rows),
            times: 0,
            one_row: false,
            has_equal: false,
            has_in: false,
        };
        let sort = if ordered { sort } else { 0 };
        self.deeper(table, index, tree, sort, &start);
    }

    fn deeper(
        &mut self,
        table: &Statistics,
        index: Option<usize>,
        tree: &TreeStatistics,
        sort: usize,
        before: &Search,
    ) {
        let depth = before.equal.len();
        if self.pool.left == 0 {
            return;
        }
        let Some(column) = tree.columns.get(depth).copied() else { return };
        let rows = tree.rows.first().copied().unwrap_or(table.rows);
        let steps = logest::log(rows);
        for at in 0..self.terms.len() {
            if !self.usable(&self.terms[at]) {
                continue;
            }
            for nth in 0..self.terms[at].probes.len() {
                let (term, probe) = (&self.terms[at], self.terms[at].probes[nth]);
                if probe.slot != self.slot || probe.column != column || before.terms.contains(&at) {
                    continue;
                }
                if before.low.is_some() && !probe.op.is_upper() {
                    continue;
                }
                // At an index's end stands the rowid; who knows it needs no index.
                let is_range = probe.op.is_lower() || probe.op.is_upper();
                if index.is_some() && column.is_none() && depth == tree.keys && !is_range {
                    continue;
                }
                let of_nulls = matches!(probe.op, Op::Null | Op::NotNull);
                if !tree.fits(&probe, depth) || of_nulls && tree.not_null(depth) {
                    continue;
                }
                // The upper half of a pair goes with the lower one only.
                let second = at.checked_sub(1).is_some_and(|at| self.terms[at].paired);
                if second {
                    continue;
                }
                let mut now = before.clone();
                now.terms.push(at);
                now.prereq = (before.prereq | probe.needs) & !bit(self.slot);
                let mut within = 0;
                let (mut low, mut high, mut not_null) = (None, None, false);
                match probe.op {
                    Op::In(many) => {
                        within = many;
                        if tree.counted && steps >= 10 {
                            // Few rows are looked through sooner than many values are looked up.
                            let rows = tree.rows.get(depth).copied().unwrap_or(0);
                            if rows + logest::log(many) + 10 < many + steps {
                                continue;
                            }
                        }
                        now.has_in = true;
                    }
                    Op::Eq | Op::Is => {
                        now.has_equal = true;
                        let last = depth + 1 == tree.keys;
                        if index.is_none()
                            || before.times == 0
                                && last
                                && (tree.unique_not_null || tree.keys == 1 && tree.unique && probe.op == Op::Eq)
                        {
                            now.one_row = before.times == 0;
                        }
                    }
                    Op::Null => {}
                    Op::NotNull => {
                        now.low = Some((at, nth));
                        low = None;
                        not_null = true;
                    }
                    Op::Gt | Op::GtEq => {
                        now.low = Some((at, nth));
                        low = Some(term.truth);
                        let pair = self.terms.get(at + 1).filter(|_| term.paired);
                        if let Some(other) = pair {
                            now.terms.push(at + 1);
                            now.high = Some((at + 1, 0));
                            high = Some(other.truth);
                        }
                    }
                    Op::Lt | Op::LtEq => {
                        now.high = Some((at, nth));
                        high = Some(term.truth);
                        let bound = |used: &Use| self.terms[used.0].probes[used.1].op != Op::NotNull;
                        low = before.low.filter(bound).map(|(at, _)| self.terms[at].truth);
                        not_null = before.low.is_some() && low.is_none();
                    }
                }
                if now.low.is_some() || now.high.is_some() {
                    now.out = range(before.out, low, high) - LogEst::from(not_null);
                } else {
                    now.equal.push((at, nth));
                    if term.truth <= 0 && tree.is_column(depth) {
                        now.out += term.truth - within;
                    } else {
                        let at = |depth: usize| tree.rows.get(depth).copied().unwrap_or(0);
                        now.out += at(depth + 1) - at(depth);
                        if probe.op == Op::Null {
                            now.out += 10;
                        }
                    }
                }
                now.out = logest::bounded(now.out);
                self.offer(table, index, tree, sort, &now, within, rows, steps);
                if now.high.is_none() {
                    let mut next = now.clone();
                    next.times = logest::bounded(before.times.saturating_add(within));
                    if next.low.is_some() {
                        next.out = before.out;
                    }
                    self.deeper(table, index, tree, sort, &next);
                }
            }
        }
    }

    fn offer(
        &mut self,
        table: &Statistics,
        index: Option<usize>,
        tree: &TreeStatistics,
        sort: usize,
        search: &Search,
        within: LogEst,
        rows: LogEst,
        steps: LogEst,
    ) {
        let Search { equal, low, high, .. } = search.clone();
        let mut found = Candidate::new(self.slot, search.prereq, Way::Tree { index, equal, low, high });
        found.sort = sort;
        found.terms = search.terms.clone();
        found.one_row = search.one_row;
        found.has_equal = search.has_equal;
        found.has_in = search.has_in;
        found.covering = index.is_some() && tree.covers;
        let entries = search.out + 1 + 15 * tree.width / table.width.max(1);
        found.run = logest::add(steps, entries);
        if index.is_some() && !tree.covers {
            found.run = logest::add(found.run, search.out + 16);
        }
        found.run += search.times + within;
        found.out = search.out + search.times + within;
        self.adjust(&mut found, rows);
        self.pool.add(found);
    }

    /// What conditions that are asked of the rows leave of them.
    fn adjust(&self, found: &mut Candidate, rows: LogEst) {
        let known = found.prereq | bit(self.slot);
        let mut reduced = 0;
        for (at, term) in self.terms.iter().enumerate() {
            if term.mask & !known != 0 || term.mask & bit(self.slot) == 0 || term.follows.is_some() {
                continue;
            }
            let follows = |used: &usize| self.terms.get(*used).is_some_and(|used| used.follows == Some(at));
            if found.terms.contains(&at) || found.terms.iter().any(follows) {
                continue;
            }
            if term.truth <= 0 {
                found.out = found.out.saturating_add(term.truth);
                continue;
            }
            found.out = found.out.saturating_sub(1);
            if term.probes.iter().any(|probe| probe.op.is_equal()) {
                reduced = reduced.max(if term.small { 10 } else { 20 });
            }
        }
        found.out = logest::bounded(found.out.min(rows - reduced));
    }

    /// Indexes that are made for one execution.
    fn automatic(&mut self, table: &Statistics) {
        if self.part || !table.automatic {
            return;
        }
        let steps = logest::log(table.rows);
        for (at, term) in self.terms.iter().enumerate() {
            if !self.usable(term) || term.branches.len() > 1 {
                continue;
            }
            let fits = |probe: &Probe| {
                let column = probe.column.is_some_and(|column| self.slots.keeps(self.slot, column, probe.affinity));
                probe.slot == self.slot && probe.op.is_equal() && column
            };
            let Some(nth) = term.probes.iter().position(fits) else { continue };
            let probe = term.probes[nth];
            let mut way = Candidate::new(self.slot, self.prereq | probe.needs, Way::Automatic(vec![(at, nth)]));
            way.terms.push(at);
            way.setup = (steps + table.rows + if table.query { -25 } else { 28 }).max(0);
            way.out = 43;
            way.run = logest::add(steps, way.out);
            self.pool.add(way);
        }
    }

    /// All alternatives of a condition, each by its best way.
    fn union(&mut self, at: usize) {
        let mut branches = Vec::with_capacity(self.terms[at].branches.len());
        let (mut run, mut out, mut prereq) = (0, 0, self.prereq);
        for (nth, terms) in self.terms[at].branches.iter().enumerate() {
            let mut pool = Pool::new(true, PART);
            let mut finder =
                Finder { slots: self.slots, terms, slot: self.slot, prereq: self.prereq, pool: &mut pool, part: true };
            finder.find();
            let best = pool.all.into_iter().min_by_key(|way| (way.run, way.out));
            let Some(best) = best else { return };
            prereq |= best.prereq;
            (run, out) = match nth {
                0 => (best.run, best.out),
                _ => (logest::add(run, best.run), logest::add(out, best.out)),
            };
            branches.push(best);
        }
        let mut union = Candidate::new(self.slot, prereq, Way::Union { term: at, branches });
        union.terms.push(at);
        (union.run, union.out) = (run + 1, out);
        self.pool.add(union);
    }
}

/// What a range leaves: a quarter of the rows for each end that is known, and another quarter for both.
fn range(out: LogEst, low: Option<LogEst>, high: Option<LogEst>) -> LogEst {
    let end = |truth: Option<LogEst>| match truth {
        None => 0,
        Some(truth) if truth <= 0 => truth,
        Some(_) => -20,
    };
    let mut left = out + end(low) + end(high);
    if low.is_some_and(|truth| truth > 0) && high.is_some_and(|truth| truth > 0) {
        left -= 20;
    }
    let ends = LogEst::from(low.is_some()) + LogEst::from(high.is_some());
    left.max(10).min(out - ends)
}
