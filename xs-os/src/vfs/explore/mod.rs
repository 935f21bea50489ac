//! Every crash that a recorded workload could have met: [`Explorer`].
//!
//! # The problem
//!
//! One crash at a random moment finds a bug that shows in one disk out of a thousand after a thousand runs, and shows it
//! once. But what a disk may hold after a crash follows from what was written and synced: those disks can be counted
//! out, one by one, and the store opened on each.
//!
//! # How it works
//!
//! The workload runs once, on a [`FaultyVfs`](super::faulty::FaultyVfs) that records. The recording is played back; in
//! front of every sync, behind it, and at the end, the explorer takes the changes that no sync has covered yet and
//! builds the disks that a crash could leave there:
//!
//! ```text
//!   recorded   w w n ─ sync ─ w w w w w ─ sync_dir ─ w ─ sync ─ mark 1 ─ w w ─ end
//!                    ▲      ▲           ▲          ▲   ▲      ▲              ▲
//!   at each          └ pending changes: none, one, two, … all of them; some torn
//!                                 │
//!                                 ▼
//!                     a disk, if its hash is new ──▶ the caller opens its store there, and looks
//! ```
//!
//! Which: all and none; every prefix, as a disk that keeps the order would leave; every subset of up to four, and
//! everything but up to four (with up to nine changes that is every subset); a seeded sample where these are more than
//! the [limit](Explorer::per_point). Beside each, [torn](Explorer::tears) variants of its writes of several sectors.
//! What a change is, and what a crash does to it, is the fault model of [`faulty`](super::faulty).
//!
//! A caller says how far it has come with [`mark`](super::faulty::FaultyVfs::mark): a number, such as the length of a
//! list of what it has submitted and what was acknowledged. Each crash carries the mark before it, and so what must be
//! there.
//!
//! # Invariants
//!
//! - A disk is tried once for each mark, whatever way led to it: it is known by a hash over names and bytes.
//! - The same recording and seed try the same disks in the same order. A [`Failure`] names point and changes in one line,
//!   and [`Explorer::replay`] tries exactly that.
//! - A panic of the caller's check is a failure like others.
//!
//! # Cost
//!
//! A disk shares the bytes of every file in which nothing is pending; the others are copied, and hashed by the sectors
//! that changed. Some tens of microseconds for files of 100 KiB; what the caller does with it costs more.
//!
//! # Example
//!
//! A counter that is overwritten in place, in one sector, is whole after every crash. One that is written as two sectors
//! is not, and the explorer says so:
//!
//! ```
//! use std::path::Path;
//! use xs_os::vfs::explore::Explorer;
//! use xs_os::vfs::faulty::FaultyVfs;
//! use xs_os::vfs::{Open, Vfs, VfsExt};
//!
//! let record = |size: usize| {
//!     let disk = FaultyVfs::new(1);
//!     let file = disk.open(Path::new("counter"), Open::New)?;
//!     disk.record();
//!     for n in 1..=9_u8 {
//!         file.write_all_at(&vec![n; size], 0)?;
//!         file.sync()?;
//!         disk.sync_dir(Path::new("."))?;
//!         disk.mark(n.into());
//!     }
//!     Ok::<_, std::io::Error>(disk.recorded())
//! };
//! let explore = |size| Explorer::new(1).explore(&record(size)?, &mut |crash| {
//!     let bytes = crash.disk.read(Path::new("counter"), 1024).unwrap_or_default();
//!     let n = bytes.first().copied().unwrap_or(0);
//!     match bytes.iter().all(|byte| *byte == n) && u64::from(n) >= crash.mark {
//!         true => Ok(()),
//!         false => Err(format!("{n} after {} was acknowledged, or half of it", crash.mark)),
//!     }
//! }).map_err(std::io::Error::other);
//! assert!(explore(512).is_ok());
//! assert!(explore(1024).is_err());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How others do it
//!
//! ALICE and CrashMonkey build the states that a file system allows from a trace of system calls; CrashMonkey's bounded
//! search tries all small workloads instead of one large one. Linux' dm-log-writes replays a block device's writes up to
//! each flush, in their order. redb's fuzzer lets its storage fail after a number of calls, in their order too.
//!
//! # What this leaves out
//!
//! The moments between two syncs: what a crash leaves there is among what one leaves in front of the next sync, with the
//! same mark or a later one. Crashes while the store recovers: record the recovery, and explore that.
//!
//! # Try next
//!
//! Explore a workload of yours without its `sync_dir` calls, and see how long it takes until a line comes out.
//!
//! # Sources
//!
//! T. Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014); J. Mohan et al., "Finding Crash-Consistency
//! Bugs with Bounded Black-Box Crash Testing" (OSDI 2018).

mod choices;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::MemoryVfs;
use super::faulty::Recording;
use super::faulty::disk::{Disk, Image};
use super::faulty::record::Event;
use crate::Rng;
use choices::{Choice, Line};

pub(crate) use choices::some;

/// Builds the disks that crashes leave, and remembers which it has seen. One explorer may see many recordings.
#[derive(Debug)]
pub struct Explorer {
    seed: u64,
    per_point: usize,
    tears: usize,
    only: Option<(usize, Choice)>,
    images: BTreeSet<u64>,
    report: Report,
}

/// A disk as a crash has left it.
#[derive(Debug)]
pub struct Crash {
    /// The files. Changing them changes nothing else.
    pub disk: MemoryVfs,
    /// The last mark before the crash; 0 if there was none.
    pub mark: u64,
    /// The syncs before the crash, twice, and one more behind a sync.
    pub point: usize,
    /// A number over names and bytes.
    pub hash: u64,
    choice: Choice,
}

