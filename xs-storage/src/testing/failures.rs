//! Calls that fail while an engine runs: writes stop, reads go on, opening again recovers: [`check`].
//!
//! # The problem
//!
//! A disk that is full, or a sync that fails, comes while the store is in use, in the middle of anything. What must not
//! happen is the most natural thing: to report the error, try again, and go on. After a failed sync the bytes are gone,
//! and the next sync says yes.
//!
//! # How it works
//!
//! For each kind of call of the disk, and each of the first so many of them, one run in which exactly that call fails:
//!
//! ```text
//!   workload ──▶ engine ──▶ FaultyVfs, whose nth write (sync, open, …) fails
//!      │           │
//!      │           ├── a write failed?  all later ones must; reads still give what was there
//!      │           └── or nobody noticed: fine, if all that is acknowledged is on the disk
//!      ▼
//!   then: a crash there and then ──▶ open ──▶ all acknowledged, whole batches
//!         the disk healed, opened again ──▶ the same, and it can be written
//! ```
//!
//! The same with a disk that is full at a number of capacities, and with reads that fail by chance. A medium that is
//! read-only is refused, by that name.
//!
//! # Invariants
//!
//! - After a failed write or sync that a caller was told of, and on a full disk, submitting fails until the store is opened
//!   again. After other calls that fail it may go on: a file that could not be opened can be opened later.
//! - What was acknowledged before the failure, or after it, survives.
//! - After a failed sync the cache shows bytes that are not on the disk. An engine that is opened again reads them: what it
//!   then acknowledges must not stand on them alone.
//! - An opening that fails changes nothing for the next one.
//!
//! # Cost
//!
//! A workload for each call that fails: some hundred runs.
//!
//! # Example
//!
//! ```no_run
//! # use xs_storage::engine::MemoryEngine;
//! # use xs_storage::testing::{Machine, Subject};
//! use xs_storage::testing::failures;
//! # struct Mine;
//! # impl Subject for Mine {
//! #     type Engine = MemoryEngine;
//! #     fn open(&self, _: &Machine) -> xs_storage::Result<MemoryEngine> { Ok(MemoryEngine::new()) }
//! # }
//! println!("{}", failures::check(&Mine, &failures::Failures::default()));
//! ```
//!
//! # How others do it
//!
//! SQLite fails the nth call of its VFS, for every n until a run finishes without failing: the same loop. RocksDB's fault
//! injection draws failures by chance under its stress test. PostgreSQL decided in 2018 to panic when a sync fails.
//!
//! # What this leaves out
//!
//! Several failures in one run, and memory that cannot be allocated.
//!
//! # Try next
//!
//! Make an engine try a failed sync again, and see which n finds it.
//!
//! # Sources
//!
//! A. Rebello et al., "Can Applications Recover from fsync Failures?" (ATC 2020).

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::Vfs;
use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};

use super::workload::Workload;
use super::{Machine, Subject};
use crate::Error;
use crate::engine::{Commit, Durability, Engine, WriteBatch};

/// What to try.
#[derive(Clone, Copy, Debug)]
pub struct Failures {
    /// Seed of the workload and of what failures leave.
    pub seed: u64,
    /// Of each kind of call, the first so many fail, one in each run, and of those behind them one in eight.
    pub each: u64,
    /// Batches of the workload.
    pub batches: usize,
    /// Whether what is opened again after a failure must also stand a crash. A failed sync has left pages in the cache
    /// that are not on the disk and never will be; an engine that reads them when it is opened must write them again.
    pub lost_pages: bool,
    /// The same of names whose directory's sync has failed. ext4 and XFS do not leave such: a journal that cannot be
    /// written makes the file system read-only.
    pub lost_names: bool,
}

impl Default for Failures {
    /// The first 20 of each kind, and then one in eight; 50 batches; lost pages and names too.
    fn default() -> Self {
        Failures { seed: 1, each: 20, batches: 50, lost_pages: true, lost_names: true }
    }
}

