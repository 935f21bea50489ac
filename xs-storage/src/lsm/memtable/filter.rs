//! A Bloom filter that grows by bits and not by size: one writer sets them, readers look without a lock.
//!
//! A look-up in the tree costs four or five misses of the processor's cache, this one: most keys are not in the memtable.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of a line of 64 bytes.
const WORDS: usize = 8;

#[derive(Debug)]
pub(super) struct MemFilter {
    words: Box<[AtomicU64]>,
}

impl MemFilter {
    /// A filter of about so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let lines = (bytes as usize / 64).max(1);
        MemFilter { words: (0..lines * WORDS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The line of a hash, and four places of nine bits in it.
    #[inline]
    fn places(&self, hash: u64) -> (&[AtomicU64], [(usize, u64); 4]) {
        let lines = self.words.len() / WORDS;
        let line = (((hash >> 32) * lines as u64) >> 32) as usize;
        let bits = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let place = |at: u32| {
            let bit = bits >> (9 * at + 20) & 511;
            ((bit / 64) as usize, 1 << (bit % 64))
        };
        (&self.words[line * WORDS..][..WORDS], [place(0), place(1), place(2), place(3)])
    }

    /// There is one writer.
    #[inline]
    pub(super) fn add(&self, hash: u64) {
        let (line, places) = self.places(hash);
        for (word, bit) in places {
            let old = line[word].load(Ordering::Relaxed);
            if old & bit == 0 {
                line[word].store(old | bit, Ordering::Relaxed);
            }
        }
    }

    /// False only if no key with this hash was added before what the reader knows of.
    #[inline]
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let (line, places) = self.places(hash);
        places.iter().all(|(word, bit)| line[*word].load(Ordering::Relaxed) & bit != 0)
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.words.len() * 8) as u64
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::super::super::table::hash;
    use super::*;

    #[test]
    fn every_key_passes_and_few_others() {
        let filter = MemFilter::new(10_000);
        let key = |n: u32| hash(&n.to_be_bytes());
        (0..8_000).for_each(|n| filter.add(key(n)));
        assert!((0..8_000).all(|n| filter.may_contain(key(n))));
        let wrong = (8_000..108_000).filter(|n| filter.may_contain(key(*n))).count();
        assert!(wrong < 4_500, "{wrong} of 100 000 missing keys pass");
    }
}