impl Crash {
    /// The crash in a word, for [`Explorer::replay`].
    pub fn line(&self) -> String {
        format!("{}/{}", self.point, Line(&self.choice))
    }
}

/// What was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The moments at which crashes were tried.
    pub points: u64,
    /// Of those, the ones with more changes pending than could be tried in every small combination.
    pub sampled: u64,
    /// The disks that were built.
    pub built: u64,
    /// The disks that were checked; one may be more than once, with different marks.
    pub checked: u64,
    /// The disks that differ from each other.
    pub distinct: u64,
    /// The most changes that were pending at once.
    pub most_pending: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { points, sampled, built, checked, distinct, most_pending } = self;
        write!(
            f,
            "{distinct} distinct disks ({built} built, {checked} checked) from {points} crash points, {sampled} of them \
             sampled; at most {most_pending} changes un-synced"
        )
    }
}

/// A crash that a store did not stand.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The crash, for [`Explorer::replay`].
    pub line: String,
    /// What the check said.
    pub what: String,
    mark: u64,
    seed: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { line, what, mark, seed } = self;
        write!(
            f,
            "crash {line} (seed {seed}, behind mark {mark}): {what}; again: Explorer::new({seed}).replay({line:?})"
        )
    }
}

impl std::error::Error for Failure {}

impl Explorer {
    /// An explorer that has seen nothing. The seed decides what is sampled and torn.
    pub fn new(seed: u64) -> Self {
        let report = Report::default();
        Explorer { seed, per_point: 1000, tears: 1, only: None, images: BTreeSet::new(), report }
    }

    /// Samples and tears by another seed from now on.
    pub fn reseed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The most disks at one point: 1000 if nothing is said.
    pub fn per_point(mut self, disks: usize) -> Self {
        self.per_point = disks;
        self
    }

    /// How many torn variants of each: 1 if nothing is said.
    pub fn tears(mut self, variants: usize) -> Self {
        self.tears = variants;
        self
    }

    /// Tries one crash only, the one that a [`Failure`] names.
    ///
    /// # Panics
    /// If the line does not come from there.
    pub fn replay(mut self, line: &str) -> Self {
        let parsed = line.split_once('/').and_then(|(at, kept)| Some((at.parse().ok()?, choices::parse(kept)?)));
        self.only = Some(parsed.unwrap_or_else(|| panic!("{line:?} is not a crash: expected <point>/<changes>")));
        self
    }

    /// What was tried so far.
    pub fn report(&self) -> Report {
        Report { distinct: self.images.len() as u64, ..self.report.clone() }
    }

    /// Builds the disks of a recording, and hands each to `check`: `Err` says what is wrong with it, and ends it all.
    pub fn explore(
        &mut self,
        recording: &Recording,
        check: &mut dyn FnMut(&Crash) -> Result<(), String>,
    ) -> Result<(), Failure> {
        let mut disk = recording.start.clone();
        let (mut mark, mut point) = (0, 0);
        // A disk is known for one mark at a time: a later one promises more.
        let mut seen = BTreeSet::new();
        for event in &recording.events {
            match event {
                Event::Change(change) => disk.pending.push(change.clone()),
                Event::Became(now) => disk = (**now).clone(),
                Event::Mark(now) => {
                    if mark != *now {
                        seen.clear();
                    }
                    mark = *now;
                }
                Event::Sync(_) | Event::SyncDir(_) => {
                    self.at(&disk, point, mark, &mut seen, check)?;
                    match event {
                        Event::Sync(inode) => disk.sync(*inode),
                        Event::SyncDir(dir) => disk.sync_dir(dir),
                        _ => {}
                    }
                    self.at(&disk, point + 1, mark, &mut seen, check)?;
                    point += 2;
                }
            }
        }
        self.at(&disk, point, mark, &mut seen, check)
    }

    fn at(
        &mut self,
        disk: &Disk,
        point: usize,
        mark: u64,
        seen: &mut BTreeSet<u64>,
        check: &mut dyn FnMut(&Crash) -> Result<(), String>,
    ) -> Result<(), Failure> {
        let choices = match &self.only {
            Some((at, choice)) if *at == point && choice.iter().all(|(nth, _)| *nth < disk.pending.len()) => {
                vec![choice.clone()]
            }
            Some(_) => return Ok(()),
            None => {
                let mut rng = Rng::from_seed(self.seed).fork(&point.to_string());
                let (choices, complete) = choices::choices(&disk.pending, self.per_point, self.tears, &mut rng);
                self.report.sampled += u64::from(!complete);
                choices
            }
        };
        self.report.points += 1;
        self.report.most_pending = self.report.most_pending.max(disk.pending.len() as u64);
        for choice in choices {
            let image = disk.image(&choice);
            let hash = image.hash();
            self.report.built += 1;
            self.images.insert(hash);
            if seen.insert(hash) {
                self.report.checked += 1;
                self.one(image, Crash { disk: MemoryVfs::new(), mark, point, hash, choice }, check)?;
            }
        }
        Ok(())
    }

    fn one(
        &self,
        image: Image,
        mut crash: Crash,
        check: &mut dyn FnMut(&Crash) -> Result<(), String>,
    ) -> Result<(), Failure> {
        crash.disk = image.into_vfs();
        let checked = catch_unwind(AssertUnwindSafe(|| check(&crash))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(format!("panicked: {}", text.unwrap_or("?")))
        });
        checked.map_err(|what| Failure { line: crash.line(), what, mark: crash.mark, seed: self.seed })
    }
}

#[cfg(test)]
mod tests;
