//! Hit ratios and costs of the caches: ours, those of moka and quick_cache, and what was possible at all.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::time::Instant;

use xs_os::Rng;
use xs_storage::cache::{ArcCache, LfuCache, LruCache, S3FifoCache, optimal, trace};

use crate::arguments::{self, Arguments};

/// What `--help` prints.
const HELP: &str = "\
caches: LRU, LFU, ARC and S3-FIFO on three traces, beside the optimum, moka and quick_cache

  --quick       a tenth of the keys, entries and requests, and two rounds
  --json FILE   one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds

Build with `--features peers` to measure moka and quick_cache.
";

/// Replays a trace on a new cache of a capacity and returns the share of hits.
type Replay = fn(&[u64], u64) -> f64;

/// A cache under test. Where counting the hits exactly has a cost (moka evicts in batches), the time is taken of
/// another run than the hits.
struct Subject {
    name: &'static str,
    ours: bool,
    measure: Replay,
    time: Replay,
}

impl Subject {
    const fn ours(name: &'static str, replay: Replay) -> Subject {
        Subject { name, ours: true, measure: replay, time: replay }
    }
}

fn subjects() -> Vec<Subject> {
    let ours = [
        Subject::ours("LRU", |requests, capacity| trace::replay(&mut LruCache::new(capacity), requests)),
        Subject::ours("LFU", |requests, capacity| trace::replay(&mut LfuCache::new(capacity), requests)),
        Subject::ours("ARC", |requests, capacity| trace::replay(&mut ArcCache::new(capacity), requests)),
        Subject::ours("S3-FIFO", |requests, capacity| trace::replay(&mut S3FifoCache::new(capacity), requests)),
    ];
    ours.into_iter().chain(peers::subjects()).collect()
}

#[cfg(not(feature = "peers"))]
mod peers {
    pub(super) const MISSING: &str = "moka and quick_cache aren't built in (`--features peers`): not measured.\n\n";

    pub(super) fn subjects() -> Option<super::Subject> {
        None
    }
}

#[cfg(feature = "peers")]
mod peers {
    use super::Subject;

    pub(super) const MISSING: &str = "";

    pub(super) fn subjects() -> [Subject; 2] {
        [
            Subject { name: "moka", ours: false, measure: moka::<true>, time: moka::<false> },
            Subject { name: "quick_cache", ours: false, measure: quick_cache, time: quick_cache },
        ]
    }

    fn share(hits: usize, requests: &[u64]) -> f64 {
        hits as f64 / requests.len().max(1) as f64
    }

