//! The same endpoint for the same key: [`Order`], its three ways, and the policies over it.
//!
//! Every order is made from the members' names and weights alone, by a hash with a fixed seed and by arithmetic that is the
//! same everywhere. So processes that know the same members agree, without a word between them.

mod maglev;
mod rendezvous;
mod ring;

use std::fmt::Debug;

use twox_hash::XxHash3_64;
use xs_os::Rng;

pub use maglev::Maglev;
pub use rendezvous::Rendezvous;
pub use ring::Ring;

use super::cluster::Candidates;
use super::policy::Policy;
use crate::endpoint::Endpoint;

/// The hash of a request's key: xxHash3 of 64 bits with a fixed seed, the same in every process and in every release.
pub fn hash(key: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(0x7873_2d6b_6579, key)
}

/// The hash of a member's name: seeded otherwise than keys, so that a key that is also a name is nothing special.
fn place(name: &str) -> u64 {
    XxHash3_64::oneshot_with_seed(0x0078_732d_6e61_6d65, name.as_bytes())
}

/// Stirs 64 bits until each depends on all (the finaliser of SplitMix64).
fn stir(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// All members in an order of preference for each hash. Who leaves changes nothing in the order of the others, or little.
pub trait Order: Send + Debug {
    /// These are the members from now on.
    fn changed(&mut self, endpoints: &[Endpoint]);

    /// The first member in the order for `hash` that is accepted. `accept` may be asked in any order and more than once.
    fn first(&self, hash: u64, accept: &mut dyn FnMut(usize) -> bool) -> Option<usize>;
}

/// The first candidate in order of preference. Requests without a hash get one by chance.
#[derive(Debug, Clone)]
pub struct Hashed<O> {
    order: O,
}

impl<O: Order> Hashed<O> {
    /// By the order `order`.
    pub fn new(order: O) -> Self {
        Hashed { order }
    }
}

impl<O: Order> Policy for Hashed<O> {
    fn changed(&mut self, endpoints: &[Endpoint]) {
        self.order.changed(endpoints);
    }

    fn pick(&mut self, candidates: &Candidates<'_>, hash: Option<u64>, rng: &mut Rng) -> Option<usize> {
        let hash = hash.unwrap_or_else(|| rng.next_u64());
        let picked = self.order.first(hash, &mut |index| candidates.get(index).is_some());
        picked.or_else(|| last_resort(candidates, hash))
    }
}

/// The first candidate in order of preference that is not too busy: none gets more than `percent` of the mean calls under
/// way, rounded up, for its weight.
///
/// A key that everybody asks for would otherwise make its endpoint slow, and the endpoint's other keys with it. What is
/// too much goes to the next in order, always the same one, so caches still help. O(candidates) a pick.
#[derive(Debug, Clone)]
pub struct Bounded<O> {
    order: O,
    percent: u32,
}

impl<O: Order> Bounded<O> {
    /// By the order `order`, each with at most `percent` of the mean; below 100 is as 100. 125 is usual: the nearer to
    /// 100, the more keys go elsewhere.
    pub fn new(order: O, percent: u32) -> Self {
        Bounded { order, percent: percent.max(100) }
    }
}

impl<O: Order> Policy for Bounded<O> {
    fn changed(&mut self, endpoints: &[Endpoint]) {
        self.order.changed(endpoints);
    }

    fn pick(&mut self, candidates: &Candidates<'_>, hash: Option<u64>, rng: &mut Rng) -> Option<usize> {
        let hash = hash.unwrap_or_else(|| rng.next_u64());
        let (mut calls, mut weights) = (1_u128, 0_u128);
        for candidate in candidates.iter() {
            calls += u128::from(candidate.load.outstanding());
            weights += u128::from(candidate.weight);
        }
        // The caps add up to at least all calls, with the one to come, so there is always one that is not at its cap.
        let shares = calls * u128::from(self.percent);
        let has_room = |index| {
            candidates.get(index).is_some_and(|candidate| {
                let cap = (shares * u128::from(candidate.weight)).div_ceil(weights * 100);
                u128::from(candidate.load.outstanding()) < cap
            })
        };
        let picked = self.order.first(hash, &mut |index| has_room(index));
        picked
            .or_else(|| candidates.iter().map(|candidate| candidate.index).find(|&index| has_room(index)))
            .or_else(|| last_resort(candidates, hash))
    }
}

/// An order need not have a place for everybody; whoever has none is found by counting.
fn last_resort(candidates: &Candidates<'_>, hash: u64) -> Option<usize> {
    let count = candidates.iter().count() as u64;
    candidates.iter().nth(hash.checked_rem(count)? as usize).map(|candidate| candidate.index)
}

#[cfg(all(test, not(xs_loom)))]
mod tests;
