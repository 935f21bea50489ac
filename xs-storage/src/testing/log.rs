//! The suite that a [`Log`] passes in every framing and on every disk: [`check`].
//!
//! # The problem
//!
//! A log is a `Vec` that one may only push to, truncate and drain from the front. But it lies in files that roll over in
//! the middle of everything, is buffered, written and synced at different times, and is read by readers that started
//! before the tail was cut. Whoever writes a [`Framing`] of their own, or a disk ([`Vfs`]), wants to know that all of it
//! still fits together.
//!
//! # How it works
//!
//! ```text
//!   seed ──▶ calls ──▶ Log<F> on a disk, stepped jobs, segments of 4 KiB ┐
//!              │                                                         ├─ compared: index, bounds, durable, entries
//!              └─────▶ Vec of (index, the one behind, bytes) ────────────┘
//!                       └─▶ a copy for each reader in flight, which grows with the log unless the tail is cut
//! ```
//!
//! [`Call`]s are numbers and shares of what is there, so that any list of them makes sense: a property test can draw and
//! shrink them ([`run`]), and [`check`] draws them from seeds. A framing says by [`Entries`] what its payloads are and
//! how they are read back. Readers in flight ([`Call::Hold`]) are made, left alone while the log is appended to, cut and
//! trimmed, and read to their end before it is opened again, or at the end.
//!
//! # Invariants
//!
//! - Only what a log promises is asked for: what was not waited for may be gone after a crash, so this suite closes logs
//!   and crashes none.
//! - The same seed gives the same calls.
//!
//! # Cost
//!
//! [`check`] makes some three thousand calls, in a second or two of a debug build on memory; on a real disk it takes as
//! long as a thousand syncs.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use xs_os::vfs::MemoryVfs;
//! use xs_storage::log::{Raw, Records};
//! use xs_storage::testing::log;
//!
//! log::check::<Records>(&mut || (Arc::new(MemoryVfs::new()), "log".into()));
//! log::check_random::<Raw>(&mut || (Arc::new(MemoryVfs::new()), "log".into()), 1..3, 40);
//! ```
//!
//! # How others do it
//!
//! openraft ships a suite for its log storage, of scenarios; RocksDB and etcd test theirs from the inside.
//!
//! # What this leaves out
//!
//! Crashes, failures and flipped bits, for which the log's own tests know the format; threads.
//!
//! # Try next
//!
//! Stamp a framing of your own, whose entries are lines of text.
//!
//! # Sources
//!
//! The prose of [`Log`] and [`Reader`]; K. Claessen and J. Hughes, "QuickCheck" (ICFP 2000).

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xs_os::vfs::Vfs;
use xs_os::{Rng, SteppedJobs};

use crate::log::{Batches, Framing, Index, Log, LogOptions, Raw, Reader, Records};

/// An empty directory, to be made, and the disk that it is on.
pub type Place = (Arc<dyn Vfs>, PathBuf);

/// Something that is done to a log. A share is of its indices: 0 is the first, 1 the one behind the last; more is capped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Call {
    /// Append an entry that says how many bytes it likes to have.
    Append {
        /// About its length in bytes.
        size: usize,
        /// Wait for its commit.
        wait: bool,
    },
    /// Append an entry that is handed over.
    Whole {
        /// About its length in bytes.
        size: usize,
    },
    /// Wait for all.
    Sync,
    /// Step a job.
    Step,
    /// Cut the tail.
    Truncate(f64),
    /// Trim the head.
    Trim(f64),
    /// Go on so many indices further, without what is there.
    Restart(u64),
    /// Close and open again.
    Reopen,
    /// Read from there to the end.
    Read(f64),
    /// Make a reader there, and read it later.
    Hold(f64),
}

/// What a framing's entries look like to a caller.
pub trait Entries: Framing + Default {
    /// A payload that the framing takes, of about `size` bytes: another one for another `n`.
    fn payload(n: u64, size: usize) -> Vec<u8>;

