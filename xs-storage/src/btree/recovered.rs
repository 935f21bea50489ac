//! What the log had beyond the last checkpoint when the store was opened: [`Recovered`], sorted, laid over the tree.
//!
//! Opening reads the log, once and in order, and sorts what it says; it touches no page. Reads look here first and at
//! the tree behind it, and the writes are brought into the tree in the background, by steps. A step may be repeated, or
//! be visible early: what is here is the last word on every key that it names, whether the tree has heard it or not.
//!
//! ```text
//!   log beyond the checkpoint:  put b=1 · put f=2 · delete c…g · put d=3
//!   points, by key:             b=1  d=3                 (f went with the range behind it)
//!   gone, disjoint, by key:     c…g                      (all of it, in the tree)
//! ```

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::batch::Edit;
use super::store::Store;
use super::write::Writer;
use crate::Result;
use crate::engine::{Malformed, Op, WriteBatch, head};

/// Writes that one step brings into the tree.
const STEP: usize = 2048;

/// The length of no value.
const DELETED: u32 = u32::MAX;

/// The last write of one key: where in the log's payloads it stands.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// The key's first eight bytes, as a number.
    head: u64,
    entry: u32,
    key_at: u32,
    key_len: u32,
    value_at: u32,
    value_len: u32,
    /// Ascends with the log.
    order: u32,
}

/// What a [`Recovered`] says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    Nothing,
    Gone,
    Value(&'a [u8]),
}

/// Writes that the tree may not have yet.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    entries: Vec<Bytes>,
    points: Vec<Point>,
    /// Ranges of keys that went, unless they are among the points. They do not touch.
    gone: Vec<(Vec<u8>, Vec<u8>)>,
    /// The same as they were logged, and when.
    ranges: Vec<(Vec<u8>, Vec<u8>, u32)>,
    bytes: u64,
}

impl Recovered {
    /// Takes in the next entry of the log.
    pub(super) fn add(&mut self, payload: Bytes) -> std::result::Result<(), Malformed> {
        let entry = self.entries.len() as u32;
        let base = payload.as_ptr().addr();
        // An entry of the log is shorter than 4 GiB, and so is every part of it.
        let at = |part: &[u8]| (part.as_ptr().addr() - base) as u32;
        for op in WriteBatch::checked_ops(&payload) {
            let order = (self.points.len() + self.ranges.len()) as u32;
            let (key, value) = match op? {
                Op::Put(key, value) => (key, Some(value)),
                Op::Delete(key) => (key, None),
                Op::DeleteRange(start, end) => {
                    if start < end {
                        self.ranges.push((start.to_vec(), end.to_vec(), order));
                    }
                    continue;
                }
            };
            self.points.push(Point {
                head: head(key),
                entry,
                key_at: at(key),
                key_len: key.len() as u32,
                value_at: value.map_or(0, at),
                value_len: value.map_or(DELETED, |value| value.len() as u32),
                order,
            });
        }
        self.bytes += payload.len() as u64;
        self.entries.push(payload);
        Ok(())
    }

    /// Puts it in order: of each key the last write remains, if no range behind it holds the key.
    pub(super) fn sort(&mut self) {
        let mut points = std::mem::take(&mut self.points);
        points.sort_unstable_by(|a, b| {
            let keys = || self.key_of(a).cmp(self.key_of(b));
            a.head.cmp(&b.head).then_with(keys).then_with(|| a.order.cmp(&b.order))
        });
        // From the back: of equal keys the last comes first, and stays.
        points.reverse();
        points.dedup_by(|later, kept| later.head == kept.head && self.key_of(later) == self.key_of(kept));
        points.reverse();
        if !self.ranges.is_empty() {
            self.sweep(&mut points);
        }
        self.points = points;
    }