    /// With `EXACT`, pending evictions are carried out after each insertion, so that the cache never holds more than
    /// its capacity.
    fn moka<const EXACT: bool>(requests: &[u64], capacity: u64) -> f64 {
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
    fn quick_cache(requests: &[u64], capacity: u64) -> f64 {
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

/// The figures of one trace, in the order of the subjects.
struct Row {
    trace: &'static str,
    /// Percent.
    hits: Vec<f64>,
    optimum: f64,
    /// Nanoseconds a request.
    cost: Vec<f64>,
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let Some(Arguments { quick, json }) = arguments::parse(args, HELP, arguments::none)? else { return Ok(()) };
    let (unit, rounds) = if quick { (100, 2) } else { (1000, 7) };
    let (capacity, keys, requests) = (10 * unit, 100 * unit, 1000 * unit);
    let mut rng = Rng::from_seed(20);
    let traces = [
        ("zipf 0.9", trace::zipf(&mut rng, keys, 0.9, requests)),
        ("zipf 0.9 + scans", trace::mixed(&mut rng, keys, 0.9, requests, 50 * unit, 20 * unit)),
        ("loop", trace::looping(12 * unit, requests)),
    ];
    let subjects = subjects();
    let rows: Vec<Row> = traces.iter().map(|(name, trace)| row(name, trace, &subjects, capacity, rounds)).collect();

    println!(
        "# caches\n\n{capacity} entries, {keys} keys under Zipf, {requests} requests, medians of {rounds} rounds.\n"
    );
    print!("{}", peers::MISSING);
    print_table("Hit ratio in percent", &subjects, &rows, "optimum", |row| {
        row.hits.iter().chain([&row.optimum]).map(|figure| format!("{figure:.1}")).collect()
    });
    print_table("Nanoseconds a request, a missed key's insertion included", &subjects, &rows, "", |row| {
        row.cost.iter().map(|figure| format!("{figure:.0}")).collect()
    });
    print_ratios(&subjects, &rows);
    if let Some(mut file) = json {
        write_json(&mut file, &subjects, &rows, rounds)?;
    }
    Ok(())
}

fn row(name: &'static str, trace: &[u64], subjects: &[Subject], capacity: usize, rounds: usize) -> Row {
    let hits = subjects.iter().map(|subject| 100.0 * (subject.measure)(trace, capacity as u64)).collect();
    let mut times = vec![Vec::new(); subjects.len()];
    // All caches in each round, so that a busy moment of the machine hits none of them alone.
    for _ in 0..rounds {
        for (subject, times) in subjects.iter().zip(&mut times) {
            let start = Instant::now();
            std::hint::black_box((subject.time)(std::hint::black_box(trace), capacity as u64));
            times.push(start.elapsed().as_nanos() as f64 / trace.len() as f64);
        }
    }
    Row {
        trace: name,
        hits,
        optimum: 100.0 * optimal::hit_ratio(trace, capacity),
        cost: times.into_iter().map(median).collect(),
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 { figures[middle] } else { (figures[middle - 1] + figures[middle]) / 2.0 }
}

fn print_table(title: &str, subjects: &[Subject], rows: &[Row], last: &str, figures: impl Fn(&Row) -> Vec<String>) {
    let names: Vec<&str> =
        subjects.iter().map(|subject| subject.name).chain(Some(last).filter(|last| !last.is_empty())).collect();
    println!("{title}\n\n| trace | {} |\n|---|{}", names.join(" | "), "---:|".repeat(names.len()));
    rows.iter().for_each(|row| println!("| {} | {} |", row.trace, figures(row).join(" | ")));
    println!();
}

/// One of our caches beside one peer, on one trace.
struct Comparison {
    trace: &'static str,
    subject: &'static str,
    peer: &'static str,
    unit: &'static str,
    ours: f64,
    theirs: f64,
    /// Above 1 is better for us.
    ratio: f64,
}

fn comparisons(subjects: &[Subject], rows: &[Row]) -> Vec<Comparison> {
    let mut all = Vec::new();
    for row in rows {
        for (at, subject) in subjects.iter().enumerate().filter(|(_, subject)| subject.ours) {
            let compare = |peer, unit, ours, theirs, ratio| Comparison {
                trace: row.trace,
                subject: subject.name,
                peer,
                unit,
                ours,
                theirs,
                ratio,
            };
            let hits = row.hits[at];
            for (other, peer) in subjects.iter().enumerate().filter(|(_, subject)| !subject.ours) {
                let theirs = row.hits[other];
                all.push(compare(peer.name, "hit ratio, %", hits, theirs, hits / theirs));
                let (cost, theirs) = (row.cost[at], row.cost[other]);
                all.push(compare(peer.name, "ns/request", cost, theirs, theirs / cost));
            }
            all.push(compare("optimum", "hit ratio, %", hits, row.optimum, hits / row.optimum));
        }
    }
    all
}

fn print_ratios(subjects: &[Subject], rows: &[Row]) {
    println!("Ours beside each peer, above 1 is better for us\n\n| trace | cache | peer | measure | ratio |");
    println!("|---|---|---|---|---:|");
    for Comparison { trace, subject, peer, unit, ratio, .. } in comparisons(subjects, rows) {
        println!("| {trace} | {subject} | {peer} | {unit} | {ratio:.2} |");
    }
    println!();
}

fn write_json(file: &mut File, subjects: &[Subject], rows: &[Row], rounds: usize) -> std::io::Result<()> {
    for comparison in comparisons(subjects, rows) {
        let Comparison { trace, subject, peer, unit, ours, theirs, ratio } = comparison;
        let line = serde_json::json!({
            "bench": "caches", "row": trace, "subject": subject, "peer": peer, "ratio": ratio, "unit": unit,
            "ours": ours, "theirs": theirs, "rounds": rounds,
        });
        writeln!(file, "{line}")?;
    }
    Ok(())
}
