//! One process that measures one subject in one phase, so that its memory, processor time and disk traffic are its own.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use xs_os::Rng;
use xs_storage::cache::trace::zipf;

use crate::process;

use super::subject::{Entry, Fallible, Setup, Subject, Write};

/// What to measure.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) phase: String,
    pub(super) dir: PathBuf,
    /// How many entries the store gets.
    pub(super) keys: u64,
    /// How long a row that is bounded by time runs.
    pub(super) time: Duration,
    /// Bytes of cache.
    pub(super) cache: usize,
}

/// Entries in a batch of the filling rows.
pub(super) const BATCH: u64 = 1000;
pub(super) const VALUE: usize = 100;
pub(super) const KEY: usize = 16;

/// The phases that measure, in order; each starts with an empty directory except for those after a `+`.
pub(super) const PHASES: &[&str] = &[
    "sequential",
    "random",
    "+small cache",
    "+ycsb",
    "durable",
    "crash",
    "+after crash",
    "batches",
    "churn",
    "deleted",
];

pub(super) fn run(entry: &Entry, job: &Job) -> Fallible<()> {
    let setup = Setup { dir: &job.dir, cache: job.cache };
    let began = Instant::now();
    let subject = (entry.open)(setup)?;
    let opened = began.elapsed();
    let bench = Bench { subject: &*subject, job, rng: Rng::from_seed(7) };
    match job.phase.as_str() {
        "sequential" => bench.sequential(),
        "random" => bench.random(),
        "small cache" => bench.reads(" 16 MiB cache"),
        "ycsb" => bench.ycsb(),
        "durable" => bench.durable(),
        "batches" => bench.batches(),
        "churn" => bench.churn(),
        "deleted" => bench.deleted(),
        "crash" => bench.crash(),
        "after crash" => {
            report("open after kill", "ms", opened.as_secs_f64() * 1e3, None);
            bench.after_crash()
        }
        other => Err(format!("there is no phase {other}").into()),
    }
}

/// Prints one figure for the parent: row, unit, figure, CPU-seconds per million operations.
pub(super) fn report(row: &str, unit: &str, figure: f64, cpu: Option<f64>) {
    println!("{row}\t{unit}\t{figure}\t{}", cpu.unwrap_or(f64::NAN));
}

pub(super) struct Bench<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) job: &'a Job,
    pub(super) rng: Rng,
}

/// Keys in the order of their numbers.
pub(super) fn ordered(n: u64) -> [u8; KEY] {
    let mut key = [b'k'; KEY];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key
}

/// Keys all over the place: a permutation of the numbers in front.
pub(super) fn scattered(n: u64) -> [u8; KEY] {
    let mut mixed = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    ordered(mixed)
}

/// A value that is not all zeros, nor the same twice.
pub(super) fn value(rng: &mut Rng) -> [u8; VALUE] {
    let mut value = [0; VALUE];
    for part in value.chunks_mut(8) {
        part.copy_from_slice(&rng.next_u64().to_le_bytes()[..part.len()]);
    }
    value
}

/// Runs `f`, which says how many operations it made, and reports them a second.
fn timed(row: &str, f: impl FnOnce() -> Fallible<u64>) -> Fallible<()> {
    let (cpu, began) = (cpu_seconds(), Instant::now());
    let operations = f()? as f64;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    report(row, "/s", operations / seconds, Some(cpu * 1e6 / operations));
    Ok(())
}