    /// A payload as it will be read when it was appended at `index`, and how many indices it takes.
    fn stored(payload: &[u8], index: u64) -> (Vec<u8>, u64);

    /// What is left of a stored entry when its last so many indices are cut off; none where an entry goes as a whole.
    fn cut(stored: &[u8], indices: u64) -> Option<Vec<u8>> {
        let _ = (stored, indices);
        None
    }

    /// Entries as they can be compared: in some framings neighbours are the same as one.
    fn joined(entries: Vec<(u64, Vec<u8>)>) -> Vec<(u64, Vec<u8>)> {
        entries
    }
}

fn some_bytes(n: u64, size: usize) -> Vec<u8> {
    (0..size).map(|at| (n as usize + at) as u8).collect()
}

impl Entries for Records {
    fn payload(n: u64, size: usize) -> Vec<u8> {
        some_bytes(n, size)
    }

    fn stored(payload: &[u8], _: u64) -> (Vec<u8>, u64) {
        (payload.to_vec(), 1)
    }
}

impl Entries for Batches {
    fn payload(n: u64, size: usize) -> Vec<u8> {
        let records = 1 + size as u32 % 4;
        let mut bytes = vec![0; 61];
        bytes[8..12].copy_from_slice(&(49 + size as u32).to_be_bytes());
        bytes[16] = 2;
        bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
        bytes[57..61].copy_from_slice(&records.to_be_bytes());
        bytes.extend_from_slice(&some_bytes(n, size));
        let sum = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn stored(payload: &[u8], index: u64) -> (Vec<u8>, u64) {
        let mut stored = payload.to_vec();
        stored[..8].copy_from_slice(&index.to_be_bytes());
        (stored, u64::from(payload[26]) + 1)
    }
}

impl Entries for Raw {
    fn payload(n: u64, size: usize) -> Vec<u8> {
        some_bytes(n, size + 1)
    }

    fn stored(payload: &[u8], _: u64) -> (Vec<u8>, u64) {
        (payload.to_vec(), payload.len() as u64)
    }

    fn cut(stored: &[u8], indices: u64) -> Option<Vec<u8>> {
        Some(stored[..stored.len() - indices as usize].to_vec())
    }

    fn joined(entries: Vec<(u64, Vec<u8>)>) -> Vec<(u64, Vec<u8>)> {
        let first = entries.first().map_or(0, |(index, _)| *index);
        let bytes: Vec<u8> = entries.into_iter().flat_map(|(_, bytes)| bytes).collect();
        if bytes.is_empty() { Vec::new() } else { vec![(first, bytes)] }
    }
}

/// What should be there: index, the one behind, bytes.
type Model = Vec<(u64, u64, Vec<u8>)>;

fn expected<F: Entries>(model: &Model, from: u64) -> Vec<(u64, Vec<u8>)> {
    let entries = model.iter().filter(|(_, end, _)| *end > from);
    F::joined(
        entries
            .map(|(index, end, bytes)| match F::cut(bytes, 0) {
                // Where an entry has parts, a reader starts with the very index.
                Some(bytes) => {
                    let skip = from.saturating_sub(*index).min(end - index);
                    (index + skip, bytes[skip as usize..].to_vec())
                }
                None => (*index, bytes.clone()),
            })
            .collect(),
    )
}

fn cut_at<F: Entries>(model: &mut Model, index: u64) {
    let kept = model.drain(..).filter_map(|(first, end, bytes)| match end {
        end if end <= index => Some((first, end, bytes)),
        // A part of an entry stays where an entry has parts.
        _ if first < index => F::cut(&bytes, end - index).map(|part| (first, index, part)),
        _ => None,
    });
    *model = kept.collect();
}

/// A reader in flight, and what it is to find.
struct Held<F: Framing> {
    reader: Reader<F>,
    from: u64,
    model: Model,
    /// How many of these it knew of when it was made: of the rest it hears only if it looks before the tail is cut.
    known: usize,
    cut: bool,
}

fn read_all<F: Framing>(reader: &mut Reader<F>) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let mut found = Vec::new();
    while let Some(entry) = reader.next().map_err(|error| error.to_string())? {
        found.push((entry.index.0, entry.payload.to_vec()));
    }
    Ok(found)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    let short = |value: &T| format!("{value:?}").chars().take(2000).collect::<String>();
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {}, expected {}", short(found), short(expected)))
    }
}

