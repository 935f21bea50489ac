//! Maglev: a table that the members fill in turns.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Order, place, stir};
use crate::endpoint::Endpoint;

/// Google's Maglev: a table of a prime number of places, which the members fill in turns, each in an order of its own.
///
/// The turns make the parts all but equal: they differ by one place for equal weights. A member that leaves moves its own
/// places and a few of the others'. A look-up is one access, and what is refused goes on to the next places. The table takes
/// 4 bytes a place, and a change rebuilds all of it, in O(places · log members) turns.
#[derive(Debug, Clone)]
pub struct Maglev {
    size: usize,
    table: Vec<u32>,
}

impl Maglev {
    /// A table of so many places, rounded up to a prime, of at most about a million. Take at least a hundred for each
    /// member, and the same in every process. A size that followed the number of members would move every key on its way.
    pub fn new(places: usize) -> Self {
        Maglev { size: prime(places.min(1 << 20)), table: Vec::new() }
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.size
    }
}

impl Default for Maglev {
    /// 65,537 places, good for 655 members.
    fn default() -> Self {
        Maglev::new(65_537)
    }
}

/// The smallest prime that is not below `least`.
fn prime(least: usize) -> usize {
    let is_prime = |n: usize| (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    (least.max(3)..).find(|&n| is_prime(n)).unwrap_or(3)
}

const FREE: u32 = u32::MAX;

impl Order for Maglev {
    fn changed(&mut self, endpoints: &[Endpoint]) {
        let size = self.size;
        self.table.clear();
        // Where each member goes on looking, and in which steps.
        let mut walks: Vec<(usize, usize)> = Vec::with_capacity(endpoints.len());
        // Whose turn is when: the k-th of a member is at the moment k / weight. The first of all are at 0, so that the
        // lightest has a place too, while there is one.
        let mut turns = BinaryHeap::with_capacity(endpoints.len());
        for (index, endpoint) in endpoints.iter().enumerate() {
            let start = place(&endpoint.name);
            walks.push(((start % size as u64) as usize, (stir(start) % (size as u64 - 1)) as usize + 1));
            if endpoint.weight > 0 {
                turns.push(Reverse((0, index, 1_u64)));
            }
        }
        if turns.is_empty() {
            return;
        }
        self.table.resize(size, FREE);
        for _ in 0..size {
            let Some(mut turn) = turns.peek_mut() else { return };
            let Reverse((_, index, next)) = *turn;
            // There are at most 2²¹ turns, so that fits.
            *turn = Reverse(((next << 32) / u64::from(endpoints[index].weight), index, next + 1));
            let (at, step) = &mut walks[index];
            // The size is a prime, so the steps come by every place, and there is a free one.
            while self.table[*at] != FREE {
                *at = (*at + *step) % size;
            }
            self.table[*at] = index as u32;
        }
    }

    fn first(&self, hash: u64, accept: &mut dyn FnMut(usize) -> bool) -> Option<usize> {
        let start = stir(hash).checked_rem(self.table.len() as u64)? as usize;
        let (before, after) = self.table.split_at(start);
        after.iter().chain(before).map(|&index| index as usize).find(|&index| accept(index))
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_primes() {
        assert_eq!([0, 3, 4, 5, 100, 65_537, 65_538].map(prime), [3, 3, 5, 5, 101, 65_537, 65_539]);
        assert!(Maglev::new(usize::MAX).places() < 1_100_000);
    }
}
