//! The hash of keys and members.

use std::hash::Hasher;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// Hashes byte strings under one seed: the same 64 bits on every machine of one word size, for every run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyHasher {
    seed: u64,
}

impl KeyHasher {
    pub(crate) const fn new(seed: u64) -> Self {
        KeyHasher { seed }
    }

    #[inline]
    pub(crate) fn hash(self, bytes: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, SharedSeed::global_fixed());
        hasher.write(bytes);
        hasher.finish()
    }
}
