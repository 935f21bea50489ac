//! The best that any cache could have done: Belady's optimum, computed with the whole trace in hand.
//!
//! # The problem
//!
//! A hit ratio of 60 % means nothing by itself. If no cache of that size could do better than 62, the policy is finished;
//! if 90 were possible, it is not. The optimum is the yardstick.
//!
//! # How it works
//!
//! Evict what will be asked for again last. One pass from the end of the trace finds, for each request, where the same
//! key comes next; one pass from the start keeps the cached keys ordered by that:
//!
//! ```text
//!   trace   a  b  c  a  d  b           at "c", with room for two: cached a (next 3), b (next 5), and c itself (never)
//!   next    3  5  -  -  -  -           c goes: it is not even let in
//! ```
//!
//! The newcomer is a candidate like all the others. A cache that must admit everything can do slightly worse than this;
//! caches with admission (W-TinyLFU) can refuse, and they are measured too, so the bound has to hold for them.
//!
//! # Invariants
//!
//! - No policy, with or without admission, has more hits on the same trace with the same number of entries: the classic
//!   exchange argument. The tests compare with a search over all choices on short traces.
//! - Ties (keys that never come again) change nothing: none of them can be a hit.
//!
//! # Cost
//!
//! O(n log c) time for n requests and c entries, 8 bytes a request.
//!
//! # Example
//!
//! ```
//! use xs_storage::cache::optimal;
//! // Three keys in turn, room for two: LRU would never hit.
//! let ratio = optimal::hit_ratio(&[1, 2, 3, 1, 2, 3, 1, 2, 3], 2);
//! assert_eq!(ratio, 4.0 / 9.0); // keep 1 and 2, never let 3 in
//! ```
//!
//! # How others do it
//!
//! libCacheSim has the same algorithm beside dozens of online ones. With objects of different sizes the exact optimum is
//! NP-hard; practical bounds come from flow relaxations (FOO and PFOO).
//!
//! # What this leaves out
//!
//! Weights, for that reason.
//!
//! # Try next
//!
//! Print, along a trace, the distance between what LRU evicted and what the optimum would have: where is it largest?
//!
//! # Sources
//!
//! L. Belady, "A study of replacement algorithms for a virtual-storage computer" (1966); D. Berger et al., "Practical
//! bounds on optimal caching with variable object sizes" (2018).

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;

/// The largest share of requests that any cache of `capacity` entries can answer.
pub fn hit_ratio(trace: &[u64], capacity: usize) -> f64 {
    if trace.is_empty() {
        return 0.0;
    }
    hits(trace, capacity) as f64 / trace.len() as f64
}

/// The largest number of requests that any cache of `capacity` entries can answer.
pub fn hits(trace: &[u64], capacity: usize) -> usize {
    let mut upcoming: HashMap<u64, usize, FixedState> = HashMap::default();
    let mut next = vec![usize::MAX; trace.len()];
    for (at, key) in trace.iter().enumerate().rev() {
        next[at] = upcoming.insert(*key, at).unwrap_or(usize::MAX);
    }
    // A cached key is known by the position of its next request, so the request itself finds it. Keys that never come
    // again are not kept at all.
    let mut cached: BTreeSet<usize> = BTreeSet::new();
    let mut hits = 0;
    for (at, next) in next.into_iter().enumerate() {
        hits += usize::from(cached.remove(&at));
        if next != usize::MAX {
            cached.insert(next);
            if cached.len() > capacity {
                cached.pop_last();
            }
        }
    }
    hits
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use xs_os::Rng;

    /// The most hits over all choices of what to keep after each request.
    fn search(trace: &[u64], capacity: usize, cached: &mut Vec<u64>) -> usize {
        let Some((key, rest)) = trace.split_first() else { return 0 };
        if cached.contains(key) {
            return 1 + search(rest, capacity, cached);
        }
        let mut best = search(rest, capacity, cached);
        if cached.len() < capacity {
            cached.push(*key);
            best = best.max(search(rest, capacity, cached));
            cached.pop();
            return best;
        }
        for at in 0..cached.len() {
            let old = std::mem::replace(&mut cached[at], *key);
            best = best.max(search(rest, capacity, cached));
            cached[at] = old;
        }
        best
    }

    #[test]
    fn nothing_found_by_search_is_better() {
        let mut rng = Rng::from_seed(9);
        for _ in 0..60 {
            let trace: Vec<u64> = (0..10).map(|_| rng.below(5)).collect();
            let capacity = 1 + rng.index(3);
            assert_eq!(hits(&trace, capacity), search(&trace, capacity, &mut Vec::new()), "{trace:?} {capacity}");
        }
    }

    #[test]
    fn the_ends_are_right() {
        assert_eq!(hit_ratio(&[], 3), 0.0);
        assert_eq!(hits(&[1, 1, 1], 0), 0);
        assert_eq!(hits(&[1, 2, 1, 2], 2), 2);
    }
}
