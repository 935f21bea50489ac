//! Every crash that an engine must stand: [`check`].
//!
//! # The problem
//!
//! "Durable" and "atomic" are promises about what is found after a crash. This suite crashes an engine at every sync of
//! a random workload, leaves the disk in every state that the fault model of [`xs_os::vfs::faulty`] allows, opens the
//! engine there, and looks.
//!
//! # How it works
//!
//! ```text
//!   seed ──▶ workload ──▶ engine on a FaultyVfs that records; stepped jobs, small pages
//!              │               │
//!              │ batch n was   ▼
//!              │ submitted,  Explorer ──▶ disk ──▶ open ──▶ holds exactly batches 1 … k?
//!              └ acknowledged ────────────────────────────▶ acknowledged ≤ k ≤ submitted?
//!                                                           the engine's own check?
//!                                             some ──▶ crash while recovering; write on; open again
//! ```
//!
//! Each batch puts its number under one key, so a store that was recovered says which `k` it claims, and all of it is
//! compared with the model after batch `k`: batches that are whole, in their order, a prefix.
//!
//! # Invariants
//!
//! - Everything acknowledged is there: each commit of a [synced](crate::engine::Durability::Synced) batch that was waited
//!   for covers the batches before it, too; so does a flush.
//! - A store that was recovered stays: after another crash, during or after recovery, it holds no less than it showed.
//! - A failure names the seed of its workload and the crash, and [`replay`] shows it again.
//!
//! # Cost
//!
//! An opening of the engine for each disk: 2,000 disks take a second or two in a debug build, 100,000 a minute or two
//! in a release build, with pages and tables of a few hundred bytes to a few KiB. Give your engine options that small,
//! or a workload this small never splits a page.
//!
//! # Example
//!
//! ```no_run
//! # use xs_storage::engine::MemoryEngine;
//! # use xs_storage::testing::{Machine, Subject};
//! use xs_storage::testing::crash::{self, Crashes};
//! # struct Mine;
//! # impl Subject for Mine {
//! #     type Engine = MemoryEngine;
//! #     fn open(&self, _: &Machine) -> xs_storage::Result<MemoryEngine> { Ok(MemoryEngine::new()) }
//! # }
//! // 2,000 disks in `cargo test`; XS_DISKS=100000 for a long run.
//! println!("{}", crash::check(&Mine, &Crashes::from_env(2_000)));
//! // What a failure said, again:
//! crash::replay(&Mine, &Crashes::from_env(2_000), 7, "31/0,3:first2");
//! ```
//!
//! # How others do it
//!
//! See [`xs_os::vfs::explore`] for tools that try what a file system allows. SQLite runs its whole suite over a VFS that
//! crashes; RocksDB's crash test kills a process under load and compares with an expected state, as this does.
//!
//! # What this leaves out
//!
//! Commits by many threads (the engine runs on one, so that a seed decides everything), and bytes that change by
//! themselves: [`rot`](super::rot).
//!
//! # Try next
//!
//! Answer `Ok` from a commit one sync too early, and count the disks until it is found.
//!
//! # Sources
//!
//! Those of [`xs_os::vfs::explore`].

use std::ops::RangeInclusive;
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::explore::{Crash, Explorer, Report};
use xs_os::vfs::faulty::{FaultyVfs, Recording};
use xs_os::vfs::{MemoryVfs, Vfs};

use super::engine::store::MANY_STEPS;
use super::workload::Workload;
use super::{Machine, Subject};
use crate::engine::Engine;

/// How much to try.
#[derive(Clone, Debug)]
pub struct Crashes {
    /// Seed of the first workload; the next has the next.
    pub seed: u64,
    /// Workloads are added until so many disks that differ were tried.
    pub disks: u64,
    /// The most disks at one sync of a workload. The fewer, the more workloads.
    pub per_point: usize,
    /// Batches of a workload.
    pub batches: usize,
    /// Of so many disks one is crashed again during or after its recovery, and one written to and opened again.
    pub again: u64,
}

impl Crashes {
    /// So many disks, over several workloads: a quarter of them at most from one.
    pub fn new(disks: u64) -> Self {
        Crashes { seed: 1, disks, per_point: 1000, batches: 60, again: 8 }
    }

    /// As many disks as the environment's `XS_DISKS` says, or else so many.
    ///
    /// # Panics
    /// If `XS_DISKS` is not a number.
    pub fn from_env(disks: u64) -> Self {
        let disks = std::env::var("XS_DISKS").map_or(disks, |text| {
            text.parse().unwrap_or_else(|_| panic!("XS_DISKS={text}: expected a number of disks"))
        });
        Self::new(disks)
    }
}

