//! Lives on a disk on which nothing fails: the store is what the model and the log in memory are.

use std::sync::Arc;

use xs_os::vfs::MemoryVfs;

use super::life::{Life, Model, check_snapshot};
use crate::raft::{Initial, LogView, MemoryLog};

/// The same entries in a [`MemoryLog`], whose answers the store's must be.
fn in_memory(model: &Model) -> MemoryLog {
    let mut log = MemoryLog::new();
    // The first entry's place decides where it begins; there is no other way to say it.
    let front =
        crate::raft::SnapshotMeta { index: model.before.0, term: model.before.1, membership: Arc::default(), bytes: 0 };
    log.persist(&crate::raft::Persist::of(None, Some(front), model.entries.clone()), bytes::Bytes::new());
    log
}

#[test]
fn a_store_is_what_a_log_in_memory_is() {
    for seed in 0..60 {
        let mut life = Life::begin(Arc::new(MemoryVfs::new()), seed);
        for step in 0..120 {
            life.step();
            if step % 7 != 0 {
                continue;
            }
            let (model, memory) = (life.now().clone(), in_memory(life.now()));
            let initial =
                Initial { hard_state: model.hard_state, membership: model.membership.clone(), ..Initial::default() };
            assert_eq!(Model::of(&life.store, &initial), model, "seed {seed}, step {step}");
            assert_eq!(life.store.bounds(), memory.bounds());
            check_snapshot(&life.store).unwrap();
            let (before, last) = (memory.bounds().before.0, memory.bounds().last.0);
            for index in before.before().0..=last.0 + 1 {
                let index = crate::raft::Index(index);
                let inside = index >= before && index <= last;
                if inside {
                    assert_eq!(life.store.term(index), memory.term(index));
                }
                for max in [0, 70, 2000] {
                    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                    let found = life.store.entries(index, last, max, &mut ours);
                    assert_eq!(found, memory.entries(index, last, max, &mut theirs), "{index} of {before} to {last}");
                    assert_eq!(ours, theirs);
                }
            }
            assert!(life.store.failed().is_none());
        }
        life.reopen();
    }
}

#[test]
fn what_was_let_go_of_gives_its_space_back() {
    let disk = MemoryVfs::new();
    let mut life = Life::begin(Arc::new(disk.clone()), 1);
    let mut most = 0;
    for _ in 0..4000 {
        life.step();
        let bytes: u64 = disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum();
        most = most.max(bytes);
    }
    // The longest log between two fronts, a few snapshots of 90 KB, spare segments.
    assert!(most < 1 << 20, "{most}");
}
