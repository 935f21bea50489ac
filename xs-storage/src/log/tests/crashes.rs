//! Every crash of a workload: what was acknowledged is there, what is there was written, and nothing comes back later.

use std::cell::RefCell;

use xs_os::Rng;
use xs_os::vfs::Vfs;
use xs_os::vfs::explore::{Crash, Explorer};
use xs_os::vfs::faulty::FaultyVfs;

use super::*;
use crate::testing::log::Entries;

/// What a framing promises of entries behind the last that was durable.
trait Crashed: Entries {
    /// Whether bytes that were found may be there, where these were written, of which the first `durable` are certain.
    fn may_be(found: &[u8], written: &[u8], durable: usize) -> bool {
        let _ = durable;
        found == written
    }
}

impl Crashed for Records {}
impl Crashed for Batches {}

impl Crashed for Raw {
    /// Nothing tells a byte that was lost from one that was written as zero.
    fn may_be(found: &[u8], written: &[u8], durable: usize) -> bool {
        let lost = |(at, (found, written)): (usize, (&u8, &u8))| found == written || at >= durable && *found == 0;
        found.len() == written.len() && found.iter().zip(written).enumerate().all(lost)
    }
}

/// What a log holds behind a call: everything that was handed to it, and what of that is certain.
#[derive(Clone, Debug, Default)]
struct State {
    /// Index, the one behind, bytes.
    entries: Vec<(u64, u64, Vec<u8>)>,
    /// Entries may be trimmed up to here.
    trimmed: u64,
    next: u64,
    durable: u64,
    /// The call cut the tail, or went on elsewhere: what the state before promised behind that may be gone.
    cut: bool,
}

impl State {
    /// What of it lies from one index to another: index, bytes, and how many of these bytes were durable.
    fn between<F: Crashed>(&self, start: u64, next: u64) -> Vec<(u64, Vec<u8>)> {
        let inside = self.entries.iter().filter(|(first, end, _)| *first < next && *end > start);
        let parts = inside.filter_map(|(first, end, bytes)| match *first >= start && *end <= next {
            true => Some((*first, bytes.clone())),
            // Where an entry has parts, each index is a byte.
            false => {
                let (from, upto) = ((*first).max(start), (*end).min(next));
                F::cut(bytes, end - upto).map(|bytes| (from, bytes[(from - first) as usize..].to_vec()))
            }
        });
        F::joined(parts.collect())
    }
}

