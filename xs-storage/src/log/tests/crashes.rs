//! Every crash of a workload: what was acknowledged is there, what is there was written, and nothing comes back later.

use std::cell::RefCell;

use xs_os::Rng;
use xs_os::vfs::Vfs;
use xs_os::vfs::explore::{Crash, Explorer};
use xs_os::vfs::faulty::FaultyVfs;

use super::*;

/// What a log holds behind a call: everything that was handed to it, and what of that is certain.
#[derive(Clone, Debug, Default)]
struct State {
    entries: Vec<(u64, Vec<u8>)>,
    /// Entries may be trimmed up to here.
    trimmed: u64,
    next: u64,
    durable: u64,
    /// The call cut the tail, or went on elsewhere: what the state before promised behind that may be gone.
    cut: bool,
}

/// Runs calls drawn from a seed, marking each; the states by mark.
fn workload(disk: &FaultyVfs, seed: u64, calls: usize) -> Vec<State> {
    let mut rng = Rng::from_seed(seed);
    let mut state = State::default();
    let mut states = vec![state.clone()];
    let mut jobs = SteppedJobs::new();
    // From a write for each entry to a write for many, and from a sync for most to a sync for few.
    let buffer_bytes = [60, 200, 900][rng.index(3)];
    let patience = [0.1, 0.4][rng.index(2)];
    let open = |jobs: &SteppedJobs| {
        let options = LogOptions { segment_bytes: 4096, buffer_bytes, spares: 1, ..small(jobs) };
        Log::open(disk.vfs(), Path::new(DIR), options).unwrap()
    };
    let mut log = open(&jobs);
    disk.record();
    for call in 0..calls {
        let mut after = State { cut: false, ..state.clone() };
        match rng.below(40) {
            0 | 17 => {
                drop(log);
                jobs = SteppedJobs::new();
                log = open(&jobs);
                after.durable = after.next;
            }
            1 | 2 if state.next > state.trimmed => {
                let index = state.trimmed.max(state.next.saturating_sub(1 + rng.below(12)));
                log.truncate_from(Index(index)).unwrap();
                after.entries.retain(|(at, _)| *at < index);
                (after.next, after.durable, after.cut) = (index, index, true);
            }
            3 | 4 => {
                let index = state.next.saturating_sub(rng.below(40));
                log.trim_to(Index(index)).unwrap();
                after.trimmed = log.bounds().start.0;
                after.entries.retain(|(at, _)| *at >= after.trimmed);
            }
            5 if rng.chance(0.2) => {
                after = State { next: state.next + 3, ..State::default() };
                (after.trimmed, after.durable, after.cut) = (after.next, after.next, true);
                log.restart_at(Index(after.next)).unwrap();
            }
            6..=9 => drop(jobs.step()),
            10 | 11 => {
                log.sync().unwrap();
                after.durable = after.next;
            }
            draw => {
                let size = if rng.chance(0.04) { 3000 } else { rng.index(if draw < 20 { 500 } else { 60 }) };
                let bytes = vec![call as u8; size];
                let (index, commit) = log.append(&[&bytes]).unwrap();
                assert_eq!(index, Index(state.next));
                after.entries.push((state.next, bytes));
                after.next += 1;
                if rng.chance(patience) {
                    commit.wait().unwrap();
                    after.durable = after.next;
                }
            }
        }
        state = after;
        disk.mark(states.len() as u64);
        states.push(state.clone());
    }
    states
}

/// Whether what was found is what a crash behind `before`, in the middle of the call that leads to `after`, may leave.
fn allowed(before: &State, after: &State, start: u64, next: u64, found: &[(u64, Vec<u8>)]) -> bool {
    let fits = |state: &State, durable: u64| {
        let there = state.entries.iter().filter(|(at, _)| (start..next).contains(at));
        (before.trimmed.min(state.trimmed)..=state.trimmed).contains(&start)
            && (durable..=state.next).contains(&next)
            && there.eq(found)
    };
    // Until a trim is done, the older entries may be there as well.
    let trimming = State { trimmed: after.trimmed, ..before.clone() };
    fits(before, before.durable)
        || fits(after, if after.cut { after.durable } else { before.durable })
        || fits(&trimming, before.durable)
}

