//! A set of page numbers.
// The B+tree uses all of it.
#![cfg_attr(not(feature = "btree"), allow(dead_code))]

/// A set of page numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    count: u64,
}

impl Bits {
    pub(crate) fn contains(&self, id: u32) -> bool {
        self.words.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    /// Adds one; false if it was there.
    pub(crate) fn insert(&mut self, id: u32) -> bool {
        let (at, bit) = (id as usize / 64, 1 << (id % 64));
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        let fresh = self.words[at] & bit == 0;
        self.words[at] |= bit;
        self.count += u64::from(fresh);
        fresh
    }

    /// Takes one out; false if it was not there.
    pub(crate) fn remove(&mut self, id: u32) -> bool {
        let there = self.contains(id);
        if there {
            self.words[id as usize / 64] &= !(1 << (id % 64));
            self.count -= 1;
        }
        there
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(at as u32 * 64 + bit)
            })
        })
    }

    /// The first member at or after `from`.
    pub(crate) fn first_from(&self, from: u32) -> Option<u32> {
        let mut at = from as usize / 64;
        let mut word = self.words.get(at)? & (u64::MAX << (from % 64));
        while word == 0 {
            at += 1;
            word = *self.words.get(at)?;
        }
        Some(at as u32 * 64 + word.trailing_zeros())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.words.len() as u64 * 8
    }
}
