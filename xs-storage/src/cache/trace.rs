//! Request sequences with a known character, to try caches on.
//!
//! # The problem
//!
//! Whether a cache is good depends on what it is asked for. Recorded traces are large and say what happened to somebody
//! else; a synthetic one isolates a single property, and a seed gives it back exactly.
//!
//! # How it works
//!
//! ```text
//!   zipf      3 1 1 7 1 2 1 4 2 1 ..     a few keys are most of it, forever: favours counting
//!   looping   0 1 2 3 4 0 1 2 3 4 ..     larger than the cache, LRU never hits: favours stubbornness
//!   scan      7 8 9 10 11 12 13  ..      each key once: nothing can be hit
//!   mixed     zipf, scan, zipf, ..       a backup runs over the working set: favours a filter for newcomers
//! ```
//!
//! A Zipf trace draws key k with a probability proportional to 1/(k+1)^s. The running sums of those are one table; a
//! request is a uniform number and a binary search in it. [`replay`] asks a cache for every request in turn and stores
//! what it misses, as a read-through cache does.
//!
//! # Invariants
//!
//! - The same generator state gives the same trace, everywhere.
//! - The keys of the scans in [`mixed`] never come a second time, and never belong to its Zipf part.
//!
//! # Cost
//!
//! O(log keys) a Zipf request, 8 bytes a key while generating.
//!
//! # Example
//!
//! ```
//! use xs_os::Rng;
//! use xs_storage::cache::{LruCache, optimal, trace};
//!
//! let requests = trace::zipf(&mut Rng::from_seed(1), 1000, 0.9, 20_000);
//! let lru = trace::replay(&mut LruCache::new(100), &requests);
//! assert!(lru > 0.3 && lru < optimal::hit_ratio(&requests, 100));
//! ```
//!
//! # How others do it
//!
//! YCSB and redis-benchmark-like tools draw from Zipf in the same way or by rejection; libCacheSim and the S3-FIFO paper
//! replay recorded traces of block stores, CDNs and key-value clusters.
//!
//! # What this leaves out
//!
//! Popularity that changes over time, sizes, and the arrival of new keys, which real traces have plenty of.
//!
//! # Try next
//!
//! Shift the Zipf ranks by a thousand keys half way through, and see which cache recovers first.
//!
//! # Sources
//!
//! L. Breslau et al., "Web caching and Zipf-like distributions" (1999).

use xs_os::Rng;

use super::Cache;

/// `len` requests for `keys` keys (0 the most popular) under a Zipf distribution with this exponent.
pub fn zipf(rng: &mut Rng, keys: usize, exponent: f64, len: usize) -> Vec<u64> {
    let sums = zipf_sums(keys, exponent);
    (0..len).map(|_| draw(rng, &sums)).collect()
}

fn zipf_sums(keys: usize, exponent: f64) -> Vec<f64> {
    let mut sum = 0.0;
    (1..=keys.max(1))
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect()
}

fn draw(rng: &mut Rng, sums: &[f64]) -> u64 {
    let total = sums.last().copied().unwrap_or(0.0);
    let at = rng.unit() * total;
    sums.partition_point(|sum| *sum <= at).min(sums.len() - 1) as u64
}

/// `len` keys in a row from `first` on, each once.
pub fn scan(first: u64, len: usize) -> Vec<u64> {
    (first..first + len as u64).collect()
}

/// `len` requests that go round `keys` keys.
pub fn looping(keys: usize, len: usize) -> Vec<u64> {
    (0..keys.max(1) as u64).cycle().take(len).collect()
}

/// `len` requests: Zipf over `keys` keys, and after every `every` of them a scan over `scan_len` keys never seen before.
pub fn mixed(rng: &mut Rng, keys: usize, exponent: f64, len: usize, every: usize, scan_len: usize) -> Vec<u64> {
    let sums = zipf_sums(keys, exponent);
    let mut fresh = keys as u64;
    let mut trace = Vec::with_capacity(len);
    while trace.len() < len {
        trace.extend((0..every.max(1)).map(|_| draw(rng, &sums)));
        trace.extend(scan(fresh, scan_len));
        fresh += scan_len as u64;
    }
    trace.truncate(len);
    trace
}

/// Asks `cache` for every request, storing what it misses; returns the share that it had.
pub fn replay(cache: &mut impl Cache<u64, ()>, trace: &[u64]) -> f64 {
    let mut hits = 0_usize;
    for key in trace {
        if cache.get(key).is_some() {
            hits += 1;
        } else {
            cache.insert(*key, ());
        }
    }
    hits as f64 / trace.len().max(1) as f64
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn zipf_follows_its_law() {
        let trace = zipf(&mut Rng::from_seed(2), 1000, 1.0, 100_000);
        let share = |key| trace.iter().filter(|k| **k == key).count() as f64 / trace.len() as f64;
        let harmonic: f64 = (1..=1000).map(|k| 1.0 / f64::from(k)).sum();
        for key in [0, 1, 9] {
            let expected = 1.0 / (key + 1) as f64 / harmonic;
            assert!((share(key) / expected - 1.0).abs() < 0.1, "{key}: {} {expected}", share(key));
        }
        assert!(trace.iter().all(|key| *key < 1000));
    }

    #[test]
    fn scans_never_repeat_a_key() {
        let trace = mixed(&mut Rng::from_seed(2), 100, 0.9, 5000, 300, 50);
        assert_eq!(trace.len(), 5000);
        let mut scanned: Vec<u64> = trace.into_iter().filter(|key| *key >= 100).collect();
        let before = scanned.len();
        scanned.dedup();
        assert!(before > 500 && scanned.len() == before && scanned.is_sorted());
    }
}
