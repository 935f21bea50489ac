//! Every crash of a life: what was said to be durable is there, and what is there was written.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::Vfs;
use xs_os::vfs::explore::{Crash, Explorer};
use xs_os::vfs::faulty::FaultyVfs;

use super::life::{DIR, Life, Model, check_snapshot, members, open};
use crate::raft::{Entry, Payload, Persist, Term};
use crate::raft_store::{Error, Start};

/// How far a life had come at a mark.
#[derive(Clone, Copy, Debug)]
struct At {
    durable: usize,
    steps: usize,
    life: u64,
}

fn check(crash: &Crash, steps: &[Model], marks: &[At]) -> Result<(), String> {
    let before = marks[crash.mark as usize];
    let after = marks.get(crash.mark as usize + 1).copied().unwrap_or(before);
    let disk = Arc::new(crash.disk.clone());
    let (mut store, initial) = open(disk.clone(), Start::Open).map_err(|error| error.to_string())?;
    if store.life() <= before.life {
        return Err(format!("life {} comes behind {}", store.life(), before.life));
    }
    let found = Model::of(&store, &initial);
    if !steps[before.durable - 1..after.steps].contains(&found) {
        return Err(format!("{found:?} was at no time between {before:?} and {after:?}"));
    }
    check_snapshot(&store)?;
    let names = disk.list(Path::new(DIR)).map_err(|error| error.to_string())?;
    if names.iter().any(|name| name.to_string_lossy().ends_with(".part")) {
        return Err(format!("parts are left: {names:?}"));
    }
    // It goes on from there, and what was lost stays lost.
    let (index, term) = (found.last().0.next(), Term(found.last().1.0 + 1));
    let entry = Entry { index, term, payload: Payload::Noop };
    let mut expected = found;
    expected.entries.push(entry.clone());
    let written = store.write(&Persist::of(None, None, vec![entry])).map_err(|error| error.to_string())?;
    written.wait().map_err(|error| error.to_string())?;
    store.garbage().collect().map_err(|error| error.to_string())?;
    drop(store);
    let (store, initial) = open(disk, Start::Open).map_err(|error| format!("again: {error}"))?;
    let again = Model::of(&store, &initial);
    check_snapshot(&store)?;
    if again == expected { Ok(()) } else { Err(format!("{again:?} after reopening, and {expected:?} before")) }
}

fn explore(explorer: &mut Explorer, seed: u64, calls: usize) {
    let disk = FaultyVfs::new(seed);
    let mut life = Life::begin(Arc::new(disk.clone()), seed);
    disk.record();
    let mut marks = vec![At { durable: 1, steps: 1, life: life.store.life() }];
    for _ in 0..calls {
        life.step();
        disk.mark(marks.len() as u64);
        marks.push(At { durable: life.durable, steps: life.steps.len(), life: life.store.life() });
    }
    let (recording, life) = (disk.recorded(), RefCell::new(life));
    let explored = explorer.explore(&recording, &mut |crash| check(crash, &life.borrow().steps, &marks));
    explored.unwrap_or_else(|failure| panic!("life {seed} of {calls} calls: {failure}"));
}

#[test]
fn no_crash_loses_what_was_promised() {
    let mut explorer = Explorer::new(1).per_point(12);
    for seed in 0.. {
        explore(&mut explorer, seed, 60);
        if explorer.report().distinct >= 1500 {
            break;
        }
    }
    println!("{}", explorer.report());
}

#[test]
#[ignore = "takes minutes: 20,000 disks, for .ci/long"]
fn no_crash_out_of_twenty_thousand_loses_what_was_promised() {
    let mut explorer = Explorer::new(2).per_point(200).tears(2);
    for seed in 100.. {
        explore(&mut explorer, seed, 200);
        if explorer.report().distinct >= 20_000 {
            break;
        }
    }
    println!("{}", explorer.report());
}

#[test]
fn a_crash_in_a_nodes_first_moments_leaves_a_node_or_none() {
    let disk = FaultyVfs::new(1);
    disk.record();
    let (store, initial) = open(Arc::new(disk.clone()), Start::Create(members(3))).unwrap();
    let whole = Model::of(&store, &initial);
    disk.mark(1);
    let recording = disk.recorded();
    let mut explorer = Explorer::new(1);
    let explored = explorer.explore(&recording, &mut |crash| {
        let disk = Arc::new(crash.disk.clone());
        let found = match open(disk.clone(), Start::Open) {
            Ok((store, initial)) => Some(Model::of(&store, &initial)),
            Err(Error::NoNode { .. }) if crash.mark == 0 => None,
            Err(error) => return Err(error.to_string()),
        };
        if found.as_ref().is_some_and(|found| *found != whole) {
            return Err(format!("{found:?}"));
        }
        // The first start is simply made again.
        let (store, initial) = open(disk, Start::OpenOrCreate(members(3))).map_err(|error| error.to_string())?;
        if Model::of(&store, &initial) == whole { Ok(()) } else { Err("another node".into()) }
    });
    explored.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(explorer.report().distinct > 10, "{}", explorer.report());
    let identity = disk.exists(&Path::new(DIR).join("identity")).unwrap();
    assert!(identity);
}
