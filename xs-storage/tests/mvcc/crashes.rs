//! Every crash under transactions: what an engine recovers as bytes must be transactions again, whole, and in the order of
//! their commits.
//!
//! ```text
//!   seed ──▶ transactions side by side, collected in between ──▶ engine on a disk that records; stepped jobs
//!                 │ commit at 7 was begun, is durable                    │ each sync: every disk that may be left
//!                 └───────────▶ durable ≤ k ≤ begun ◀─ last() = k ◀── open, check, open as transactions
//!                                every state that history reaches is the one after that commit
//! ```
//!
//! `XS_DISKS=20000 cargo test --release -p xs-storage --all-features --test mvcc -- --nocapture crashes` for a long run; what
//! a failure prints as `XS_CRASH` shows it again.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::Vfs;
use xs_os::vfs::explore::{Crash, Explorer};
use xs_os::vfs::faulty::{FaultyVfs, Recording};
use xs_storage::Result;
use xs_storage::btree::{self, BTree};
use xs_storage::engine::{Commit, Durability, Engine, KeyRange, ReadView};
use xs_storage::lsm::{self, Lsm};
use xs_storage::mvcc::{Isolation, Mvcc, Options, Timestamp, Transaction, TransactionError};
use xs_storage::testing::crash::Crashes;
use xs_storage::testing::{Machine, Subject};

/// Disks in a run of all tests.
const DISKS: u64 = 1_000;
const STEPS: usize = 250;
/// So many commits back can be read, so that recovery is asked for more than the newest state.
const KEEP: u64 = 4;
/// More than any background work takes.
const IDLE: usize = 100_000;

#[test]
fn crashes_leave_whole_transactions_in_a_btree() {
    explore(&TinyBTree);
}

#[test]
fn crashes_leave_whole_transactions_in_an_lsm() {
    explore(&TinyLsm);
}

struct TinyBTree;

impl Subject for TinyBTree {
    type Engine = BTree;

    fn open(&self, machine: &Machine) -> Result<BTree> {
        let (vfs, jobs) = (machine.vfs.clone(), machine.jobs.clone());
        let options = btree::Options { vfs, jobs, page_size: 512, log_bytes: 4 << 10, ..Default::default() };
        BTree::open(Path::new("store"), options)
    }

    fn check(&self, engine: &BTree) -> Result<(), String> {
        engine.check().map(drop).map_err(|error| error.to_string())
    }
}

struct TinyLsm;

impl Subject for TinyLsm {
    type Engine = Lsm;

    fn open(&self, machine: &Machine) -> Result<Lsm> {
        let (vfs, jobs, clock) = (machine.vfs.clone(), machine.jobs.clone(), machine.clock.clone());
        let options = lsm::Options { vfs, jobs, clock, memtable_bytes: 2 << 10, ..lsm::Options::tiny() };
        Lsm::open(Path::new("store"), options)
    }

    fn check(&self, engine: &Lsm) -> Result<(), String> {
        engine.check().map(drop).map_err(|error| error.to_string())
    }
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn content(view: &dyn ReadView) -> Result<Map> {
    let mut cursor = view.cursor(KeyRange::all())?;
    let mut map = Map::new();
    while cursor.next()? {
        map.insert(cursor.key().to_vec(), cursor.value()?.to_vec());
    }
    Ok(map)
}

/// Workloads, until enough disks were tried.
fn explore<S: Subject<Engine: 'static>>(subject: &S) {
    let crashes = Crashes::from_env(DISKS);
    let first = crashes.only.as_ref().map_or(crashes.seed, |(seed, _)| *seed);
    let mut explorer = Explorer::new(first).per_point(40);
    let (mut commits, mut refused) = (0, 0);
    for seed in first.. {
        let tale = Tale::record(subject, seed);
        commits += tale.commits.len();
        refused += tale.refused;
        explorer = explorer.reseed(seed);
        if let Some((_, line)) = &crashes.only {
            explorer = explorer.replay(line);
        }
        let explored = explorer.explore(&tale.recording, &mut |crash| tale.look(subject, crash));
        if let Err(failure) = explored {
            let (line, what) = (&failure.line, &failure.what);
            panic!("workload {seed}, crash {line}: {what}\nagain: XS_CRASH=\"{seed}@{line}\" in the environment");
        }
        if crashes.only.is_some() || explorer.report().distinct >= crashes.disks {
            break;
        }
    }
    println!("{}; {commits} commits, {refused} conflicts", explorer.report());
    assert!(crashes.only.is_some() || refused > 0, "transactions that never meet prove little");
}

/// Transactions that were recorded, and what was promised when.
struct Tale {
    /// What is seen after each commit, in their order; in front the empty store.
    commits: Vec<(Timestamp, Map)>,
    /// By mark, how many of the commits may be found.
    promised: Vec<RangeInclusive<usize>>,
    refused: usize,
    recording: Recording,
}

