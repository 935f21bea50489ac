//! Hit ratios and costs of the caches: ours, those of moka and quick_cache, and what was possible at all.

use std::error::Error;
use std::time::Instant;

use xs_os::Rng;
use xs_storage::cache::{ArcCache, LfuCache, LruCache, S3FifoCache, optimal, trace};

use crate::Options;
use crate::report::{Report, Table};

/// Replays a trace on a new cache of a capacity and returns the share of hits.
type Replay = fn(&[u64], u64) -> f64;

/// A cache under test. Where the hits are counted exactly at some cost (moka, which evicts in batches), the time is
/// taken of another run.
struct Subject {
    name: &'static str,
    measure: Replay,
    time: Replay,
}

impl Subject {
    const fn new(name: &'static str, replay: Replay) -> Subject {
        Subject { name, measure: replay, time: replay }
    }
}

fn subjects() -> Vec<Subject> {
    #[allow(unused_mut)] // grows only with the feature
    let mut subjects = vec![
        Subject::new("LRU", |requests, capacity| trace::replay(&mut LruCache::new(capacity), requests)),
        Subject::new("LFU", |requests, capacity| trace::replay(&mut LfuCache::new(capacity), requests)),
        Subject::new("ARC", |requests, capacity| trace::replay(&mut ArcCache::new(capacity), requests)),
        Subject::new("S3-FIFO", |requests, capacity| trace::replay(&mut S3FifoCache::new(capacity), requests)),
    ];
    #[cfg(feature = "peers")]
    subjects.extend([
        Subject { name: "moka", measure: peers::moka::<true>, time: peers::moka::<false> },
        Subject::new("quick_cache", peers::quick_cache),
    ]);
    subjects
}

#[cfg(feature = "peers")]
mod peers {
    fn share(hits: usize, requests: &[u64]) -> f64 {
        hits as f64 / requests.len().max(1) as f64
    }

    /// With `EXACT`, pending evictions are carried out after each insertion, so that the cache never holds more than
    /// its capacity.
    pub(super) fn moka<const EXACT: bool>(requests: &[u64], capacity: u64) -> f64 {
        let cache = moka::sync::Cache::<u64, ()>::new(capacity);
        let mut hits = 0;
        for key in requests {
            if cache.get(key).is_some() {
                hits += 1;
                continue;
            }
            cache.insert(*key, ());
            if EXACT {
                cache.run_pending_tasks();
            }
        }
        share(hits, requests)
    }

    /// The variant for one thread, as ours are.
    pub(super) fn quick_cache(requests: &[u64], capacity: u64) -> f64 {
        let mut cache = quick_cache::unsync::Cache::<u64, ()>::new(capacity as usize);
        let mut hits = 0;
        for key in requests {
            if cache.get(key).is_some() {
                hits += 1;
            } else {
                cache.insert(*key, ());
            }
        }
        share(hits, requests)
    }
}

pub(crate) fn run(options: &Options) -> Result<Report, Box<dyn Error>> {
    // A tenth of everything is enough to see that it works; the ratios stay much the same.
    let unit = if options.quick { 100 } else { 1000 };
    let (capacity, keys, requests) = (10 * unit, 100 * unit, 1000 * unit);
    let mut rng = Rng::from_seed(20);
    let traces = [
        ("zipf 0.9", trace::zipf(&mut rng, keys, 0.9, requests)),
        ("zipf 0.9 + scans", trace::mixed(&mut rng, keys, 0.9, requests, 50 * unit, 20 * unit)),
        ("loop", trace::looping(12 * unit, requests)),
    ];
    let subjects = subjects();
    let names: Vec<String> = subjects.iter().map(|subject| subject.name.to_owned()).collect();
    let mut ratios = Table {
        title: format!("Hit ratio in percent, {capacity} entries, {requests} requests"),
        columns: names.iter().cloned().chain(["optimum".to_owned()]).collect(),
        rows: Vec::new(),
        decimals: 1,
    };
    let mut costs = Table {
        title: "Nanoseconds a request, a missed key's insertion included (best of seven)".to_owned(),
        columns: names,
        rows: Vec::new(),
        decimals: 0,
    };
    for (name, trace) in &traces {
        let mut row: Vec<f64> =
            subjects.iter().map(|subject| 100.0 * (subject.measure)(trace, capacity as u64)).collect();
        row.push(100.0 * optimal::hit_ratio(trace, capacity));
        ratios.rows.push((name.to_string(), row));
        costs.rows.push((name.to_string(), best_times(&subjects, trace, capacity as u64)));
    }
    Ok(Report { tables: vec![ratios, costs] })
}

/// The best of seven rounds, all caches in each round, so that a busy moment of the machine hits none of them alone.
fn best_times(subjects: &[Subject], trace: &[u64], capacity: u64) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; subjects.len()];
    for _ in 0..7 {
        for (subject, best) in subjects.iter().zip(&mut best) {
            let start = Instant::now();
            std::hint::black_box((subject.time)(std::hint::black_box(trace), capacity));
            *best = best.min(start.elapsed().as_nanos() as f64 / trace.len() as f64);
        }
    }
    best
}
