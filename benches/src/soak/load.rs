//! What the store is put under.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use xs_os::Rng;
use xs_storage::engine::{Durability, Engine, KeyRange, ReadView, WriteBatch};

/// The most latencies between two samples: beyond, none is noted.
const NOTED: usize = 1 << 20;
/// Snapshots that are held at the most, and for how long.
const SNAPSHOTS: usize = 4;
const HELD: Duration = Duration::from_secs(8);

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

pub(super) struct Load {
    keys: u64,
    /// From one write to the next, for each of two writers.
    pace: Duration,
    stopped: AtomicBool,
    writes: AtomicU64,
    reads: AtomicU64,
    /// Microseconds of each batch since the last sample.
    batches: Mutex<Vec<u32>>,
}

impl Load {
    pub(super) fn new(keys: u64, rate: u64) -> Self {
        // Touched once and of one size from then on, so that the memory that is measured is the store's.
        let mut batches = vec![1; NOTED];
        batches.clear();
        Load {
            keys,
            pace: Duration::from_secs(2) / u32::try_from(rate).unwrap_or(u32::MAX),
            stopped: AtomicBool::new(false),
            writes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            batches: Mutex::new(batches),
        }
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// Entries written since the last call, and how long the slowest thousandth and the slowest of their batches took.
    pub(super) fn written(&self) -> (u64, Duration, Duration) {
        let mut batches = self.batches.lock().expect("no holder panics");
        batches.sort_unstable();
        let at = |part: f64| {
            let nth = ((batches.len() as f64 * part) as usize).min(batches.len().saturating_sub(1));
            Duration::from_micros(batches.get(nth).copied().unwrap_or(0).into())
        };
        let (p999, worst) = (at(0.999), at(1.0));
        batches.clear();
        (self.writes.swap(0, Relaxed), p999, worst)
    }

    /// Reads since the last call.
    pub(super) fn reads(&self) -> u64 {
        self.reads.swap(0, Relaxed)
    }

    fn key(&self, rng: &mut Rng) -> u64 {
        // A few are popular, as they are.
        let rank = rng.unit().powi(3);
        (rank * self.keys as f64) as u64 % self.keys
    }

    /// Batches at a steady pace; what a stall held up is made up for.
    pub(super) fn write(&self, store: &dyn Engine, nth: u64) -> Outcome {
        let mut rng = Rng::from_seed(nth);
        let mut due = Instant::now();
        let mut bytes = vec![0; 16 << 10];
        bytes.chunks_mut(8).for_each(|part| part.copy_from_slice(&rng.next_u64().to_le_bytes()));
        while !self.stopped.load(Relaxed) {
            let mut batch = WriteBatch::new();
            let entries = 1 + rng.below(40);
            for _ in 0..entries {
                let n = self.key(&mut rng);
                match rng.below(200) {
                    // A session ends: its keys lie side by side.
                    0 => batch.delete_range(&name(n), &name(n + 1 + rng.below(60))),
                    1..40 => batch.delete(&name(n)),
                    kind => {
                        // Counters and flags, short strings, small hashes, and now and then a page.
                        let long = match kind {
                            40..80 => 8,
                            80..170 => 20 + rng.below(180),
                            170..196 => 200 + rng.below(1000),
                            _ => 4000 + rng.below(8000),
                        };
                        let from = rng.below(4000) as usize;
                        batch.put(&name(n), &bytes[from..][..long as usize])
                    }
                };
            }
            // Every state says which one it is, to readers that hold it.
            batch.put(b"written", &rng.next_u64().to_le_bytes());
            let durability = if rng.chance(0.05) { Durability::Synced } else { Durability::Buffered };
            let began = Instant::now();
            let commit = store.submit(batch, durability)?;
            if durability == Durability::Synced {
                commit.wait()?;
            }
            let took = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
            let mut batches = self.batches.lock().expect("no holder panics");
            if batches.len() < NOTED {
                batches.push(took);
            }
            drop(batches);
            self.writes.fetch_add(entries, Relaxed);
            due += self.pace * entries as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    /// Gets, scans in both directions, and snapshots that are held, and must not change.
    pub(super) fn read(&self, store: &dyn Engine) -> Outcome {
        let mut rng = Rng::from_seed(0);
        let mut held: VecDeque<(Instant, Arc<dyn ReadView>, Option<Bytes>)> = VecDeque::new();
        while !self.stopped.load(Relaxed) {
            let until = Instant::now() + HELD / 4 + HELD.mul_f64(rng.unit());
            let snapshot = store.snapshot()?;
            let state = snapshot.get(b"written")?;
            held.push_back((until, snapshot, state));
            while held.len() > SNAPSHOTS || held.front().is_some_and(|(until, ..)| *until < Instant::now()) {
                let (_, snapshot, state) = held.pop_front().ok_or("one is held")?;
                if snapshot.get(b"written")? != state {
                    return Err("a snapshot has changed".into());
                }
            }
            for round in 0..200 {
                let old = held.get(rng.index(held.len()));
                let view = match old {
                    Some((_, view, _)) if round % 4 == 0 => &**view as &dyn ReadView,
                    _ => store as &dyn ReadView,
                };
                for _ in 0..20 {
                    view.get_with(&name(self.key(&mut rng)), &mut |value| {
                        std::hint::black_box(value.len());
                    })?;
                }
                let mut cursor = view.cursor(KeyRange::all())?;
                cursor.seek(&name(self.key(&mut rng)))?;
                let back = rng.chance(0.5);
                for _ in 0..50 {
                    if !(if back { cursor.prev()? } else { cursor.next()? }) {
                        break;
                    }
                    std::hint::black_box(cursor.value()?.len());
                }
                self.reads.fetch_add(70, Relaxed);
                thread::sleep(Duration::from_millis(1));
                if self.stopped.load(Relaxed) {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Keys that belong together lie side by side.
fn name(n: u64) -> Vec<u8> {
    format!("user:{:07}:field:{:02}", n / 16, n % 16).into_bytes()
}