impl<F: Entries> Held<F> {
    fn cut_off(&mut self) {
        if !self.cut {
            self.model.truncate(self.known);
        }
        self.cut = true;
    }

    /// `start`: where the log begins by now.
    fn check(mut self, start: u64) -> Result<(), String> {
        let found = F::joined(read_all(&mut self.reader)?);
        if found != expected::<F>(&self.model, self.from) {
            // What it did not know of may have been trimmed before it looked.
            let known = self.known;
            let mut at = 0..;
            self.model.retain(|(index, ..)| at.next().is_some_and(|at| at < known) || *index >= start);
        }
        same("a reader in flight", &found, &expected::<F>(&self.model, self.from))?;
        same("whether it was cut off", &self.reader.is_cut(), &self.cut)
    }
}

struct Run<F: Entries> {
    place: Place,
    jobs: SteppedJobs,
    log: Option<Log<F>>,
    model: Model,
    start: u64,
    next: u64,
    held: Vec<Held<F>>,
}

impl<F: Entries> Run<F> {
    fn new(place: Place) -> Result<Self, String> {
        let jobs = SteppedJobs::new();
        let mut run = Run { place, jobs, log: None, model: Model::new(), start: 0, next: 0, held: Vec::new() };
        run.open()?;
        Ok(run)
    }

