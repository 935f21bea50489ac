//! Where a key stands in a page.

use std::cmp::Ordering;

use super::node::{Node, PageId};
use super::pager::{Page, Pager};
use super::payload;
use crate::Result;
use crate::row::record;
use crate::row::{KeyColumn, ValueRef};

/// What a tree's entries are ordered by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key<'a> {
    Rowid(i64),
    Columns(&'a [ValueRef<'a>], &'a [KeyColumn]),
    /// Behind all that begin with these columns.
    Behind(&'a [ValueRef<'a>], &'a [KeyColumn]),
    /// Behind all entries of an index, whatever they are ordered by.
    Last,
}

/// Where a key stands in a page: the first cell that is not in front of it, and whether that is the key's.
#[inline]
pub(super) fn search(pager: &mut Pager, id: PageId, page: &Page, key: Key<'_>) -> Result<(usize, bool)> {
    let node = Node::new(&page.bytes, id, pager.shape);
    match key {
        Key::Rowid(rowid) => by_rowid(&node, rowid).map_err(|what| pager.corrupt(id, what)),
        Key::Columns(columns, order) => by_columns(pager, id, page, &node, columns, order, Ordering::Equal),
        Key::Behind(columns, order) => by_columns(pager, id, page, &node, columns, order, Ordering::Less),
        Key::Last => Ok((node.count(), false)),
    }
}

fn by_rowid(node: &Node<'_>, rowid: i64) -> Result<(usize, bool), &'static str> {
    let (mut low, mut high) = (0, node.count());
    // Rows often come behind all others, and then one look is enough.
    if let Some(last) = high.checked_sub(1)
        && node.rowid(last)? < rowid
    {
        return Ok((high, false));
    }
    while low < high {
        let middle = (low + high) / 2;
        match node.rowid(middle)?.cmp(&rowid) {
            Ordering::Less => low = middle + 1,
            Ordering::Equal => return Ok((middle, true)),
            Ordering::Greater => high = middle,
        }
    }
    Ok((low, false))
}

/// `equal` is where an entry counts that begins with the columns.
fn by_columns(
    pager: &mut Pager,
    id: PageId,
    page: &Page,
    node: &Node<'_>,
    columns: &[ValueRef<'_>],
    order: &[KeyColumn],
    equal: Ordering,
) -> Result<(usize, bool)> {
    let (mut low, mut high, mut found) = (0, node.count(), false);
    let mut whole = Vec::new();
    while low < high {
        let middle = (low + high) / 2;
        match compare(pager, id, page, node, middle, columns, order, &mut whole)?.then(equal) {
            Ordering::Less => low = middle + 1,
            Ordering::Equal => (high, found) = (middle, true),
            Ordering::Greater => high = middle,
        }
    }
    Ok((low, found))
}

/// Where an entry of an index stands towards a key.
#[allow(clippy::too_many_arguments)]
#[inline]
fn compare(
    pager: &mut Pager,
    id: PageId,
    page: &Page,
    node: &Node<'_>,
    at: usize,
    columns: &[ValueRef<'_>],
    order: &[KeyColumn],
    whole: &mut Vec<u8>,
) -> Result<Ordering> {
    let record = match node.row(at) {
        Some((_, local)) => page.bytes.get(local).unwrap_or_default(),
        None => {
            let cell = node.cell(at).map_err(|what| pager.corrupt(id, what))?;
            payload::read(pager, id, page, &cell, whole)?;
            whole
        }
    };
    let encoding = pager.header.encoding;
    // Most often the first column decides.
    if let (Some(found), [wanted, ..], [first, ..]) = (record::first(record), columns, order) {
        let found = first.compare(&found, wanted, encoding);
        if found != Ordering::Equal || columns.len() == 1 {
            return Ok(found);
        }
    }
    record::compare(record, columns, order, encoding).map_err(|what| pager.corrupt(id, what))
}
