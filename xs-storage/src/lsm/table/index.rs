//! Where the blocks of a table are: one short key for each, at or behind its last and in front of the next one's first.

use super::super::codec::{Reader, common, head, put_string};
use crate::varint::put_varint;

/// The index of a table, for a binary search over numbers: the eight bytes of each key in which they differ first.
#[derive(Clone, Debug)]
pub(in super::super) struct Index {
    /// What all keys begin with alike is left out of the heads.
    skip: usize,
    heads: Box<[u64]>,
    /// Where each key ends in `keys`.
    ends: Box<[u32]>,
    keys: Box<[u8]>,
    /// Where each block begins, and where the last one ends.
    offsets: Box<[u64]>,
}

/// Collects the index of a table that is being written.
#[derive(Debug, Default)]
pub(in super::super) struct IndexBuilder {
    bytes: Vec<u8>,
    count: u64,
}

impl IndexBuilder {
    pub(in super::super) fn add(&mut self, key: &[u8], block_len: usize) {
        put_string(&mut self.bytes, key);
        put_varint(&mut self.bytes, block_len as u64);
        self.count += 1;
    }

    pub(in super::super) fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 5);
        put_varint(&mut out, self.count);
        out.extend_from_slice(&self.bytes);
        out
    }
}

/// The shortest key that is `>= last` and `< next`.
pub(in super::super) fn separator<'a>(last: &'a [u8], next: &'a [u8]) -> &'a [u8] {
    let shared = common(last, next);
    // next[..=shared] is behind last; it is in front of next only if next goes on.
    if last.len() > shared + 1 && next.len() > shared + 1 { &next[..=shared] } else { last }
}

impl Index {
    /// The index of a table whose first block begins at `start` and whose last ends at or in front of `limit`.
    pub(in super::super) fn decode(bytes: &[u8], start: u64, limit: u64) -> Option<Index> {
        let mut reader = Reader::new(bytes);
        let count = reader.varint()?;
        let (mut all, mut offset) = (Vec::new(), start);
        let mut offsets = vec![offset];
        for _ in 0..count {
            let key = reader.string()?;
            if all.last().is_some_and(|last: &&[u8]| *last > key) {
                return None;
            }
            all.push(key);
            offset = offset.checked_add(reader.varint()?).filter(|offset| *offset <= limit)?;
            offsets.push(offset);
        }
        if !reader.is_empty() {
            return None;
        }
        let skip = match (all.first(), all.last()) {
            (Some(first), Some(last)) => common(first, last),
            _ => 0,
        };
        let heads = all.iter().map(|key| head(key, skip)).collect();
        let mut keys = Vec::new();
        let mut ends = Vec::with_capacity(all.len());
        for key in all {
            keys.extend_from_slice(key);
            ends.push(u32::try_from(keys.len()).ok()?);
        }
        Some(Index { skip, heads, ends: ends.into(), keys: keys.into(), offsets: offsets.into() })
    }

    pub(in super::super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The key of a block: at or behind all of it.
    pub(in super::super) fn key(&self, block: usize) -> &[u8] {
        let from = if block == 0 { 0 } else { self.ends[block - 1] as usize };
        &self.keys[from..self.ends[block] as usize]
    }

    /// Where a block is, and how long.
    pub(in super::super) fn place(&self, block: usize) -> (u64, usize) {
        (self.offsets[block], (self.offsets[block + 1] - self.offsets[block]) as usize)
    }

    /// The first block that may hold `key` or something behind it; `len()` if none does.
    #[inline]
    pub(in super::super) fn seek(&self, key: &[u8]) -> usize {
        let Some(last) = self.len().checked_sub(1) else { return 0 };
        // Keys outside of what all keys share are in front of all or behind all.
        if self.skip > 0 {
            let shared = &self.key(last)[..self.skip];
            let cut = &key[..key.len().min(self.skip)];
            if cut != shared {
                return if cut < shared { 0 } else { self.len() };
            }
        }
        let wanted = head(key, self.skip);
        let mut low = self.heads.partition_point(|known| *known < wanted);
        // Among equal heads, most often one or none, the keys decide.
        let mut high = low + self.heads[low..].partition_point(|known| *known == wanted);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle) < key { low = middle + 1 } else { high = middle }
        }
        low
    }

    pub(in super::super) fn weight(&self) -> u64 {
        (self.heads.len() * 20 + self.keys.len()) as u64 + 128
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_separator_separates(a in any::<Vec<u8>>(), b in any::<Vec<u8>>()) {
            prop_assume!(a < b);
            let key = separator(&a, &b);
            prop_assert!(key >= &a[..] && key < &b[..] && key.len() <= a.len());
        }

        #[test]
        fn seek_is_the_partition_point(keys in proptest::collection::btree_set(proptest::collection::vec(0..3_u8, 0..14), 0..40), prefix in any::<Vec<u8>>(), probe in proptest::collection::vec(0..3_u8, 0..14), bare in any::<bool>()) {
            let keys: Vec<Vec<u8>> = keys.into_iter().map(|key| [&prefix[..], &key].concat()).collect();
            let mut builder = IndexBuilder::default();
            keys.iter().for_each(|key| builder.add(key, 10));
            let index = Index::decode(&builder.finish(), 16, 1000).unwrap();
            let probe = if bare { probe } else { [prefix, probe].concat() };
            prop_assert_eq!(index.seek(&probe), keys.partition_point(|key| *key < probe));
            for (at, key) in keys.iter().enumerate() {
                prop_assert_eq!(index.key(at), &key[..]);
                prop_assert_eq!(index.place(at), (16 + 10 * at as u64, 10));
            }
        }

        #[test]
        fn any_bytes_are_an_index_or_refused(bytes in any::<Vec<u8>>()) {
            let _ = Index::decode(&bytes, 0, 100);
        }
    }
}