    fn open(&mut self) -> Result<(), String> {
        // The last one goes first: a log has one owner.
        self.log = None;
        self.jobs = SteppedJobs::new();
        let options = LogOptions {
            segment_bytes: 4096,
            buffer_bytes: 1024,
            background_sync_bytes: 1500,
            jobs: Arc::new(self.jobs.clone()),
            ..LogOptions::default()
        };
        let (vfs, dir): (_, &Path) = (self.place.0.clone(), &self.place.1);
        self.log = Some(Log::open_with(vfs, dir, options, F::default()).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn log(&self) -> &Log<F> {
        self.log.as_ref().expect("only an opening that fails leaves none, and ends the run")
    }

    fn at(&self, share: f64) -> u64 {
        self.start + ((self.next - self.start) as f64 * share.clamp(0.0, 2.0)) as u64
    }

    fn append(&mut self, n: u64, size: usize, whole: bool, wait: bool) -> Result<(), String> {
        let payload = F::payload(n, size);
        let (stored, span) = F::stored(&payload, self.next);
        let head = payload.len().min(61);
        let appended = match whole {
            true => self.log().append_batch(payload.into()),
            // The first piece holds a batch's header.
            false => self.log().append(&[&payload[..head], &payload[head..]]),
        };
        let (index, commit) = appended.map_err(|error| error.to_string())?;
        same("the index of an entry", &index, &Index(self.next))?;
        for held in self.held.iter_mut().filter(|held| !held.cut) {
            held.model.push((self.next, self.next + span, stored.clone()));
        }
        self.model.push((self.next, self.next + span, stored));
        self.next += span;
        if wait {
            commit.wait().map_err(|error| error.to_string())?;
            same("what is durable", &self.log().durable(), &Index(self.next))?;
        }
        Ok(())
    }

    fn call(&mut self, n: u64, call: Call) -> Result<(), String> {
        let done = match call {
            Call::Append { size, wait } => return self.append(n, size, false, wait),
            Call::Whole { size } => return self.append(n, size, true, false),
            Call::Sync => self.log().sync(),
            Call::Step => {
                self.jobs.step();
                Ok(())
            }
            Call::Truncate(share) => {
                let index = self.at(share);
                if index < self.next {
                    self.held.iter_mut().for_each(Held::cut_off);
                    self.next = index;
                    cut_at::<F>(&mut self.model, index);
                }
                self.log().truncate_from(Index(index))
            }
            Call::Trim(share) => self.log().trim_to(Index(self.at(share))),
            Call::Restart(ahead) => {
                self.held.iter_mut().for_each(Held::cut_off);
                (self.start, self.next) = (self.next + ahead, self.next + ahead);
                self.model.clear();
                self.log().restart_at(Index(self.next))
            }
            Call::Reopen => {
                let start = self.start;
                std::mem::take(&mut self.held).into_iter().try_for_each(|held| held.check(start))?;
                return self.open();
            }
            Call::Read(share) => {
                let from = self.at(share);
                let found = F::joined(read_all(&mut self.log().reader(Index(from)))?);
                return same("entries", &found, &expected::<F>(&self.model, from));
            }
            Call::Hold(share) => {
                let from = self.at(share);
                let (reader, model) = (self.log().reader(Index(from)), self.model.clone());
                let known = model.len();
                self.held.push(Held { reader, from, model, known, cut: false });
                Ok(())
            }
        };
        done.map_err(|error| error.to_string())
    }

    /// What holds between any two calls.
    fn look(&mut self) -> Result<(), String> {
        let bounds = self.log().bounds();
        same("the end", &bounds.end, &Index(self.next))?;
        if !(self.start..=self.next).contains(&bounds.start.0) {
            return Err(format!("the log begins at {}, not in {}..={}", bounds.start, self.start, self.next));
        }
        self.start = bounds.start.0;
        let start = self.start;
        self.model.retain(|(index, ..)| *index >= start);
        Ok(())
    }
}

/// Does calls to an empty log, and to a `Vec`.
///
/// # Errors
/// The first difference.
pub fn run<F: Entries>(place: Place, calls: &[Call]) -> Result<(), String> {
    let mut run = Run::<F>::new(place)?;
    for (n, call) in calls.iter().enumerate() {
        let result = run.call(n as u64, *call).and_then(|()| run.look());
        result.map_err(|what| format!("call {n}, {call:?}: {what}"))?;
    }
    let all = F::joined(read_all(&mut run.log().reader(Index(run.start)))?);
    same("all entries at the end", &all, &expected::<F>(&run.model, run.start))?;
    run.call(0, Call::Reopen)?;
    let all = F::joined(read_all(&mut run.log().reader(Index(run.start)))?);
    same("all entries after opening once more", &all, &expected::<F>(&run.model, run.start))
}

/// So many calls, drawn from a seed.
pub fn calls(seed: u64, count: usize) -> Vec<Call> {
    let mut rng = Rng::from_seed(seed);
    let mut call = || {
        let size = if rng.chance(0.1) { 200 + rng.index(5800) } else { rng.index(200) };
        let share = rng.below(1100) as f64 / 1000.0;
        match rng.below(40) {
            0..20 => Call::Append { size, wait: rng.chance(0.5) },
            20..24 => Call::Whole { size },
            24 | 25 => Call::Sync,
            26..29 => Call::Step,
            29 | 30 => Call::Truncate(share),
            31 | 32 => Call::Trim(share),
            33 => Call::Restart(rng.below(50)),
            34 | 35 => Call::Reopen,
            36 | 37 => Call::Read(share),
            _ => Call::Hold(share),
        }
    };
    (0..count).map(|_| call()).collect()
}

/// Runs calls drawn from seeds, `count` of them each, on an empty place for each seed.
///
/// # Panics
/// If an answer differs from the model's, with the seed.
pub fn check_random<F: Entries>(place: &mut dyn FnMut() -> Place, seeds: Range<u64>, count: usize) {
    for seed in seeds {
        run::<F>(place(), &calls(seed, count)).unwrap_or_else(|what| panic!("{}, seed {seed}: {what}", F::NAME));
    }
}

/// Runs the suite: long sequences and short ones.
///
/// # Panics
/// At the first thing that doesn't hold.
pub fn check<F: Entries>(place: &mut dyn FnMut() -> Place) {
    check_random::<F>(place, 1..21, 40);
    check_random::<F>(place, 21..31, 200);
}
