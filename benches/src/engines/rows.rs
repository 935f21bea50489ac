//! The rows: what is done to an engine, and how the figure is counted.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use xs_os::Rng;
use xs_storage::engine::{Durability, Engine, KeyRange, WriteBatch};

use super::Maker;

/// One measured value.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

const BATCH: u64 = 1000;
const VALUE: usize = 100;

/// The key of a number, spread over the whole range of keys.
fn random_key(n: u64) -> [u8; 16] {
    // The finaliser of SplitMix64: a permutation, so that no two numbers share a key.
    let mut x = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    let mut key = [0; 16];
    key[..8].copy_from_slice(&x.to_be_bytes());
    key[8..].copy_from_slice(&n.to_be_bytes());
    key
}

fn ordered_key(n: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[8..].copy_from_slice(&n.to_be_bytes());
    key
}

fn value(n: u64) -> [u8; VALUE] {
    let mut value = [0; VALUE];
    let mut rng = Rng::from_seed(n);
    value.chunks_mut(8).for_each(|part| part.copy_from_slice(&rng.next_u64().to_le_bytes()[..part.len()]));
    value
}

/// Puts the entries in batches; the slowest batch.
fn fill(engine: &dyn Engine, keys: impl Iterator<Item = ([u8; 16], u64)>) -> Result<Duration, Box<dyn Error>> {
    let mut worst = Duration::ZERO;
    let mut batch = WriteBatch::new();
    let mut submit = |batch: &mut WriteBatch| -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        drop(engine.submit(std::mem::take(batch), Durability::Buffered)?);
        worst = worst.max(start.elapsed());
        Ok(())
    };
    for (key, n) in keys {
        batch.put(&key, &value(n));
        if batch.len() as u64 == BATCH {
            submit(&mut batch)?;
        }
    }
    submit(&mut batch)?;
    Ok(worst)
}

struct Rows<'a> {
    figures: Vec<Figure>,
    want: &'a dyn Fn(&str) -> bool,
}

impl Rows<'_> {
    fn add(&mut self, name: &'static str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name, value, unit });
    }

    /// Times `count` of something.
    fn rate(
        &mut self,
        name: &'static str,
        count: u64,
        run: impl FnOnce() -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        if (self.want)(name) {
            let start = Instant::now();
            run()?;
            self.add(name, count as f64 / start.elapsed().as_secs_f64(), "/s");
        }
        Ok(())
    }
}

/// Runs the rows that are wanted on one engine, in an empty directory.
pub(super) fn all(
    maker: &Maker,
    dir: &Path,
    keys: u64,
    memory: u64,
    want: &dyn Fn(&str) -> bool,
) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut rows = Rows { figures: Vec::new(), want };
    if want("fill-seq") {
        let place = dir.join("seq");
        let engine = (maker.open)(&place, memory)?;
        rows.rate("fill-seq", keys, || fill(&*engine, (0..keys).map(|n| (ordered_key(n), n))).map(drop))?;
    }
    if want("durable") {
        durable(&mut rows, maker, dir, memory)?;
    }
    let place = dir.join("random");
    let engine = (maker.open)(&place, memory)?;
    let start = Instant::now();
    let worst = fill(&*engine, (0..keys).map(|n| (random_key(n), n)))?;
    if want("fill-random") {
        rows.add("fill-random", keys as f64 / start.elapsed().as_secs_f64(), "/s");
        rows.add("worst batch", worst.as_secs_f64() * 1e3, "ms");
        let stats = engine.stats();
        rows.add("write amplification", stats.disk_bytes_written as f64 / stats.user_bytes_written.max(1) as f64, "x");
        rows.add("space amplification", stats.disk_bytes as f64 / (keys * (16 + VALUE as u64)) as f64, "x");
    }
    if want("open") {
        drop(engine);
        let start = Instant::now();
        let again = (maker.open)(&place, memory)?;
        rows.add("open", start.elapsed().as_secs_f64() * 1e3, "ms");
        drop(again);
    } else {
        drop(engine);
    }
    let engine = (maker.open)(&place, memory)?;
    engine.flush()?;
    reads(&mut rows, &*engine, keys)?;
    Ok(rows.figures)
}

fn reads(rows: &mut Rows<'_>, engine: &dyn Engine, keys: u64) -> Result<(), Box<dyn Error>> {
    let mut sum = 0_u64;
    let reads = keys;
    for (name, offset) in [("read hit", 0), ("read miss", keys)] {
        rows.rate(name, reads, || {
            let mut rng = Rng::from_seed(7);
            for _ in 0..reads {
                let key = random_key(offset + rng.below(keys));
                let found = engine.get_with(&key, &mut |value| sum += u64::from(value[0]))?;
                assert_eq!(found, offset == 0, "the engine has what was put in, and nothing else");
            }
            Ok(())
        })?;
    }
    let seeks = keys / 20;
    rows.rate("seek+100", seeks, || {
        let mut rng = Rng::from_seed(8);
        for _ in 0..seeks {
            let mut cursor = engine.cursor(KeyRange::all())?;
            let mut more = cursor.seek(&random_key(rng.below(keys)))?;
            for _ in 0..100 {
                if !more {
                    break;
                }
                sum += u64::from(cursor.key()[0]) + u64::from(cursor.value()?[0]);
                more = cursor.next()?;
            }
        }
        Ok(())
    })?;
    rows.rate("scan", keys, || {
        let mut cursor = engine.cursor(KeyRange::all())?;
        let mut entries = 0;
        while cursor.next()? {
            sum += u64::from(cursor.key()[0]) + u64::from(cursor.value()?[0]);
            entries += 1;
        }
        assert_eq!(entries, keys, "a scan sees every entry");
        Ok(())
    })?;
    black_box(sum);
    Ok(())
}

/// Single durable puts for a second, by one thread and by four.
fn durable(rows: &mut Rows<'_>, maker: &Maker, dir: &Path, memory: u64) -> Result<(), Box<dyn Error>> {
    for (name, threads) in [("durable, 1 thread", 1), ("durable, 4 threads", 4)] {
        let engine = (maker.open)(&dir.join(format!("durable-{threads}")), memory)?;
        let (start, puts) = (Instant::now(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let work = |thread: u64| {
                for n in 0.. {
                    if start.elapsed() >= Duration::from_secs(1) {
                        break;
                    }
                    let mut batch = WriteBatch::new();
                    batch.put(&random_key(thread << 32 | n), &value(n));
                    engine.submit(batch, Durability::Synced).and_then(|commit| commit.wait()).expect("a durable put");
                    puts.fetch_add(1, Ordering::Relaxed);
                }
            };
            for thread in 0..threads {
                scope.spawn(move || work(thread));
            }
        });
        rows.add(name, puts.into_inner() as f64 / start.elapsed().as_secs_f64(), "/s");
    }
    Ok(())
}
