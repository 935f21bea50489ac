//! Which clients have read which keys, with room for a bounded number of keys.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use smallvec::SmallVec;
use xs_os::Rng;

/// The readers of a key, in ascending order. Mostly there is one.
pub(super) type Readers = SmallVec<[u64; 2]>;

/// The table. Its rows lie in one vector, so that a row can be drawn at random when the table is too full.
#[derive(Debug, Default)]
pub(super) struct KeyTable {
    rows: Vec<Row>,
    /// Row numbers, by the hash of the key.
    index: HashTable<u32>,
    hasher: FixedState,
    readers: usize,
}

#[derive(Debug)]
struct Row {
    key: Box<[u8]>,
    readers: Readers,
}

impl KeyTable {
    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of readers over all keys.
    pub(super) fn readers(&self) -> usize {
        self.readers
    }

    /// Notes that client `id` has read `key`.
    pub(super) fn remember(&mut self, key: &[u8], id: u64) {
        let hash = self.hasher.hash_one(key);
        match self.index.find(hash, |&row| *self.rows[row as usize].key == *key) {
            Some(&row) => {
                let readers = &mut self.rows[row as usize].readers;
                if let Err(at) = readers.binary_search(&id) {
                    readers.insert(at, id);
                    self.readers += 1;
                }
            }
            None => {
                // A table of four billion keys does not fit into memory; one more would only not be remembered.
                let Ok(row) = u32::try_from(self.rows.len()) else { return };
                self.rows.push(Row { key: key.into(), readers: SmallVec::from_slice(&[id]) });
                let (rows, hasher) = (&self.rows, &self.hasher);
                self.index.insert_unique(hash, row, |&row| hasher.hash_one(&*rows[row as usize].key));
                self.readers += 1;
            }
        }
    }

    /// Forgets `key`; answers who had read it.
    pub(super) fn take(&mut self, key: &[u8]) -> Option<Readers> {
        let hash = self.hasher.hash_one(key);
        let entry = self.index.find_entry(hash, |&row| *self.rows[row as usize].key == *key).ok()?;
        let (row, _) = entry.remove();
        let taken = self.rows.swap_remove(row as usize);
        // The last row has moved into the gap.
        if let Some(moved) = self.rows.get(row as usize) {
            let from = self.rows.len() as u32;
            let hash = self.hasher.hash_one(&*moved.key);
            if let Some(number) = self.index.find_mut(hash, |&number| number == from) {
                *number = row;
            }
        }
        self.readers -= taken.readers.len();
        Some(taken.readers)
    }

    /// Some key of the table.
    pub(super) fn any(&self, rng: &mut Rng) -> Option<Vec<u8>> {
        self.rows.get(rng.index(self.rows.len())).map(|row| row.key.to_vec())
    }

    pub(super) fn clear(&mut self) {
        *self = KeyTable { hasher: self.hasher.clone(), ..KeyTable::default() };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_table_behaves_like_a_map_of_sets(steps in prop::collection::vec((0_u8..3, 0_u8..20, 0_u64..4), 1..300)) {
            let mut table = KeyTable::default();
            let mut model: BTreeMap<u8, BTreeSet<u64>> = BTreeMap::new();
            for (what, key, id) in steps {
                if what == 0 {
                    let taken = table.take(&[key]).map(|readers| readers.to_vec());
                    let wanted = model.remove(&key).map(|readers| readers.into_iter().collect::<Vec<_>>());
                    prop_assert_eq!(taken, wanted);
                } else {
                    table.remember(&[key], id);
                    model.entry(key).or_default().insert(id);
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.readers(), model.values().map(BTreeSet::len).sum::<usize>());
            }
        }
    }
}
