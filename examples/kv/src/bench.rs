//! A quick measurement of the engine at hand, on the disk at hand. To compare engines, see the package `xs-benches`.

use std::thread;
use std::time::Duration;

use xs_os::{Clock, Rng};
use xs_storage::engine::{Durability, Engine, KeyRange, WriteBatch};

use crate::failure::Failure;

/// So many entries are written in one batch where only throughput counts.
const BATCH: u64 = 1000;

/// What to measure.
pub(crate) struct Plan {
    pub(crate) entries: u64,
    pub(crate) value_bytes: usize,
    pub(crate) threads: u32,
    pub(crate) seed: u64,
}

impl Plan {
    /// Keys are 16 digits, all even: the odd ones are there to be missed.
    fn key(&self, n: u64) -> [u8; 16] {
        let mut key = *b"0000000000000000";
        let mut rest = n * 2;
        for digit in key.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        key
    }

    fn random(&self, rng: &mut Rng) -> [u8; 16] {
        self.key(rng.below(self.entries))
    }
}

/// Runs every test, and leaves the store without entries, as it must have been.
pub(crate) fn run(
    engine: &dyn Engine,
    plan: &Plan,
    clock: &dyn Clock,
    say: &mut dyn FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if engine.cursor(KeyRange::all())?.next()? {
        return Err(Failure::Usage("the store has entries: give a directory of its own to the benchmark".into()));
    }
    let mut rng = Rng::from_seed(plan.seed);
    let value: Vec<u8> = (0..plan.value_bytes).map(|_| rng.next_u64() as u8).collect();
    let reads = plan.entries.min(200_000);
    say(&format!("{} entries of 16 + {} bytes, seed {}\n", plan.entries, plan.value_bytes, plan.seed))?;
    let mut measured = |name: &str, calls: u64, took: Duration| {
        let seconds = took.as_secs_f64().max(1e-9);
        say(&format!("{name:<28}{:>14.0} /s\n", calls as f64 / seconds))
    };

    let begin = clock.now();
    fill(engine, plan, &value, &mut |n| plan.key(n))?;
    measured("fill in order", plan.entries, clock.now() - begin)?;

    let begin = clock.now();
    fill(engine, plan, &value, &mut |_| plan.random(&mut rng))?;
    measured("overwrite at random", plan.entries, clock.now() - begin)?;

    for threads in if plan.threads > 1 { vec![1, plan.threads] } else { vec![1] } {
        let puts = (plan.entries / 10).clamp(1, 2000);
        let begin = clock.now();
        durable(engine, plan, &value, threads, puts)?;
        measured(&format!("durable puts, {threads} threads"), puts * u64::from(threads), clock.now() - begin)?;
    }

    let begin = clock.now();
    for _ in 0..reads {
        expect(engine.get_with(&plan.random(&mut rng), &mut |_| {})?, true)?;
    }
    measured("random reads, hit", reads, clock.now() - begin)?;

    let begin = clock.now();
    for _ in 0..reads {
        let mut key = plan.random(&mut rng);
        key[15] += 1;
        expect(engine.get_with(&key, &mut |_| {})?, false)?;
    }
    measured("random reads, miss", reads, clock.now() - begin)?;

    let seeks = (reads / 100).max(1);
    let begin = clock.now();
    let mut cursor = engine.cursor(KeyRange::all())?;
    for _ in 0..seeks {
        expect(cursor.seek(&plan.random(&mut rng))?, true)?;
        for _ in 0..100 {
            if !cursor.next()? {
                break;
            }
        }
    }
    measured("seek and 100 next", seeks, clock.now() - begin)?;
    drop(cursor);

    let begin = clock.now();
    let (mut cursor, mut passed) = (engine.cursor(KeyRange::all())?, 0);
    while cursor.next()? {
        passed += 1;
    }
    drop(cursor);
    expect(passed == plan.entries, true)?;
    measured("full scan, entries", passed, clock.now() - begin)?;

    let mut batch = WriteBatch::new();
    batch.delete_range(b"0", b":");
    engine.submit(batch, Durability::Synced)?.wait()?;
    expect(engine.cursor(KeyRange::all())?.next()?, false)
}

/// A measurement of wrong answers is none.
fn expect(given: bool, expected: bool) -> Result<(), Failure> {
    if given == expected { Ok(()) } else { Err(Failure::Wrong(xs_storage::Error::Invalid("a wrong answer".into()))) }
}

fn fill(engine: &dyn Engine, plan: &Plan, value: &[u8], key: &mut dyn FnMut(u64) -> [u8; 16]) -> Result<(), Failure> {
    let mut batch = WriteBatch::new();
    for n in 0..plan.entries {
        batch.put(&key(n), value);
        if batch.len() as u64 == BATCH || n + 1 == plan.entries {
            let commit = engine.submit(std::mem::take(&mut batch), Durability::Buffered)?;
            if n + 1 == plan.entries {
                commit.wait()?;
            }
        }
    }
    Ok(())
}

fn durable(engine: &dyn Engine, plan: &Plan, value: &[u8], threads: u32, puts: u64) -> Result<(), Failure> {
    let work = &|thread: u32| -> xs_storage::Result<()> {
        let mut rng = Rng::from_seed(plan.seed).fork(&format!("thread {thread}"));
        for _ in 0..puts {
            let mut batch = WriteBatch::new();
            batch.put(&plan.random(&mut rng), value);
            engine.submit(batch, Durability::Synced)?.wait()?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    })
}