    /// Goes along the keys and knows at each which ranges hold it.
    fn sweep(&mut self, points: &mut Vec<Point>) {
        let mut edges: BTreeMap<&[u8], Vec<(bool, u32)>> = BTreeMap::new();
        for (start, end, order) in &self.ranges {
            edges.entry(start).or_default().push((true, *order));
            edges.entry(end).or_default().push((false, *order));
        }
        let (mut open, mut gone, mut start) = (BTreeSet::new(), Vec::new(), None);
        let mut rest = points.as_slice();
        let mut kept = Vec::with_capacity(points.len());
        let mut pass = |open: &BTreeSet<u32>, upto: Option<&[u8]>, rest: &mut &[Point]| {
            let count = upto.map_or(rest.len(), |key| rest.partition_point(|point| self.key_of(point) < key));
            let (passed, behind) = rest.split_at(count);
            let newest = open.last().copied();
            kept.extend(passed.iter().filter(|point| newest.is_none_or(|newest| newest < point.order)));
            *rest = behind;
        };
        for (key, changes) in &edges {
            pass(&open, Some(key), &mut rest);
            for (opens, order) in changes {
                if *opens {
                    open.insert(*order)
                } else {
                    open.remove(order)
                };
            }
            match (start, open.is_empty()) {
                (None, false) => start = Some(*key),
                (Some(from), true) => {
                    gone.push((<[u8]>::to_vec(from), key.to_vec()));
                    start = None;
                }
                _ => {}
            }
        }
        pass(&open, None, &mut rest);
        self.gone = gone;
        *points = kept;
        self.ranges = Vec::new();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of the log's entries.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn memory(&self) -> u64 {
        self.bytes + (self.points.capacity() * size_of::<Point>()) as u64
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    fn key_of(&self, point: &Point) -> &[u8] {
        &self.entries[point.entry as usize][point.key_at as usize..][..point.key_len as usize]
    }

    pub(super) fn key(&self, at: usize) -> &[u8] {
        self.key_of(&self.points[at])
    }

    /// The value of a point; none if its key was deleted.
    pub(super) fn value(&self, at: usize) -> Option<&[u8]> {
        let point = &self.points[at];
        let value = || &self.entries[point.entry as usize][point.value_at as usize..][..point.value_len as usize];
        (point.value_len != DELETED).then(value)
    }

    /// The first point at or behind a key.
    pub(super) fn first_from(&self, key: &[u8]) -> usize {
        let sought = head(key);
        self.points.partition_point(|point| match point.head.cmp(&sought) {
            Ordering::Equal => self.key_of(point) < key,
            order => order == Ordering::Less,
        })
    }

    /// The range that a key went with, whatever the points say.
    pub(super) fn gone_with(&self, key: &[u8]) -> Option<(&[u8], &[u8])> {
        let at = self.gone.partition_point(|(start, _)| &start[..] <= key).checked_sub(1)?;
        let (start, end) = &self.gone[at];
        (key < &end[..]).then_some((start, end))
    }

    pub(super) fn say(&self, key: &[u8]) -> Said<'_> {
        let at = self.first_from(key);
        if at < self.len() && self.key(at) == key {
            return self.value(at).map_or(Said::Gone, Said::Value);
        }
        if self.gone_with(key).is_some() { Said::Gone } else { Said::Nothing }
    }
}

/// How far what was recovered has come into the tree.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) recovered: Arc<Recovered>,
    /// Ranges and points that are done.
    done: usize,
}

impl Fold {
    pub(super) fn new(recovered: Arc<Recovered>) -> Self {
        Fold { recovered, done: 0 }
    }
}

impl Store {
    /// Brings some more of what was recovered into the tree. True if there is more.
    pub(super) fn fold_step(&self, writer: &mut Writer) -> Result<bool> {
        let Some(Fold { recovered, done }) = &writer.fold else { return Ok(false) };
        let (recovered, mut done) = (recovered.clone(), *done);
        let all = recovered.gone.len() + recovered.len();
        let stop = all.min(done + STEP);
        let most = (self.table.budget() / 8).min(16 << 20);
        let mut edit = Edit::new(self, writer);
        while done < stop && edit.held() <= most {
            let op = match (recovered.gone.get(done), done.checked_sub(recovered.gone.len())) {
                (Some((start, end)), _) => Op::DeleteRange(start, end),
                (None, at) => {
                    let at = at.unwrap_or(0);
                    recovered.value(at).map_or(Op::Delete(recovered.key(at)), |value| Op::Put(recovered.key(at), value))
                }
            };
            edit.apply_one(op)?;
            done += 1;
        }
        edit.user_bytes = 0;
        // Pages beyond what memory allows go to the file at once: no checkpoint can begin before all is in the tree.
        if self.table.dirty() + edit.held() > self.table.budget() / 2 {
            edit.spill()?;
        }
        edit.writer.fold = (done < all).then_some(Fold { recovered, done });
        let more = edit.writer.fold.is_some();
        edit.publish();
        Ok(more)
    }

    /// Brings all of it into the tree: the writer goes on from there.
    pub(super) fn fold(&self, writer: &mut Writer) -> Result<()> {
        while self.fold_step(writer)? {}
        Ok(())
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(0..3_u8, 0..4).prop_map(|mut key| {
            if key.len() == 3 {
                key.splice(1..1, [7; 9]);
            }
            key
        })
    }

    proptest! {
        #[test]
        fn it_says_what_the_writes_in_their_order_say(
            entries in proptest::collection::vec(proptest::collection::vec((0..4_u8, key(), key()), 0..6), 0..12),
            asked in proptest::collection::vec(key(), 30),
        ) {
            let mut model: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
            let mut ranges: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            let mut recovered = Recovered::default();
            for ops in &entries {
                let mut batch = WriteBatch::new();
                for (kind, a, b) in ops {
                    match kind {
                        0 => {
                            batch.delete_range(a, b);
                            model.retain(|key, _| key < a || key >= b);
                            ranges.push((a.clone(), b.clone()));
                        }
                        1 => {
                            batch.delete(a);
                            model.insert(a.clone(), None);
                        }
                        _ => {
                            batch.put(a, b);
                            model.insert(a.clone(), Some(b.clone()));
                        }
                    }
                }
                recovered.add(batch.into_bytes()).unwrap();
            }
            recovered.sort();
            for key in asked.iter().chain(model.keys()) {
                let went = ranges.iter().any(|(start, end)| key >= start && key < end);
                let expected = match model.get(key) {
                    Some(Some(value)) => Said::Value(value),
                    Some(None) => Said::Gone,
                    None if went => Said::Gone,
                    None => Said::Nothing,
                };
                prop_assert_eq!(recovered.say(key), expected);
            }
            let keys: Vec<&[u8]> = (0..recovered.len()).map(|at| recovered.key(at)).collect();
            prop_assert!(keys.is_sorted_by(|a, b| a < b));
            prop_assert!(recovered.gone.is_sorted_by(|a, b| a.1 < b.0));
        }
    }
}