fn check(crash: &Crash, states: &[State]) -> Result<(), String> {
    let before = &states[crash.mark as usize];
    let after = states.get(crash.mark as usize + 1).unwrap_or(before);
    let log = try_open(&crash.disk).map_err(|error| error.to_string())?;
    let bounds = log.bounds();
    let mut found = try_read(&log, 0).map_err(|error| error.to_string())?;
    if !allowed(before, after, bounds.start.0, bounds.end.0, &found) {
        return Err(format!("{bounds:?} {found:?} is neither {before:?} nor {after:?}"));
    }
    // What was lost stays lost, whatever is written in its place.
    for n in 0..1 + crash.hash % 2 {
        let lost = after.entries.iter().find(|(at, _)| *at == bounds.end.0 + n);
        let bytes = vec![0xee; lost.map_or(5, |(_, bytes)| bytes.len())];
        let appended = log.append(&[&bytes]).and_then(|(_, commit)| commit.wait());
        appended.map_err(|error| error.to_string())?;
        found.push((bounds.end.0 + n, bytes));
    }
    drop(log);
    let again = try_open(&crash.disk).and_then(|log| try_read(&log, 0)).map_err(|error| error.to_string())?;
    if again == found { Ok(()) } else { Err(format!("{again:?} after reopening, and {found:?} before")) }
}

fn explore(explorer: &mut Explorer, seed: u64, calls: usize) {
    let disk = FaultyVfs::new(seed);
    let states = RefCell::new(workload(&disk, seed, calls));
    let recording = disk.recorded();
    let explored = explorer.explore(&recording, &mut |crash| check(crash, &states.borrow()));
    explored.unwrap_or_else(|failure| panic!("workload {seed} of {calls} calls: {failure}"));
}

#[test]
fn no_crash_loses_what_was_promised() {
    let mut explorer = Explorer::new(1).per_point(30);
    for seed in 0..16 {
        explore(&mut explorer, seed, 120);
    }
    let report = explorer.report();
    println!("{report}");
    assert!(report.distinct > 2000, "{report}");
}

/// A log whose process was killed: nothing was closed, what was written is with the operating system, and the lock is
/// gone.
fn kill(disk: &FaultyVfs, log: Log) {
    std::mem::forget(log);
    disk.remove(&Path::new(DIR).join("LOCK")).unwrap();
}

#[test]
fn what_a_killed_process_had_not_synced_is_not_promised_by_reading_it() {
    let disk = FaultyVfs::new(1);
    let log = open(&disk);
    log.append(&[b"durable"]).unwrap().1.wait().unwrap();
    // More than may wait in memory, so it is written at once.
    drop(log.append(&[&[1; 1500]]).unwrap());
    drop(log.append(&[&[2; 1500]]).unwrap());
    disk.record();
    kill(&disk, log);
    let log = open(&disk);
    assert_eq!(log.bounds(), Index(0)..Index(3));
    disk.mark(1);
    kill(&disk, log);
    let mut explorer = Explorer::new(1);
    let explored = explorer.explore(&disk.recorded(), &mut |crash| {
        let found = try_open(&crash.disk).and_then(|log| try_read(&log, 0)).map_err(|error| error.to_string())?;
        let least = if crash.mark == 1 { 3 } else { 1 };
        if found.len() >= least { Ok(()) } else { Err(format!("{} of {least}", found.len())) }
    });
    explored.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(explorer.report().distinct > 10, "{}", explorer.report());
}

#[test]
fn a_group_that_outlived_a_lost_one_does_not_come_back() {
    const LEN: usize = 1500;
    let disk = MemoryVfs::new();
    let log = open(&disk);
    log.append(&[b"durable"]).unwrap().1.wait().unwrap();
    let path = disk.files().into_iter().map(|(path, _)| path).find(|path| path.extension().is_some()).unwrap();
    let before = log.stats().written_bytes;
    drop(log.append(&[&[1; LEN]]).unwrap());
    drop(log.append(&[&[2; LEN]]).unwrap());
    let group = (log.stats().written_bytes - before) as usize / 2;
    // Of the two groups that were not synced, a crash leaves the second.
    let crashed = disk.fork();
    let start = 32 + before as usize;
    let file = crashed.open(&path, xs_os::vfs::Open::Write).unwrap();
    file.write_all_at(&vec![0; group], start as u64).unwrap();
    let log = open(&crashed);
    assert_eq!(read(&log, 1), []);
    // With the mark of this opening in front, exactly as long as what was lost.
    drop(log.append(&[&[3; LEN - 32]]).unwrap());
    log.sync().unwrap();
    assert_eq!(read(&open(&crashed.fork()), 1), [(1, vec![3; LEN - 32])]);
}

#[test]
#[ignore = "takes minutes: 100,000 disks, for .ci/long"]
fn no_crash_out_of_a_hundred_thousand_loses_what_was_promised() {
    let mut explorer = Explorer::new(2).per_point(400).tears(2);
    for seed in 100.. {
        explore(&mut explorer, seed, 400);
        if explorer.report().distinct >= 100_000 {
            break;
        }
    }
    println!("{}", explorer.report());
}