/// What was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Runs in which a call failed.
    pub runs: u64,
    /// Of those, the ones in which opening failed.
    pub refused: u64,
    /// The ones in which writing stopped.
    pub stopped: u64,
    /// The ones that went on to the end.
    pub unmoved: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { runs, refused, stopped, unmoved } = self;
        write!(f, "{runs} runs with a failure: {refused} did not open, {stopped} stopped writing, {unmoved} went on")
    }
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Refused,
    Stopped,
    Unmoved,
}

/// Fails every kind of call, one call a run; fills the disk; lets reads fail.
///
/// # Panics
/// If something acknowledged is lost, a write succeeds behind one that failed, an answer is wrong, or the engine panics.
pub fn check<S: Subject>(subject: &S, failures: &Failures) -> Report {
    const KINDS: [Operation; 10] = [
        Operation::Open,
        Operation::Read,
        Operation::Write,
        Operation::SetLen,
        Operation::Sync,
        Operation::Rename,
        Operation::Remove,
        Operation::List,
        Operation::CreateDir,
        Operation::SyncDir,
    ];
    let mut report = Report::default();
    let mut run = |what: &str, must_stop: bool, failures: &Failures, arm: &dyn Fn(&FaultyVfs)| {
        let end = one(subject, failures, must_stop, arm).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        report.runs += 1;
        match end {
            End::Refused => report.refused += 1,
            End::Stopped => report.stopped += 1,
            End::Unmoved => report.unmoved += 1,
        }
    };
    for kind in KINDS {
        let must_stop = matches!(kind, Operation::Write | Operation::Sync | Operation::SyncDir);
        let total = calls(subject, failures, kind);
        let lost_pages = failures.lost_pages && (failures.lost_names || kind != Operation::SyncDir);
        let failures = &Failures { lost_pages, ..*failures };
        let mut nth = 0;
        while nth < total {
            let fault = Fault::of(kind).after(nth);
            run(&format!("{kind:?} number {nth} fails once"), must_stop, failures, &|disk| disk.fail(fault.clone()));
            let fault = fault.error(ErrorKind::StorageFull).forever();
            run(&format!("every {kind:?} from number {nth} on fails"), must_stop, failures, &|disk| {
                disk.fail(fault.clone())
            });
            nth += if nth < failures.each { 1 } else { 8 };
        }
    }
    let full = used(subject, failures);
    for part in 0..24 {
        let capacity = full * part / 24;
        run(&format!("a disk of {capacity} bytes"), true, failures, &|disk| disk.set_capacity(Some(capacity)));
    }
    run("reads fail by chance", false, failures, &|disk| disk.fail(Fault::of(Operation::Read).chance(0.05).forever()));
    read_only(subject, failures);
    report
}

/// A store on a medium that takes no writes is refused by that name, and whole when it takes them again.
fn read_only<S: Subject>(subject: &S, failures: &Failures) {
    let disk = FaultyVfs::new(failures.seed);
    let Life { engine, ran, mut workload, machine } = live(subject, failures, &disk);
    assert!(matches!(ran, Some(Ok(()))), "nothing fails yet: {ran:?}");
    workload.drop_commits();
    drop(engine);
    machine.run_until_idle(super::engine::store::MANY_STEPS);
    drop(machine);
    let open = || subject.open(&Machine::stepped(Arc::new(disk.clone())));
    for kind in [Operation::Open, Operation::Write, Operation::SetLen, Operation::Sync, Operation::CreateDir] {
        disk.fail(Fault::of(kind).forever().error(ErrorKind::ReadOnlyFilesystem));
    }
    let refused = open();
    assert!(matches!(refused, Err(Error::ReadOnly { .. })), "a read-only medium: {:?}", refused.err());
    disk.heal();
    let engine = open().unwrap_or_else(|error| panic!("a medium that was read-only, opening: {error}"));
    workload.holds(&engine, workload.bounds()).unwrap_or_else(|what| panic!("a medium that was read-only: {what}"));
}

/// How many calls of a kind a run without failures makes.
fn calls<S: Subject>(subject: &S, failures: &Failures, kind: Operation) -> u64 {
    // A failure that never strikes counts nothing, so: how long does one have to wait to never strike?
    let strikes = |nth: u64| {
        let disk = FaultyVfs::new(failures.seed);
        disk.fail(Fault::of(kind).after(nth));
        drop(live(subject, failures, &disk));
        disk.armed() == 0
    };
    let (mut least, mut most) = (0, 1);
    while strikes(most) {
        (least, most) = (most, most * 2);
    }
    if least == 0 && !strikes(0) {
        return 0;
    }
    while least + 1 < most {
        let middle = least + (most - least) / 2;
        if strikes(middle) { least = middle } else { most = middle }
    }
    most
}