impl Bench<'_> {
    /// Writes the keys with these numbers in batches, and returns how long the slowest took.
    pub(super) fn fill(&mut self, key: fn(u64) -> [u8; KEY], numbers: &[u64], durable: bool) -> Fallible<Duration> {
        let mut worst = Duration::ZERO;
        for numbers in numbers.chunks(BATCH as usize) {
            let entries: Vec<_> = numbers.iter().map(|&n| (key(n), value(&mut self.rng))).collect();
            let writes: Vec<Write<'_>> = entries.iter().map(|(key, value)| (&key[..], Some(&value[..]))).collect();
            let began = Instant::now();
            self.subject.write(&writes, durable)?;
            worst = worst.max(began.elapsed());
        }
        Ok(worst)
    }

    fn sequential(mut self) -> Fallible<()> {
        let numbers: Vec<u64> = (0..self.job.keys).collect();
        let disk = disk_bytes_written();
        timed("fill sequential", || {
            self.fill(ordered, &numbers, false)?;
            self.subject.settle()?;
            Ok(numbers.len() as u64)
        })?;
        let live = (self.job.keys * (KEY + VALUE) as u64) as f64;
        report("write amplification, sequential", "x", (disk_bytes_written() - disk) as f64 / live, None);
        Ok(())
    }

    fn random(mut self) -> Fallible<()> {
        let mut numbers: Vec<u64> = (0..self.job.keys).collect();
        let (disk, handed, mut worst) = (disk_bytes_written(), bytes_handed_over(), Duration::ZERO);
        timed("fill random", || {
            worst = self.fill(scattered, &numbers, false)?;
            self.subject.settle()?;
            Ok(numbers.len() as u64)
        })?;
        report("worst batch of 1000", "ms", worst.as_secs_f64() * 1e3, None);
        self.reads_of("")?;
        self.rng.shuffle(&mut numbers);
        timed("overwrite random", || {
            self.fill(scattered, &numbers, false)?;
            self.subject.settle()?;
            Ok(numbers.len() as u64)
        })?;
        self.rest();
        let live = (self.job.keys * (KEY + VALUE) as u64) as f64;
        report("space amplification", "x", process::directory_bytes(&self.job.dir)? as f64 / live, None);
        report("write amplification", "x", (disk_bytes_written() - disk) as f64 / (2.0 * live), None);
        report("written to files", "x", (bytes_handed_over() - handed) as f64 / (2.0 * live), None);
        report("peak memory", "MiB", peak_memory() as f64 / f64::from(1 << 20), None);
        Ok(())
    }

    fn reads(mut self, suffix: &str) -> Fallible<()> {
        self.reads_of(suffix)
    }

    /// Waits until the store does nothing any more: what opening or filling began in the background must not count
    /// with what comes next.
    pub(super) fn rest(&self) {
        for _ in 0..100 {
            let before = cpu_seconds();
            std::thread::sleep(Duration::from_millis(200));
            if cpu_seconds() - before <= 0.01 {
                return;
            }
        }
    }

    fn reads_of(&mut self, suffix: &str) -> Fallible<()> {
        self.rest();
        let (keys, time) = (self.job.keys, self.job.time);
        let rng = &mut self.rng;
        let mut expect = |row: &str, first: u64, found: bool| {
            timed(&format!("{row}{suffix}"), || {
                let mut operations = 0;
                self.subject.read(&mut |reader| {
                    let until = Instant::now() + time;
                    while Instant::now() < until {
                        for _ in 0..256 {
                            let got = reader.get(&scattered(first + rng.below(keys)))?;
                            if got.is_some() != found {
                                return Err(format!("{row}: an answer is wrong").into());
                            }
                        }
                        operations += 256;
                    }
                    Ok(())
                })?;
                Ok(operations)
            })
        };
        expect("read hit", 0, true)?;
        expect("read miss", keys, false)?;
        timed(&format!("seek + 100{suffix}"), || {
            let mut operations = 0;
            self.subject.read(&mut |reader| {
                let until = Instant::now() + time;
                while Instant::now() < until {
                    for _ in 0..16 {
                        reader.scan(&scattered(rng.below(keys)), 100)?;
                    }
                    operations += 16;
                }
                Ok(())
            })?;
            Ok(operations)
        })?;
        timed(&format!("full scan{suffix}"), || {
            let mut entries = 0;
            self.subject.read(&mut |reader| {
                let until = Instant::now() + time;
                while Instant::now() < until {
                    // Not the empty key, which LMDB refuses: every key here is at least this one.
                    let seen = reader.scan(b"\0", usize::MAX)? as u64;
                    if seen != keys {
                        return Err(format!("a full scan saw {seen} of {keys} entries").into());
                    }
                    entries += seen;
                }
                Ok(())
            })?;
            Ok(entries)
        })
    }

    /// The six loads of the Yahoo! Cloud Serving Benchmark, by one thread; popular keys follow Zipf's law, 0.99.
    fn ycsb(mut self) -> Fallible<()> {
        self.rest();
        let mut next = self.job.keys;
        // Drawn beforehand, as drawing costs as much as a fast read does.
        let popular = zipf(&mut self.rng, self.job.keys as usize, 0.99, 1 << 20);
        let mut popular = popular.iter().copied().cycle();
        for (name, read, write, scan, latest) in [
            ("A", 50, 50, 0, false),
            ("B", 95, 5, 0, false),
            ("C", 100, 0, 0, false),
            ("D", 95, 0, 0, true),
            ("E", 0, 0, 95, false),
            ("F", 50, 0, 0, false),
        ] {
            timed(&format!("YCSB {name}"), || {
                let (until, mut operations) = (Instant::now() + self.job.time, 0);
                while Instant::now() < until {
                    for _ in 0..64 {
                        let rank = popular.next().ok_or("no key is popular")?;
                        let number = if latest { next - 1 - rank } else { rank };
                        let (key, dice) = (scattered(number), self.rng.below(100));
                        if dice < read {
                            self.one(|reader| reader.get(&key).map(drop))?;
                        } else if dice < read + write {
                            let value = value(&mut self.rng);
                            self.subject.write(&[(&key, Some(&value))], false)?;
                        } else if dice < read + write + scan {
                            let length = 1 + self.rng.below(100) as usize;
                            self.one(|reader| reader.scan(&key, length).map(drop))?;
                        } else if name == "F" {
                            self.one(|reader| reader.get(&key).map(drop))?;
                            let value = value(&mut self.rng);
                            self.subject.write(&[(&key, Some(&value))], false)?;
                        } else {
                            let value = value(&mut self.rng);
                            self.subject.write(&[(&scattered(next), Some(&value))], false)?;
                            next += 1;
                        }
                    }
                    operations += 64;
                }
                Ok(operations)
            })?;
        }
        Ok(())
    }

    fn one(&self, mut f: impl FnMut(&mut dyn super::subject::Reader) -> Fallible<()>) -> Fallible<()> {
        self.subject.read(&mut |reader| f(reader))
    }

    fn durable(self) -> Fallible<()> {
        for threads in [1, 4] {
            let plural = if threads == 1 { "" } else { "s" };
            timed(&format!("durable puts, {threads} thread{plural}"), || {
                let (done, until) = (AtomicU64::new(0), Instant::now() + self.job.time);
                std::thread::scope(|scope| {
                    let workers: Vec<_> = (0..threads)
                        .map(|thread| {
                            let (done, subject) = (&done, self.subject);
                            scope.spawn(move || -> Fallible<()> {
                                let mut rng = Rng::from_seed(thread);
                                while Instant::now() < until {
                                    let key = scattered(thread << 40 | rng.below(1 << 30));
                                    subject.write(&[(&key, Some(&value(&mut rng)))], true)?;
                                    done.fetch_add(1, Ordering::Relaxed);
                                }
                                Ok(())
                            })
                        })
                        .collect();
                    workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a writer panicked")?)
                })?;
                Ok(done.into_inner())
            })?;
        }
        Ok(())
    }

    /// Writes until it is killed, saying after each batch that it was written.
    fn crash(mut self) -> Fallible<()> {
        for round in 0.. {
            let numbers: Vec<u64> = (round * BATCH..(round + 1) * BATCH).collect();
            self.fill(scattered, &numbers, round % 100 == 0)?;
            println!("{}", round + 1);
            std::io::stdout().flush()?;
        }
        Ok(())
    }

    fn after_crash(self) -> Fallible<()> {
        let mut seen = BTreeSet::new();
        self.subject.read(&mut |reader| {
            // The first batch was durable.
            for n in (0..BATCH).filter(|n| n % 97 == 0) {
                if reader.get(&scattered(n))?.is_none() {
                    seen.insert(n);
                }
            }
            Ok(())
        })?;
        if seen.is_empty() { Ok(()) } else { Err(format!("lost after a kill: {seen:?}").into()) }
    }
}

/// Processor time of this process, of threads that have ended too: in hundredths.
fn cpu_seconds() -> f64 {
    process::ticks("self").unwrap_or(0.0)
}

/// Bytes that this process has caused to be written to the disk. What is written over again before the system has
/// written it counts once: an engine that seldom syncs seems to write less than it does on a machine with less memory.
fn disk_bytes_written() -> u64 {
    process::figure("self", "io", "write_bytes:").unwrap_or(0)
}

/// Bytes that this process has handed to calls that write, whatever the system made of them.
fn bytes_handed_over() -> u64 {
    process::figure("self", "io", "wchar:").unwrap_or(0)
}

fn peak_memory() -> u64 {
    process::figure("self", "status", "VmHWM:").unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scattered_keys_do_not_meet() {
        let keys: BTreeSet<_> = (0..10_000).map(scattered).collect();
        assert_eq!(keys.len(), 10_000);
    }
}
