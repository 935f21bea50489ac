//! Rows put in order.

use std::cmp::Ordering;

use super::frame::Outer;
use super::query::Body;
use crate::row::{Encoding, KeyColumn, ValueRef};
use crate::sql::failure::Result;
use crate::sql::store::{Store, key};
use crate::sql::value::Value;

/// A term of `ORDER BY`.
#[derive(Clone, Copy, Debug)]
pub(in crate::sql) struct SortKey {
    /// Which output.
    pub(in crate::sql) output: usize,
    pub(in crate::sql) key: KeyColumn,
    /// Where nulls go, if not where the order has them.
    pub(in crate::sql) nulls_first: bool,
}

/// How two rows are ordered.
pub(super) fn compare(keys: &[SortKey], a: &[Value], b: &[Value]) -> Ordering {
    for key in keys {
        let (a, b) = (a[key.output].as_ref(), b[key.output].as_ref());
        let order = match (a, b) {
            (ValueRef::Null, ValueRef::Null) => Ordering::Equal,
            (ValueRef::Null, _) if key.nulls_first => Ordering::Less,
            (ValueRef::Null, _) => Ordering::Greater,
            (_, ValueRef::Null) if key.nulls_first => Ordering::Greater,
            (_, ValueRef::Null) => Ordering::Less,
            (a, b) => key.key.compare(&a, &b, Encoding::Utf8),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes all rows, sorts them, gives them. Where only the first few are wanted, it keeps no more than twice as many.
#[derive(Debug)]
pub(in crate::sql) struct Sort {
    pub(in crate::sql) keys: Vec<SortKey>,
    /// Columns of a row.
    width: usize,
    values: Vec<Value>,
    order: Vec<u32>,
    next: usize,
    sorted: bool,
    wanted: Option<usize>,
}

impl Sort {
    pub(in crate::sql) fn new(keys: Vec<SortKey>, width: usize) -> Sort {
        Sort { keys, width, values: Vec::new(), order: Vec::new(), next: 0, sorted: false, wanted: None }
    }

    pub(in crate::sql) fn reset(&mut self) {
        self.values.clear();
        self.order.clear();
        (self.next, self.sorted, self.wanted) = (0, false, None);
    }

    /// No more than so many rows will be asked for.
    pub(in crate::sql) fn expect(&mut self, rows: i64) {
        self.wanted = usize::try_from(rows).ok();
    }

    /// Each row's keys become bytes in the rows' order, one behind the other: what is compared many times is decided by the first
    /// eight of them mostly.
    fn sort(&mut self) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        let mut rows: Vec<(u64, u32)> = Vec::new();
        for row in self.values.chunks_exact(self.width.max(1)) {
            let start = bytes.len();
            for key in &self.keys {
                match row[key.output].as_ref() {
                    ValueRef::Null => bytes.push(if key.nulls_first { 0 } else { 2 }),
                    value => {
                        bytes.push(1);
                        key::push(&mut bytes, value, key.key);
                    }
                }
            }
            let mut first = [0; 8];
            let len = (bytes.len() - start).min(8);
            first[..len].copy_from_slice(&bytes[start..start + len]);
            rows.push((u64::from_be_bytes(first), rows.len() as u32));
            ends.push(bytes.len());
        }
        let key = |at: u32| {
            let start = if at == 0 { 0 } else { ends[at as usize - 1] };
            &bytes[start..ends[at as usize]]
        };
        rows.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))));
        self.order = rows.into_iter().map(|(_, at)| at).collect();
    }

    /// Keeps the first rows only.
    fn cut(&mut self, wanted: usize) {
        self.sort();
        let kept = self.order.iter().take(wanted).flat_map(|at| {
            let start = *at as usize * self.width;
            start..start + self.width
        });
        let kept: Vec<Value> = kept.map(|at| self.values[at].clone()).collect();
        self.values = kept;
    }

    pub(in crate::sql) fn next<S: Store>(&mut self, body: &mut Body<S>, outer: Outer<'_, S>) -> Result<bool> {
        if !self.sorted {
            while body.next(outer)? {
                for at in 0..self.width {
                    self.values.push(body.output(at, outer)?.into_value());
                }
                if let Some(wanted) = self.wanted
                    && self.values.len() / self.width.max(1) >= wanted.saturating_mul(2).saturating_add(64)
                {
                    self.cut(wanted);
                }
            }
            self.sort();
            self.sorted = true;
        }
        self.next += 1;
        Ok(self.next <= self.order.len())
    }

    #[inline]
    pub(in crate::sql) fn output(&self, at: usize) -> ValueRef<'_> {
        let row = self.next.checked_sub(1).and_then(|at| self.order.get(at));
        row.and_then(|row| self.values.get(*row as usize * self.width + at)).map_or(ValueRef::Null, Value::as_ref)
    }
}
