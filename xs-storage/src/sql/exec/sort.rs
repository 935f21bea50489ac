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
///
/// Of each row it keeps the columns that are shown, and its keys as bytes in the rows' order, one behind the other: what is compared
/// many times is decided by the first sixteen of them mostly.
#[derive(Debug)]
pub(in crate::sql) struct Sort {
    pub(in crate::sql) keys: Vec<SortKey>,
    /// Columns of a row that are shown.
    width: usize,
    values: Vec<Value>,
    bytes: Vec<u8>,
    /// Where each row's bytes end.
    ends: Vec<usize>,
    rows: Vec<Row>,
    next: usize,
    sorted: bool,
    wanted: Option<usize>,
}

/// A row by the first bytes of its keys.
#[derive(Clone, Copy, Debug)]
struct Row {
    first: (u64, u64),
    at: usize,
}

impl Sort {
    pub(in crate::sql) fn new(keys: Vec<SortKey>, width: usize) -> Sort {
        let (values, bytes, ends, rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Sort { keys, width, values, bytes, ends, rows, next: 0, sorted: false, wanted: None }
    }

    pub(in crate::sql) fn reset(&mut self) {
        self.values.clear();
        self.bytes.clear();
        self.ends.clear();
        self.rows.clear();
        (self.next, self.sorted, self.wanted) = (0, false, None);
    }

    /// No more than so many rows will be asked for.
    pub(in crate::sql) fn expect(&mut self, rows: i64) {
        self.wanted = usize::try_from(rows).ok();
    }

    fn take<S: Store>(&mut self, body: &Body<S>, outer: Outer<'_, S>) -> Result<()> {
        let (start, shown) = (self.bytes.len(), self.values.len());
        for at in 0..self.width {
            self.values.push(body.output(at, outer)?.into_value());
        }
        let shown = &self.values[shown..];
        for key in &self.keys {
            let value;
            let value = match shown.get(key.output) {
                Some(value) => value.as_ref(),
                None => {
                    value = body.output(key.output, outer)?;
                    value.as_ref()
                }
            };
            match value {
                // In front of all that a value can begin with, or behind it.
                ValueRef::Null => self.bytes.push(if key.nulls_first { 0 } else { 0xFF }),
                value => key::push(&mut self.bytes, value, key.key),
            }
        }
        let key = &self.bytes[start..];
        let eight = |from: usize| {
            let mut eight = [0; 8];
            let rest = key.get(from..).unwrap_or_default();
            let len = rest.len().min(8);
            eight[..len].copy_from_slice(&rest[..len]);
            u64::from_be_bytes(eight)
        };
        self.rows.push(Row { first: (eight(0), eight(8)), at: self.ends.len() });
        self.ends.push(self.bytes.len());
        Ok(())
    }

    fn sort(&mut self) {
        let (bytes, ends) = (&self.bytes, &self.ends);
        self.rows.sort_by(|a, b| match a.first.0 == b.first.0 {
            false => a.first.0.cmp(&b.first.0),
            true => by_all(a, b, bytes, ends),
        });
    }

    /// Keeps the first rows only.
    fn cut(&mut self, wanted: usize) {
        self.sort();
        self.rows.truncate(wanted);
        let (mut values, mut bytes, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for row in &mut self.rows {
            values.extend_from_slice(&self.values[row.at * self.width..][..self.width]);
            bytes.extend_from_slice(key(&self.bytes, &self.ends, row.at));
            row.at = ends.len();
            ends.push(bytes.len());
        }
        (self.values, self.bytes, self.ends) = (values, bytes, ends);
    }

    pub(in crate::sql) fn next<S: Store>(&mut self, body: &mut Body<S>, outer: Outer<'_, S>) -> Result<bool> {
        if !self.sorted {
            while body.next(outer)? {
                self.take(body, outer)?;
                if let Some(wanted) = self.wanted
                    && self.rows.len() >= wanted.saturating_mul(2).saturating_add(64)
                {
                    self.cut(wanted);
                }
            }
            self.sort();
            self.sorted = true;
        }
        self.next += 1;
        Ok(self.next <= self.rows.len())
    }

    #[inline]
    pub(in crate::sql) fn output(&self, at: usize) -> ValueRef<'_> {
        let row = self.next.checked_sub(1).and_then(|at| self.rows.get(at));
        row.and_then(|row| self.values.get(row.at * self.width + at)).map_or(ValueRef::Null, Value::as_ref)
    }
}

/// Where the first eight bytes say nothing.
#[inline(never)]
fn by_all(a: &Row, b: &Row, bytes: &[u8], ends: &[usize]) -> Ordering {
    a.first.1.cmp(&b.first.1).then_with(|| key(bytes, ends, a.at).cmp(key(bytes, ends, b.at)))
}

/// A row's keys.
fn key<'a>(bytes: &'a [u8], ends: &[usize], at: usize) -> &'a [u8] {
    let start = at.checked_sub(1).map_or(0, |before| ends[before]);
    &bytes[start..ends[at]]
}
