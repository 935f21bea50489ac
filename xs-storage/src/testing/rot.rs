//! No flipped bit changes an answer silently: [`check`].
//!
//! # The problem
//!
//! Disks return wrong bytes without saying so: rarely, and then for good. A store that believes them gives a wrong answer,
//! and its next compaction makes the wrong answer durable. It must notice, and say where.
//!
//! # How it works
//!
//! A workload fills a store, which is closed. Then, for bits spread evenly over all of its files, each flipped alone:
//!
//! ```text
//!   files ── one bit flipped ──▶ open ──▶ every get, a scan each way, the engine's check
//!                                  │           │
//!                            typed error   the right answer, or a typed error; never another answer
//! ```
//!
//! And for each file, made shorter, longer, into noise, or away: opening and reading may fail, and may not panic.
//!
//! # Invariants
//!
//! - Each flip ends in one of two ways, and the [`Report`] counts them: *detected* (some call gave an error) or
//!   *harmless* (no answer differs, in free space or padding).
//! - A log may not be able to tell a flipped bit in its very last records from a torn write that nobody was promised.
//!   How many batches at the end may be missing is an argument; they must be missing from the end, as whole batches.
//!
//! # Cost
//!
//! An opening and a scan for each bit.
//!
//! # Example
//!
//! ```no_run
//! # use xs_storage::engine::MemoryEngine;
//! # use xs_storage::testing::{Machine, Subject};
//! use xs_storage::testing::rot;
//! # struct Mine;
//! # impl Subject for Mine {
//! #     type Engine = MemoryEngine;
//! #     fn open(&self, _: &Machine) -> xs_storage::Result<MemoryEngine> { Ok(MemoryEngine::new()) }
//! # }
//! println!("{}", rot::check(&Mine, &rot::Flips { bits: 5_000, ..Default::default() }));
//! ```
//!
//! # How others do it
//!
//! SQLite flips bits in its database files in the same way, and checks only that nothing crashes: its pages have no
//! checksums unless an extension is loaded. LevelDB's `corruption_test` overwrites ranges of each kind of file.
//!
//! # What this leaves out
//!
//! Two flips at once, which a CRC32C finds as well up to a length; an adversary, against whom no CRC helps.
//!
//! # Try next
//!
//! Leave the length out of a record's checksum, and look at which bits then read as a torn end.
//!
//! # Sources
//!
//! L. Bairavasundaram et al., "An Analysis of Data Corruption in the Storage Stack" (FAST 2008).

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::MemoryVfs;

use super::engine::store::MANY_STEPS;
use super::workload::Workload;
use super::{Machine, Subject};
use crate::Result;
use crate::engine::{Durability, Engine, WriteBatch};

/// What to try.
#[derive(Clone, Copy, Debug)]
pub struct Flips {
    /// Seed of the workload and of where the first bit is.
    pub seed: u64,
    /// How many bits to flip, spread evenly over the bits of all files.
    pub bits: u64,
    /// Batches of the workload.
    pub batches: usize,
    /// So many batches at the end may read as torn.
    pub tail: usize,
    /// Flush before closing, so that everything is in the engine's own structure.
    pub flush: bool,
}

impl Default for Flips {
    /// 2,000 bits, 80 batches, the last of which may read as torn; not flushed.
    fn default() -> Self {
        Flips { seed: 1, bits: 2_000, batches: 80, tail: 1, flush: false }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Bits that were flipped.
    pub flipped: u64,
    /// Of those, the ones that some call gave an error for.
    pub detected: u64,
    /// The ones that changed no answer.
    pub harmless: u64,
    /// The ones that made batches at the end read as torn.
    pub torn: u64,
    /// Files that were cut, lengthened, scrambled or removed without a panic.
    pub mangled: u64,
    /// Bytes of the store.
    pub bytes: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { flipped, detected, harmless, torn, mangled, bytes } = self;
        write!(
            f,
            "{flipped} bits of {bytes} bytes flipped: {detected} detected, {harmless} harmless, {torn} read as a torn \
             end; {mangled} mangled files opened or refused"
        )
    }
}

