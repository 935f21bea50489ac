//! Every crash of a workload: what was durable is there, what is there was written, and what is derived fits it.

use std::ops::Range;

use xs_os::Rng;
use xs_os::vfs::explore::{Crash, Explorer};
use xs_os::vfs::faulty::FaultyVfs;
use xs_proto::kafka::records::end_transaction;

use super::*;

/// What a partition holds behind a call.
#[derive(Clone, Debug, Default)]
struct State {
    batches: Vec<(u64, u64, Vec<u8>)>,
    start: u64,
    next: u64,
    durable: u64,
    cut: bool,
}

fn workload(disk: &FaultyVfs, seed: u64, calls: usize) -> Vec<State> {
    let mut rng = Rng::from_seed(seed);
    let mut state = State::default();
    let mut states = vec![state.clone()];
    let jobs = Arc::new(SteppedJobs::new());
    // Every other life has segments made ahead.
    let options = PartitionOptions { jobs: jobs.clone(), warm_bytes: seed % 2 * 6000, ..small() };
    let open = || Partition::open(Arc::new(disk.clone()), Path::new(DIR), options.clone()).unwrap();
    let mut partition = open();
    // Behind a cut producers have other ids: what they sent may be forgotten.
    let (mut sequences, mut epoch, mut life) = ([0; 3], 0, 0);
    disk.record();
    for call in 0..calls {
        let mut after = State { cut: false, ..state.clone() };
        let how = Append { leader_epoch: epoch, now: NOW + call as i64, stamp: false, keyed: false };
        let put = |after: &mut State, batch: Bytes, appended: Appended, wait: bool| {
            after.batches.push((appended.base.0, appended.end.0, stored(&batch, appended.base.0, how.leader_epoch)));
            after.next = appended.end.0;
            if wait {
                appended.commit.wait().unwrap();
                after.durable = after.next;
            }
        };
        match rng.below(40) {
            0 => {
                drop(partition);
                partition = open();
                after.durable = after.next;
            }
            1 if state.next > state.start => {
                let cut = state.start.max(state.next.saturating_sub(1 + rng.below(20)));
                partition.truncate_to(Index(cut)).unwrap();
                after.batches.retain(|(_, end, _)| *end <= cut);
                (after.next, after.durable, after.cut) = (cut, cut, true);
                (sequences, life) = ([0; 3], life + 1);
            }
            2 => {
                let before = state.start + rng.below(state.next - state.start + 1);
                partition.delete_records(Index(before)).unwrap();
                if before > state.start {
                    after.durable = after.next;
                }
            }
            3 | 4 => {
                let keep = Retention { more_than_bytes: Some(6000), ..Retention::default() };
                partition.tend(NOW, &keep).unwrap();
            }
            5 => epoch += 1,
            6 => {
                partition.commit().wait().unwrap();
                after.durable = after.next;
            }
            draw @ 7..=19 => {
                let producer = rng.below(3) as usize;
                let id = producer as i64 + 10 * life;
                let batch = in_transaction(id, 0, sequences[producer], &[b"value"]);
                let appended = partition.append(batch.clone(), how).unwrap();
                sequences[producer] += 1;
                put(&mut after, batch, appended, draw < 11);
            }
            20..=23 => {
                let producer = rng.below(3) as i64 + 10 * life;
                let outcome = if rng.chance(0.5) { Outcome::Abort } else { Outcome::Commit };
                let appended = partition.end_transaction(producer, 0, outcome, 1, how).unwrap();
                put(&mut after, end_transaction(outcome, producer, 0, 1, how.now), appended, false);
            }
            draw => {
                let batch = plain(call as u64, 1 + rng.index(3), how.now);
                let appended = partition.append(batch.clone(), how).unwrap();
                put(&mut after, batch, appended, draw < 28);
            }
        }
        if rng.chance(0.3) {
            jobs.step();
        }
        let bounds = partition.bounds();
        ordered(bounds).unwrap_or_else(|what| panic!("call {call} of workload {seed}: {what}"));
        assert!(bounds.start.0 >= state.start && bounds.end.0 == after.next, "{bounds:?} behind {state:?}");
        after.start = bounds.start.0;
        after.batches.retain(|(_, end, _)| *end > after.start);
        state = after;
        disk.mark(states.len() as u64);
        states.push(state.clone());
    }
    states
}