/// Runs workloads until enough disks were tried.
///
/// # Panics
/// At the first disk that the engine does not stand.
pub fn check<S: Subject>(subject: &S, crashes: &Crashes) -> Report {
    let mut explorer = Explorer::new(crashes.seed);
    for seed in crashes.seed.. {
        let before = explorer.report().distinct;
        let tale = record(subject, crashes, seed);
        let points = 2 * tale.recording.syncs() as u64 + 1;
        let fair = (crashes.disks / 4).div_ceil(points).max(4) as usize;
        explorer = explorer.per_point(crashes.per_point.min(fair)).reseed(seed);
        tell(explorer.explore(&tale.recording, &mut |crash| tale.look(subject, crashes, crash)), seed);
        let now = explorer.report().distinct;
        assert!(now > before, "workload {seed} left no disk that is new: does the engine write?");
        if now >= crashes.disks {
            break;
        }
    }
    explorer.report()
}

/// Tries one crash of one workload again.
///
/// # Panics
/// If the engine still does not stand it.
pub fn replay<S: Subject>(subject: &S, crashes: &Crashes, seed: u64, line: &str) {
    let tale = record(subject, crashes, seed);
    let mut explorer = Explorer::new(seed).replay(line);
    tell(explorer.explore(&tale.recording, &mut |crash| tale.look(subject, crashes, crash)), seed);
}

fn tell(explored: Result<(), xs_os::vfs::explore::Failure>, seed: u64) {
    if let Err(failure) = explored {
        let (line, what) = (&failure.line, &failure.what);
        panic!("workload {seed}, crash {line}: {what}\nagain: crash::replay(&subject, &crashes, {seed}, {line:?})");
    }
}

/// A workload that was recorded, and what was promised when.
struct Tale {
    workload: Workload,
    /// What may be found behind the mark of that number.
    promised: Vec<RangeInclusive<usize>>,
    recording: Recording,
}

fn record<S: Subject>(subject: &S, crashes: &Crashes, seed: u64) -> Tale {
    let disk = FaultyVfs::new(seed);
    let mut workload = Workload::new(seed);
    let mut promised = vec![0..=0];
    disk.record();
    let machine = Machine::stepped(Arc::new(disk.clone()));
    let run = subject.open(&machine).and_then(|engine| {
        workload.run(&engine, &machine, crashes.batches, &mut |bounds| {
            disk.mark(promised.len() as u64);
            promised.push(bounds);
        })
    });
    run.unwrap_or_else(|error| panic!("workload {seed}, without any failure of the disk: {error}"));
    Tale { workload, promised, recording: disk.recorded() }
}

impl Tale {
    /// Opens the engine on what a crash left, and looks at everything.
    fn look<S: Subject>(&self, subject: &S, crashes: &Crashes, crash: &Crash) -> Result<(), String> {
        let promised = self.promised[crash.mark as usize].clone();
        // A copy where it is needed twice: the first opening changes the disk.
        let lot = crash.hash % crashes.again.max(1);
        let disk = if lot == 1 { crash.disk.fork() } else { crash.disk.clone() };
        let held = self.open(subject, Arc::new(disk.clone()), promised.clone(), lot == 0)?;
        if lot == 0 {
            let again = self.open(subject, Arc::new(disk), held..=held, false);
            again.map_err(|what| format!("written to and opened again: {what}"))?;
        } else if lot == 1 {
            self.crash_again(subject, crash, held..=*promised.end())?;
        }
        Ok(())
    }

    /// Opens, compares, lets the engine check itself; writes one more batch, if asked for. Says what is held at the end.
    fn open<S: Subject>(
        &self,
        subject: &S,
        disk: Arc<dyn Vfs>,
        promised: RangeInclusive<usize>,
        write: bool,
    ) -> Result<usize, String> {
        let machine = Machine::stepped(disk);
        let engine = subject.open(&machine).map_err(|error| format!("opening: {error}"))?;
        let held = self.workload.holds(&engine, promised)?;
        subject.check(&engine).map_err(|what| format!("the engine's own check: {what}"))?;
        if write {
            let next = self.workload.write_next(&engine, held);
            let next = next.map_err(|error| format!("writing after recovery: {error}"))?;
            machine.run_until_idle(MANY_STEPS);
            return self.workload.holds(&engine, next..=next);
        }
        Ok(held)
    }

    /// Recovers on a disk that may lose things, too, and crashes there.
    fn crash_again<S: Subject>(&self, subject: &S, crash: &Crash, least: RangeInclusive<usize>) -> Result<(), String> {
        let disk = FaultyVfs::over(&crash.disk, crash.hash);
        let mut rng = Rng::from_seed(crash.hash);
        let machine = Machine::stepped(Arc::new(disk.clone()));
        let images: Vec<MemoryVfs> = {
            let engine = subject.open(&machine).map_err(|error| format!("opening again: {error}"))?;
            let mut images = vec![disk.durable(), disk.crash(&mut rng)];
            machine.run_until_idle(rng.index(20));
            engine.flush().map_err(|error| format!("flushing after recovery: {error}"))?;
            images.push(disk.crash(&mut rng));
            images
        };
        for (nth, image) in images.into_iter().enumerate() {
            let held = self.open(subject, Arc::new(image), least.clone(), false);
            held.map_err(|what| format!("crash {nth} of the recovery: {what}"))?;
        }
        Ok(())
    }
}