/// Flips bits, one at a time.
///
/// # Panics
/// If an answer is wrong, or the engine panics.
pub fn check<S: Subject>(subject: &S, flips: &Flips) -> Report {
    let (store, workload) = fill(subject, flips)
        .unwrap_or_else(|error| panic!("workload {}, without any failure of the disk: {error}", flips.seed));
    let files = store.files();
    let bytes: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let mut report = Report { bytes, ..Report::default() };
    let step = (bytes * 8).div_ceil(flips.bits.max(1)).max(1);
    let mut rng = Rng::from_seed(flips.seed).fork("rot");
    let mut at = rng.below(step);
    let mut before = 0;
    for (path, bytes) in &files {
        let bits = bytes.len() as u64 * 8;
        while at < before + bits {
            let bit = at - before;
            let mut wrong = bytes.to_vec();
            wrong[(bit / 8) as usize] ^= 1 << (bit % 8);
            let what = || format!("bit {} of byte {} of {} flipped", bit % 8, bit / 8, path.display());
            match read(subject, with(&store, path, Some(wrong)), &workload, flips.tail) {
                Ok(None) => report.detected += 1,
                Ok(Some(0)) => report.harmless += 1,
                Ok(Some(_)) => report.torn += 1,
                Err(wrong) => panic!("{}: {wrong}", what()),
            }
            report.flipped += 1;
            // Strides of different lengths, so that none goes with one of the format's.
            at += 1 + step / 2 + rng.below(step);
        }
        before += bits;
    }
    for (path, bytes) in &files {
        for (how, mangled) in mangle(bytes, &mut rng) {
            let read = catch_unwind(AssertUnwindSafe(|| {
                // Any answer will do but a panic.
                drop(read_all(subject, with(&store, path, mangled), &workload, workload.bounds().count()));
            }));
            assert!(read.is_ok(), "{} {how}: the engine panics", path.display());
            report.mangled += 1;
        }
    }
    report
}

/// A store that was closed, with everything durable.
fn fill<S: Subject>(subject: &S, flips: &Flips) -> Result<(MemoryVfs, Workload)> {
    let disk = MemoryVfs::new();
    let machine = Machine::stepped(Arc::new(disk.clone()));
    let mut workload = Workload::new(flips.seed);
    {
        let engine = subject.open(&machine)?;
        workload.run(&engine, &machine, flips.batches, &mut |_| {})?;
        engine.submit(WriteBatch::new(), Durability::Synced)?.wait()?;
        if flips.flush {
            engine.flush()?;
        }
    }
    machine.run_until_idle(MANY_STEPS);
    Ok((disk, workload))
}

/// The same files but one.
fn with(store: &MemoryVfs, path: &Path, bytes: Option<Vec<u8>>) -> MemoryVfs {
    use xs_os::vfs::Vfs;
    let disk = store.fork();
    let done = match bytes {
        Some(bytes) => disk.put(path, Arc::new(bytes)),
        None => disk.remove(path),
    };
    done.unwrap_or_else(|error| panic!("{}: a disk in memory: {error}", path.display()));
    disk
}

/// None if an error was given, or how many batches at the end are missing; `Err` if an answer is wrong.
fn read<S: Subject>(subject: &S, disk: MemoryVfs, workload: &Workload, tail: usize) -> Result<Option<usize>, String> {
    catch_unwind(AssertUnwindSafe(|| read_all(subject, disk, workload, tail))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("?")))
    })
}

fn read_all<S: Subject>(
    subject: &S,
    disk: MemoryVfs,
    workload: &Workload,
    tail: usize,
) -> Result<Option<usize>, String> {
    let machine = Machine::stepped(Arc::new(disk));
    let Ok(engine) = subject.open(&machine) else { return Ok(None) };
    let last = *workload.bounds().end();
    let held = workload.answers(&engine, last.saturating_sub(tail)..=last)?;
    // The engine's own check may see what no answer shows.
    let checked = subject.check(&engine).is_ok();
    Ok(held.filter(|_| checked).map(|held| last - held))
}

fn mangle(bytes: &[u8], rng: &mut Rng) -> Vec<(&'static str, Option<Vec<u8>>)> {
    let mut noise = |len: usize| (0..len).map(|_| rng.next_u64() as u8).collect::<Vec<u8>>();
    let mut all = vec![("removed", None), ("empty", Some(Vec::new()))];
    all.push(("noise", Some(noise(bytes.len()))));
    all.push(("zeros", Some(vec![0; bytes.len()])));
    all.push(("with noise behind it", Some([bytes, &noise(700)].concat())));
    all.push(("with noise behind its first 64 bytes", Some([&bytes[..bytes.len().min(64)], &noise(5000)].concat())));
    for tenth in 1..10 {
        all.push(("cut short", Some(bytes[..bytes.len() * tenth / 10].to_vec())));
    }
    all
}