/// Nobody is ever given what is not there.
fn ordered(bounds: Bounds) -> Result<(), String> {
    let Bounds { start, last_stable, high_watermark, end } = bounds;
    let rises = start <= last_stable && last_stable <= high_watermark && high_watermark <= end;
    if rises { Ok(()) } else { Err(format!("{bounds:?}")) }
}

/// Whether what is there is what a crash behind `before`, in the middle of the call that leads to `after`, may leave.
fn allowed(before: &State, after: &State, start: u64, next: u64, found: &[u8]) -> bool {
    let fits = |state: &State, durable: u64| {
        let there = state.batches.iter().filter(|(_, end, _)| *end > start && *end <= next);
        let there: Vec<u8> = there.flat_map(|(.., bytes)| bytes.clone()).collect();
        (before.start..=after.start).contains(&start) && (durable..=state.next).contains(&next) && there == found
    };
    fits(before, before.durable) || fits(after, if after.cut { after.durable } else { before.durable })
}

fn check(crash: &Crash, states: &[State]) -> Result<(), String> {
    let before = &states[crash.mark as usize];
    let after = states.get(crash.mark as usize + 1).unwrap_or(before);
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let partition = try_open(Arc::new(crash.disk.clone())).map_err(|error| text(&error))?;
    let bounds = partition.bounds();
    ordered(bounds)?;
    let read = |partition: &Partition, from: u64| try_bytes(partition, from, 700, Isolation::Uncommitted);
    let mut found = read(&partition, bounds.start.0).map_err(|error| text(&error))?;
    if !allowed(before, after, bounds.start.0, bounds.end.0, &found) {
        return Err(format!("{bounds:?} is neither {before:?} nor {after:?}"));
    }
    partition.check().map_err(|error| text(&error))?;
    // While nothing was deleted, a replay of the whole log says the same.
    if bounds.start.0 == 0 {
        derived_is_replayed(&partition)?;
    }
    // What was lost stays lost.
    let batch = plain(999, 2, NOW);
    let how = Append { leader_epoch: 99, now: NOW, stamp: false, keyed: false };
    let appended = partition.append(batch.clone(), how).map_err(|error| text(&error))?;
    found.extend(stored(&batch, appended.base.0, 99));
    appended.commit.wait().map_err(|error| text(&error))?;
    drop(partition);
    let partition = try_open(Arc::new(crash.disk.clone())).map_err(|error| text(&error))?;
    let again = read(&partition, bounds.start.0).map_err(|error| text(&error))?;
    if again == found { Ok(()) } else { Err("after reopening it is something else".into()) }
}

/// So many workloads at least, and until there were so many disks.
fn explore_disks(explorer: &mut Explorer, seeds: Range<u64>, calls: usize, disks: u64) {
    for seed in seeds.start.. {
        let disk = FaultyVfs::new(seed);
        let states = workload(&disk, seed, calls);
        let explored = explorer.explore(&disk.recorded(), &mut |crash| check(crash, &states));
        explored.unwrap_or_else(|failure| panic!("workload {seed} of {calls} calls: {failure}"));
        if explorer.report().distinct >= disks && seed + 1 >= seeds.end {
            break;
        }
    }
    println!("{}", explorer.report());
}

#[test]
fn no_crash_loses_what_was_promised() {
    explore_disks(&mut Explorer::new(1).per_point(5), 0..8, 120, 800);
}

#[test]
#[ignore = "takes minutes: 40,000 disks, for .ci/long"]
fn no_crash_out_of_forty_thousand_loses_what_was_promised() {
    explore_disks(&mut Explorer::new(2).per_point(300).tears(2), 100..101, 300, 20_000);
    explore_disks(&mut Explorer::new(3).per_point(5), 200..260, 200, 20_000);
}