/// How many bytes a run without failures takes at its end.
fn used<S: Subject>(subject: &S, failures: &Failures) -> u64 {
    let disk = FaultyVfs::new(failures.seed);
    drop(live(subject, failures, &disk));
    disk.used()
}

/// Opens and runs; gives back the engine, if it opened, and how the workload ended.
fn live<S: Subject>(subject: &S, failures: &Failures, disk: &FaultyVfs) -> Life<S::Engine> {
    let machine = Machine::stepped(Arc::new(disk.clone()));
    let mut workload = Workload::new(failures.seed);
    let engine = subject.open(&machine);
    let ran = engine.as_ref().ok().map(|engine| workload.run(engine, &machine, failures.batches, &mut |_| {}));
    Life { engine, ran, workload, machine }
}

struct Life<E> {
    engine: crate::Result<E>,
    ran: Option<crate::Result<()>>,
    workload: Workload,
    machine: Machine,
}

/// One run. After a failed write or sync, writing must have stopped; after another call that failed, it may go on.
fn one<S: Subject>(subject: &S, failures: &Failures, must_stop: bool, arm: &dyn Fn(&FaultyVfs)) -> Result<End, String> {
    let disk = FaultyVfs::new(failures.seed);
    arm(&disk);
    let Life { engine, ran, mut workload, machine } = live(subject, failures, &disk);
    let mut end = End::Refused;
    let mut promised = workload.bounds();
    let heal = || {
        disk.heal();
        disk.set_capacity(None);
    };
    if let Ok(engine) = &engine {
        end = if matches!(ran, Some(Err(_))) { End::Stopped } else { End::Unmoved };
        let write = || engine.submit(WriteBatch::new(), Durability::Synced).and_then(Commit::wait);
        let mut wrote = false;
        if end == End::Stopped {
            wrote |= write().is_ok();
            machine.run_until_idle(10);
        }
        heal();
        let held = workload.holds_visible(engine).map_err(|what| format!("reading on: {what}"))?;
        wrote |= end == End::Unmoved || write().is_ok();
        if let (Some(Err(error)), true, true) = (&ran, must_stop, wrote) {
            return Err(format!(
                "a write failed ({error}), and one behind it succeeded before the store was opened again"
            ));
        }
        if wrote {
            write().map_err(|error| format!("writing: {error}"))?;
            promised = held..=*promised.end();
        }
    }
    let mut rng = Rng::from_seed(failures.seed);
    let images = [disk.durable(), disk.crash(&mut rng), disk.crash(&mut rng)];
    heal();
    // A commit may keep a log open, and so locked, until it is dropped.
    workload.drop_commits();
    drop(engine);
    machine.run_until_idle(super::engine::store::MANY_STEPS);
    drop(machine);
    let recover = |disk: Arc<dyn Vfs>| {
        let machine = Machine::stepped(disk);
        let engine = subject.open(&machine).map_err(|error| format!("opening: {error}"))?;
        let held = workload.holds(&engine, promised.clone())?;
        subject.check(&engine).map_err(|what| format!("the engine's own check: {what}"))?;
        let next = workload.write_next(&engine, held).map_err(|error| format!("writing: {error}"))?;
        workload.holds(&engine, next..=next)
    };
    for image in images {
        recover(Arc::new(image)).map_err(|what| format!("after a crash: {what}"))?;
    }
    let next = recover(Arc::new(disk.clone())).map_err(|what| format!("opened again: {what}"))?;
    if failures.lost_pages {
        // What opening read may have stood in the cache alone, and the batch written since was acknowledged.
        let machine = Machine::stepped(Arc::new(disk.durable()));
        let engine = subject.open(&machine).map_err(|error| format!("opened again, crashed, opening: {error}"))?;
        workload.holds(&engine, next..=next).map_err(|what| format!("opened again, written to, crashed: {what}"))?;
    }
    Ok(end)
}