/// Runs calls drawn from a seed, marking each; the states by mark.
fn workload<F: Crashed>(disk: &FaultyVfs, seed: u64, calls: usize) -> Vec<State> {
    let mut rng = Rng::from_seed(seed);
    let mut state = State::default();
    let mut states = vec![state.clone()];
    let mut jobs = SteppedJobs::new();
    // From a write for each entry to a write for many, and from a sync for most to a sync for few.
    let buffer_bytes = [60, 200, 900][rng.index(3)];
    let patience = [0.1, 0.4][rng.index(2)];
    let open = |jobs: &SteppedJobs| {
        let options = LogOptions { segment_bytes: 4096, buffer_bytes, spares: 1, ..small(jobs) };
        Log::open_with(disk.vfs(), Path::new(DIR), options, F::default()).unwrap()
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
            1 | 2 if !state.entries.is_empty() => {
                let (first, end, _) = &state.entries[state.entries.len().saturating_sub(1 + rng.index(12))];
                let index = first + rng.below(end - first);
                log.truncate_from(Index(index)).unwrap();
                // Of an entry that spans the cut, a part stays where entries have parts.
                let kept = after.entries.into_iter().filter_map(|(first, end, bytes)| match end <= index {
                    true => Some((first, end, bytes)),
                    false if first >= index => None,
                    false => F::cut(&bytes, end - index).map(|part| (first, index, part)),
                });
                after.entries = kept.collect();
                (after.next, after.durable, after.cut) = (index, index, true);
            }
            3 | 4 => {
                let back = rng.index(40);
                let entry = state.entries.len().checked_sub(1 + back).map(|at| state.entries[at].0);
                log.trim_to(Index(entry.unwrap_or(0))).unwrap();
                after.trimmed = log.bounds().start.0;
                after.entries.retain(|(_, end, _)| *end > after.trimmed);
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
                let payload = F::payload(call as u64, size);
                let (index, commit) = log.append(&[&payload]).unwrap();
                assert_eq!(index, Index(state.next));
                let (bytes, span) = F::stored(&payload, state.next);
                after.entries.push((state.next, state.next + span, bytes));
                after.next += span;
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
fn allowed<F: Crashed>(before: &State, after: &State, start: u64, next: u64, found: &[(u64, Vec<u8>)]) -> bool {
    let fits = |state: &State, durable: u64| {
        let there = state.between::<F>(start, next);
        let same = |((index, bytes), (at, written)): (&(u64, Vec<u8>), &(u64, Vec<u8>))| {
            index == at && F::may_be(bytes, written, durable.saturating_sub(*at) as usize)
        };
        (before.trimmed.min(state.trimmed)..=state.trimmed).contains(&start)
            && (durable..=state.next).contains(&next)
            && there.len() == found.len()
            && found.iter().zip(&there).all(same)
    };
    // Until a trim is done, the older entries may be there as well.
    let trimming = State { trimmed: after.trimmed, ..before.clone() };
    fits(before, before.durable)
        || fits(after, if after.cut { after.durable } else { before.durable })
        || fits(&trimming, before.durable)
}

fn check<F: Crashed>(crash: &Crash, states: &[State]) -> Result<(), String> {
    let before = &states[crash.mark as usize];
    let after = states.get(crash.mark as usize + 1).unwrap_or(before);
    let open = || {
        let options = small(&SteppedJobs::new());
        Log::open_with(crash.disk.vfs(), Path::new(DIR), options, F::default()).map_err(|error| error.to_string())
    };
    let read = |log: &Log<F>| Ok::<_, String>(F::joined(try_read(log, 0).map_err(|error| error.to_string())?));
    let log = open()?;
    let bounds = log.bounds();
    let mut found = read(&log)?;
    if !allowed::<F>(before, after, bounds.start.0, bounds.end.0, &found) {
        return Err(format!("{bounds:?} {found:?} is neither {before:?} nor {after:?}"));
    }
    // What was lost stays lost, whatever is written in its place.
    let none = F::payload(0, 0).len();
    for n in 0..1 + crash.hash % 2 {
        let end = log.bounds().end.0;
        let lost = after.entries.iter().find(|(at, ..)| *at == end);
        let payload = F::payload(0xee + n, lost.map_or(5, |(.., bytes)| bytes.len() - none.min(bytes.len())));
        let appended = log.append(&[&payload]).and_then(|(_, commit)| commit.wait());
        appended.map_err(|error| error.to_string())?;
        found.push((end, F::stored(&payload, end).0));
    }
    drop(log);
    let (again, found) = (read(&open()?)?, F::joined(found));
    if again == found { Ok(()) } else { Err(format!("{again:?} after reopening, and {found:?} before")) }
}

fn explore<F: Crashed>(explorer: &mut Explorer, seed: u64, calls: usize) {
    let disk = FaultyVfs::new(seed);
    let states = RefCell::new(workload::<F>(&disk, seed, calls));
    let recording = disk.recorded();
    let explored = explorer.explore(&recording, &mut |crash| check::<F>(crash, &states.borrow()));
    explored.unwrap_or_else(|failure| panic!("{}, workload {seed} of {calls} calls: {failure}", F::NAME));
}

/// Workloads of so many calls, until so many disks were tried.
fn explore_disks<F: Crashed>(explorer: &mut Explorer, seed: u64, calls: usize, disks: u64) {
    for seed in seed.. {
        explore::<F>(explorer, seed, calls);
        if explorer.report().distinct >= disks {
            break;
        }
    }
    println!("{}: {}", F::NAME, explorer.report());
}

#[test]
fn no_crash_loses_what_was_promised() {
    explore_disks::<Records>(&mut Explorer::new(1).per_point(30), 0, 120, 2_000);
}

#[test]
fn no_crash_loses_foreign_entries_that_were_promised() {
    explore_disks::<Batches>(&mut Explorer::new(1).per_point(20), 0, 120, 600);
    explore_disks::<Raw>(&mut Explorer::new(1).per_point(20), 0, 120, 600);
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
    explore_disks::<Records>(&mut Explorer::new(2).per_point(400).tears(2), 100, 400, 100_000);
}

#[test]
#[ignore = "takes a minute: 20,000 disks for each framing, for .ci/long"]
fn no_crash_out_of_twenty_thousand_loses_foreign_entries() {
    explore_disks::<Batches>(&mut Explorer::new(2).per_point(400).tears(2), 100, 400, 20_000);
    explore_disks::<Raw>(&mut Explorer::new(2).per_point(400).tears(2), 100, 400, 20_000);
}
