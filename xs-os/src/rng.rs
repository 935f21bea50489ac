//! Chance as an argument: a seeded generator whose stream is the same on every machine and in every release.
//!
//! # The problem
//!
//! A failing random test that cannot be run again is a rumour. Every block that needs chance (sampling, jitter, back-off,
//! election timeouts, skip-list heights) therefore takes a generator, and a whole run follows from one number.
//!
//! # How it works
//!
//! [`Rng`] is xoshiro256++ behind the `rand_core` traits, seeded from a `u64` through SplitMix64. [`Rng::fork`] derives
//! an independent generator for a part of the system, so that one part drawing more often does not shift what every
//! other part sees:
//!
//! ```text
//!   seed 42 ──▶ root ──fork("redis")──▶ sampling
//!                 └────fork("net")────▶ jitter        same names, same streams, whatever the other one draws
//! ```
//!
//! # Invariants
//!
//! - The stream of a seed never changes: the first values are pinned by a test.
//! - `fork` depends on the parent's *seed* and the name alone, not on how much the parent has drawn.
//! - [`Rng::below`] is exactly uniform (Lemire's rejection), and total: a bound of zero answers zero.
//!
//! # Cost
//!
//! Under a nanosecond a draw, 48 bytes of state, no allocation.
//!
//! # Example
//!
//! ```
//! use xs_os::Rng;
//! let mut a = Rng::from_seed(42);
//! let mut b = Rng::from_seed(42);
//! assert_eq!(a.next_u64(), b.next_u64());
//! assert!(a.below(6) < 6);
//! ```
//!
//! # How others do it
//!
//! TigerBeetle and FoundationDB drive whole clusters from one seed; `rand`'s `StdRng` gives no promise that its stream
//! stays the same between releases, which is why it is not used here.
//!
//! # What this leaves out
//!
//! Secrets. Keys, tokens and nonces come from [`Rng::from_entropy`]'s source, the operating system, or from a
//! cryptographic crate: never from this generator.
//!
//! # Try next
//!
//! Make the order in which a system's tasks run a draw from this generator, and look for the seed that breaks it.
//!
//! # Sources
//!
//! D. Blackman and S. Vigna, "Scrambled Linear Pseudorandom Number Generators" (2021); D. Lemire, "Fast Random Integer
//! Generation in an Interval" (2019).

use rand_core::{Rng as _, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A seeded generator with a stable stream.
#[derive(Debug, Clone)]
pub struct Rng {
    seed: u64,
    inner: Xoshiro256PlusPlus,
}

impl Rng {
    /// The generator of a seed.
    pub fn from_seed(seed: u64) -> Self {
        Rng { seed, inner: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// A generator seeded by the operating system, for a real run. Print [`Rng::seed`] to be able to replay it.
    pub fn from_entropy() -> Self {
        use std::hash::{BuildHasher, Hasher};
        // The standard library seeds its hasher's keys from the operating system; no other crate is needed for 64 bits.
        Rng::from_seed(std::hash::RandomState::new().build_hasher().finish())
    }

    /// The seed that this generator was made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// An independent generator for the part of the system called `name`.
    pub fn fork(&self, name: &str) -> Rng {
        // FNV-1a over the seed and the name: stable, and good enough to separate streams.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in self.seed.to_le_bytes().into_iter().chain(name.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Rng::from_seed(hash)
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }

    /// A uniform number in `0..bound`; 0 when `bound` is 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// A uniform index into a slice of length `len`; 0 when `len` is 0.
    #[inline]
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A uniform number in `[0, 1)` with 53 random bits.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// True with probability `p`.
    #[inline]
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Fisher–Yates: every order of `items` equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_is_pinned() {
        let mut rng = Rng::from_seed(42);
        let first: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(first, PINNED);
    }
    const PINNED: [u64; 3] = [15021278609987233951, 5881210131331364753, 18149643915985481100];

    #[test]
    fn a_fork_does_not_depend_on_what_the_parent_drew() {
        let mut parent = Rng::from_seed(1);
        let before = parent.fork("net").next_u64();
        parent.next_u64();
        assert_eq!(parent.fork("net").next_u64(), before);
        assert_ne!(parent.fork("disk").next_u64(), before);
    }

    #[test]
    fn below_is_total_and_uniform() {
        let mut rng = Rng::from_seed(7);
        assert_eq!(rng.below(0), 0);
        let mut seen = [0_u32; 6];
        for _ in 0..60_000 {
            seen[rng.index(6)] += 1;
        }
        assert!(seen.iter().all(|&n| (9_500..10_500).contains(&n)), "{seen:?}");
    }

    #[test]
    fn shuffle_reaches_every_order() {
        let mut rng = Rng::from_seed(3);
        let mut orders = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let mut items = [1, 2, 3];
            rng.shuffle(&mut items);
            orders.insert(items);
        }
        assert_eq!(orders.len(), 6);
    }
}
