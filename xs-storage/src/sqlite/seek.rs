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
    let count = node.count();
    let Some(last) = count.checked_sub(1) else { return Ok((0, false)) };
    // Rows often come behind all others, and then one look is enough.
    let mut above = node.rowid(last)?;
    if above <= rowid {
        return Ok(if above == rowid { (last, true) } else { (count, false) });
    }
    let mut below = node.rowid(0)?;
    if rowid <= below {
        return Ok((0, rowid == below));
    }
    // What is in front of `low` is below, what is from `high` on is above.
    let (mut low, mut high, mut guesses) = (1, last, 3_u32);
    while low < high {
        // Rowids mostly lie evenly, and then it is where a line from the one end to the other says.
        let middle = match guesses {
            0 => (low + high) / 2,
            _ => guess(low, high, rowid.wrapping_sub(below), above.wrapping_sub(below)),
        };
        guesses = guesses.saturating_sub(1);
        let found = node.rowid(middle)?;
        match found.cmp(&rowid) {
            Ordering::Less => (low, below) = (middle + 1, found),
            Ordering::Equal => return Ok((middle, true)),
            Ordering::Greater => (high, above) = (middle, found),
        }
    }
    Ok((low, false))
}

/// A place from `low` to below `high`, as far on between the two as a number is between the entry in front and the one at `high`.
#[inline]
fn guess(low: usize, high: usize, rowid: i64, above: i64) -> usize {
    // Differences of 64-bit numbers, which are positive if the page is in order.
    let part = rowid as u64 as f64 / above as u64 as f64;
    let steps = ((high + 1 - low) as f64 * part) as usize;
    (low + steps).saturating_sub(1).clamp(low, high - 1)
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
    // Most often the first column decides, and it is a number.
    let number = match (columns, order) {
        (&[ValueRef::Integer(wanted), ..], [first, ..]) => Some((wanted, first.descending)),
        _ => None,
    };
    while low < high {
        let middle = (low + high) / 2;
        let first = match number {
            Some((wanted, false)) => node.first_integer(middle).map(|found| found.cmp(&wanted)),
            Some((wanted, true)) => node.first_integer(middle).map(|found| wanted.cmp(&found)),
            None => None,
        };
        let order = match first {
            Some(Ordering::Equal) if columns.len() == 1 => Ordering::Equal,
            None | Some(Ordering::Equal) => compare(pager, id, page, node, middle, columns, order, &mut whole)?,
            Some(other) => other,
        };
        match order.then(equal) {
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
    if let (Some(found), [wanted, ..], [first, ..]) = (record::first(record), columns, order) {
        let found = first.compare(&found, wanted, encoding);
        if found != Ordering::Equal || columns.len() == 1 {
            return Ok(found);
        }
    }
    record::compare(record, columns, order, encoding).map_err(|what| pager.corrupt(id, what))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::node::{self, Kind, Shape};
    use super::*;
    use crate::row::{encode, varint};

    const SHAPE: Shape = Shape { page_size: 4096, usable: 4096 };

    fn page(kind: Kind, cells: &[Vec<u8>]) -> Vec<u8> {
        let mut page = vec![0; 4096];
        let cells: Vec<&[u8]> = cells.iter().map(Vec::as_slice).collect();
        node::write(&mut page, 2, kind, SHAPE, &cells, 0);
        page
    }

    proptest! {
        #[test]
        fn rowids_are_found_as_in_a_sorted_list(
            rowids in proptest::collection::btree_set(prop_oneof![any::<i64>(), -9..99_i64], 0..60),
            wanted in prop_oneof![any::<i64>(), -9..99_i64],
            nth in any::<proptest::sample::Index>(),
        ) {
            let rowids: Vec<i64> = rowids.into_iter().collect();
            let cells: Vec<Vec<u8>> = rowids.iter().map(|rowid| {
                let mut cell = vec![0];
                varint::put(&mut cell, *rowid as u64);
                cell
            }).collect();
            let page = page(Kind::TableLeaf, &cells);
            let node = Node::new(&page, 2, SHAPE);
            let there = rowids.get(nth.index(rowids.len().max(1))).copied();
            for wanted in [Some(wanted), there].into_iter().flatten() {
                let expected = match rowids.binary_search(&wanted) {
                    Ok(at) => (at, true),
                    Err(at) => (at, false),
                };
                prop_assert_eq!(by_rowid(&node, wanted), Ok(expected));
            }
        }

        #[test]
        fn first_integers_are_those_of_the_record(numbers in proptest::collection::vec((any::<i64>(), 0..64_u32), 1..40)) {
            let numbers: Vec<i64> = numbers.into_iter().map(|(n, shift)| n >> shift).collect();
            let cells: Vec<Vec<u8>> = numbers.iter().map(|n| {
                let record = encode(&[ValueRef::Integer(*n), ValueRef::Text(b"text")]);
                [&[record.len() as u8][..], &record].concat()
            }).collect();
            let page = page(Kind::IndexLeaf, &cells);
            let node = Node::new(&page, 2, SHAPE);
            for (at, n) in numbers.iter().enumerate() {
                // The one at the page's end may have to be looked at as a whole.
                prop_assert!(node.first_integer(at) == Some(*n) || at == 0 && node.first_integer(at).is_none());
            }
        }
    }
}