/// A transaction that is open, and what the world looks like if it commits: its writes alone.
struct Live {
    transaction: Transaction,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Tale {
    fn record<S: Subject<Engine: 'static>>(subject: &S, seed: u64) -> Tale {
        let disk = FaultyVfs::new(seed);
        disk.record();
        let machine = Machine::stepped(Arc::new(disk.clone()));
        let mut tale = Tale {
            commits: vec![(Timestamp(0), Map::new())],
            promised: vec![0..=0],
            refused: 0,
            recording: Recording::default(),
        };
        let ran = tale.run(subject, &machine, &disk, &mut Rng::from_seed(seed).fork("transactions"));
        ran.unwrap_or_else(|error| panic!("workload {seed}, without any failure of the disk: {error}"));
        tale.recording = disk.recorded();
        tale
    }

    fn promise(&mut self, disk: &FaultyVfs, durable: usize, begun: usize) {
        disk.mark(self.promised.len() as u64);
        self.promised.push(durable..=begun);
    }

    fn run<S: Subject<Engine: 'static>>(
        &mut self,
        subject: &S,
        machine: &Machine,
        disk: &FaultyVfs,
        rng: &mut Rng,
    ) -> Result<(), TransactionError> {
        let store = transactions(Arc::new(subject.open(machine)?), machine)?;
        let mut live: Vec<Live> = Vec::new();
        let mut later: Vec<(usize, Commit)> = Vec::new();
        let mut durable = 0;
        for _ in 0..STEPS {
            match rng.below(10) {
                0..4 if live.len() < 4 => {
                    live.push(Live { transaction: store.begin(Isolation::Serializable), writes: BTreeMap::new() });
                }
                0..5 if !live.is_empty() => {
                    let nth = rng.index(live.len());
                    let Live { transaction, writes } = live.swap_remove(nth);
                    if writes.is_empty() || rng.chance(0.1) {
                        transaction.rollback();
                        continue;
                    }
                    let next = self.commits.len();
                    self.promise(disk, durable, next);
                    let synced = rng.chance(0.6);
                    let durability = if synced { Durability::Synced } else { Durability::Buffered };
                    match transaction.commit(durability) {
                        Ok(committed) => {
                            let mut map = self.commits[next - 1].1.clone();
                            for (key, value) in writes {
                                match value {
                                    Some(value) => drop(map.insert(key, value)),
                                    None => drop(map.remove(&key)),
                                }
                            }
                            self.commits.push((committed.at, map));
                            if synced {
                                later.push((next, committed.durable));
                            }
                        }
                        Err(error) if error.can_retry() => {
                            self.refused += 1;
                            self.promise(disk, durable, next - 1);
                        }
                        Err(error) => return Err(error),
                    }
                }
                5..9 if !live.is_empty() => {
                    let nth = rng.index(live.len());
                    live[nth].act(rng)?;
                }
                _ => {}
            }
            if !later.is_empty() && rng.chance(0.3) {
                let nth = rng.index(later.len());
                let (commit, wait) = later.swap_remove(nth);
                wait.wait()?;
                durable = durable.max(commit);
                self.promise(disk, durable, self.commits.len() - 1);
            }
            match rng.below(40) {
                0 => store.engine().flush()?,
                1 => drop(store.collect(1 + rng.index(5))?),
                2 => drop(store.sweep(&mut |_| true)?),
                3..15 => drop(machine.run_until_idle(1 + rng.index(6))),
                _ => {}
            }
        }
        Ok(())
    }

    /// Opens what a crash left, and looks at every state that history reaches.
    fn look<S: Subject<Engine: 'static>>(&self, subject: &S, crash: &Crash) -> Result<(), String> {
        let (least, most) = self.promised[crash.mark as usize].clone().into_inner();
        let disk: Arc<dyn Vfs> = Arc::new(crash.disk.clone());
        let (held, last) = self.open(subject, &disk, crash.hash.is_multiple_of(2))?;
        if held < least {
            return Err(format!("holds {held} commits, and {least} were acknowledged"));
        }
        if held > most {
            return Err(format!("holds {held} commits, and only {most} were begun"));
        }
        if crash.hash % 8 == 1 {
            // What is written now goes on from there, and hides nothing.
            let again = self.go_on(subject, &disk, held, last);
            again.map_err(|what| format!("written to and opened again: {what}"))?;
        }
        Ok(())
    }

    /// How many commits a store holds, and the timestamp of the last; `Err` if they are not the first so many, each whole.
    fn open<S: Subject<Engine: 'static>>(
        &self,
        subject: &S,
        disk: &Arc<dyn Vfs>,
        sweep: bool,
    ) -> Result<(usize, Timestamp), String> {
        let machine = Machine::stepped(disk.clone());
        let engine = Arc::new(subject.open(&machine).map_err(|error| format!("opening the engine: {error}"))?);
        subject.check(&engine).map_err(|what| format!("the engine's own check: {what}"))?;
        let store = transactions(engine, &machine).map_err(|error| format!("opening: {error}"))?;
        let last = store.last();
        let held = self.commits.iter().position(|(at, _)| *at == last);
        let held = held.ok_or_else(|| format!("its last commit is {last}, and there was none"))?;
        self.compare(&store, held)?;
        if sweep {
            store.sweep(&mut |_| true).map_err(|error| format!("sweeping: {error}"))?;
            machine.run_until_idle(IDLE);
            self.compare(&store, held).map_err(|what| format!("after a sweep, {what}"))?;
        }
        drop(store);
        machine.run_until_idle(IDLE);
        Ok((held, last))
    }

    fn compare(&self, store: &Mvcc, held: usize) -> Result<(), String> {
        let see = |view: &dyn ReadView, (at, expected): &(Timestamp, Map)| {
            let seen = content(view).map_err(|error| format!("reading at {at}: {error}"))?;
            let wrong = expected.keys().chain(seen.keys()).find(|key| seen.get(*key) != expected.get(*key));
            wrong.map_or(Ok(()), |key| {
                let (key, len) = (String::from_utf8_lossy(key), |map: &Map| map.get(key).map(Vec::len));
                let (seen, expected) = (len(&seen), len(expected));
                Err(format!("of {held} commits, at {at} the value of {key} has {seen:?} bytes for {expected:?}"))
            })
        };
        see(&store.begin_read_only(), &self.commits[held])?;
        // What lies within what is kept must be there; beyond, it may be refused, and never be wrong.
        for (back, commit) in self.commits[..=held].iter().rev().enumerate() {
            match store.at(commit.0) {
                Ok(view) => see(&view, commit)?,
                Err(out) if back < KEEP as usize && self.commits[held].0.0 - commit.0.0 <= KEEP => {
                    return Err(format!("history is kept {KEEP} commits back, and {out}"));
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn go_on<S: Subject<Engine: 'static>>(
        &self,
        subject: &S,
        disk: &Arc<dyn Vfs>,
        held: usize,
        last: Timestamp,
    ) -> Result<(), String> {
        let machine = Machine::stepped(disk.clone());
        let write = |machine: &Machine| -> Result<Timestamp, TransactionError> {
            let store = transactions(Arc::new(subject.open(machine)?), machine)?;
            let mut transaction = store.begin(Isolation::Serializable);
            transaction.put(b"after", b"the crash")?;
            Ok(transaction.commit(Durability::Synced)?.wait()?)
        };
        let at = write(&machine).map_err(|error| format!("writing: {error}"))?;
        machine.run_until_idle(IDLE);
        if at <= last {
            return Err(format!("a commit after {last} got {at}"));
        }
        let machine = Machine::stepped(disk.clone());
        let read = |machine: &Machine| -> Result<(Timestamp, Map)> {
            let store = transactions(Arc::new(subject.open(machine)?), machine)?;
            Ok((store.last(), content(&store.begin_read_only())?))
        };
        let found = read(&machine).map_err(|error| format!("reading: {error}"))?;
        machine.run_until_idle(IDLE);
        let mut expected = self.commits[held].1.clone();
        expected.insert(b"after".to_vec(), b"the crash".to_vec());
        if found == (at, expected) { Ok(()) } else { Err(format!("it shows {found:?}")) }
    }
}

impl Live {
    /// Reads and writes among a few keys, so that transactions meet.
    fn act(&mut self, rng: &mut Rng) -> Result<()> {
        let key = |rng: &mut Rng| format!("{:02}", rng.below(40)).into_bytes();
        match rng.below(10) {
            0 => drop(self.transaction.get(&key(rng))?),
            1..4 => {
                let key = key(rng);
                self.transaction.delete(&key)?;
                self.writes.insert(key, None);
            }
            4 => {
                let (from, to) = (key(rng), key(rng));
                let mut cursor = self.transaction.cursor(KeyRange::between(&from, &to))?;
                while cursor.next()? {
                    self.writes.insert(cursor.key().to_vec(), None);
                }
                drop(cursor);
                self.transaction.delete_range(KeyRange::between(&from, &to))?;
            }
            kind => {
                let len = if kind == 5 { 1500 } else { rng.index(60) };
                let (key, value) = (key(rng), vec![rng.next_u64() as u8; len]);
                self.transaction.put(&key, &value)?;
                self.writes.insert(key, Some(value));
            }
        }
        Ok(())
    }
}

fn transactions(engine: Arc<dyn Engine>, machine: &Machine) -> Result<Mvcc> {
    Mvcc::open(engine, Options { keep: KEEP, jobs: Some(machine.jobs.clone()), ..Options::default() })
}
