//! Bits that rot, parts that are gone, and calls that fail.

use std::path::Path;
use std::sync::Arc;

use xs_os::Rng;
use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};
use xs_os::vfs::{MemoryVfs, Open, Vfs};

use super::life::{DIR, Life, Model, check_snapshot, members, open};
use crate::raft::{ClusterId, Entry, Index, LogView, Lookup, NodeId, Payload, Persist, SnapshotMeta, Term};
use crate::raft_store::{Error, RaftStore, Start, StoreOptions};

/// A store that was closed in order, on a disk that can rot, and what it was.
fn closed(seed: u64) -> (FaultyVfs, Model) {
    let disk = FaultyVfs::new(seed);
    let mut life = Life::begin(Arc::new(disk.clone()), seed);
    while life.steps.len() < 60 || life.now().before.0 == Index(0) {
        life.step();
    }
    life.reopen();
    let model = life.now().clone();
    drop(life);
    (disk, model)
}

#[test]
fn a_bit_that_rots_is_refused_or_makes_no_difference() {
    let (mut refused, mut harmless) = (0, 0);
    for seed in 0..12 {
        let (disk, model) = closed(seed);
        let whole = disk.crash(&mut Rng::from_seed(1));
        let files: Vec<_> = whole.files().into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
        let mut rng = Rng::from_seed(seed);
        for _ in 0..60 {
            let rotten = FaultyVfs::over(&whole, 1);
            let (path, bytes) = &files[rng.index(files.len())];
            let (at, bit) = (rng.below((bytes.len() as u64).min(8000)), rng.below(8) as u8);
            rotten.rot(path, at, bit).unwrap();
            let Ok((store, initial)) = open(Arc::new(rotten), Start::Open) else {
                refused += 1;
                continue;
            };
            assert_eq!(Model::of(&store, &initial), model, "{path:?} at {at}, bit {bit}");
            // A snapshot is read, and refused, by whoever wants to send it.
            match check_snapshot(&store) {
                Ok(()) => harmless += 1,
                Err(why) => {
                    assert!(!why.contains("other bytes") && path.to_string_lossy().contains("snapshot"), "{why}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100 && harmless > 50, "{refused} refused, {harmless} harmless");
}

#[test]
fn a_part_of_the_directory_that_is_gone_is_missed() {
    let (disk, _) = closed(3);
    let whole = disk.crash(&mut Rng::from_seed(1));
    let without = |part: &str| {
        let disk = whole.fork();
        for (path, _) in disk.files() {
            if path.strip_prefix(DIR).is_ok_and(|rest| rest.starts_with(part)) {
                disk.remove(&path).unwrap();
            }
        }
        open(Arc::new(disk), Start::OpenOrCreate(members(3))).err()
    };
    let refused = without("identity");
    assert!(matches!(refused, Some(Error::Incomplete { .. })), "{refused:?}");
    let refused = without("log");
    assert!(matches!(refused, Some(Error::Incomplete { .. })), "{refused:?}");
    // Another node's log under this one's name.
    let other = MemoryVfs::new();
    let (options, start) = (StoreOptions::new(ClusterId(1), NodeId(2)), Start::Create(members(3)));
    let opened = RaftStore::open(Arc::new(other.clone()), Path::new(DIR), start, options, &mut Rng::from_seed(9));
    drop(opened.unwrap());
    let mixed = whole.fork();
    for (path, _) in mixed.files() {
        if path.starts_with(Path::new(DIR).join("log")) {
            mixed.remove(&path).unwrap();
        }
    }
    for (path, bytes) in other.files() {
        if path.starts_with(Path::new(DIR).join("log")) {
            mixed.open(&path, Open::Create).unwrap().write_all_at(&bytes, 0).unwrap();
        }
    }
    let refused = open(Arc::new(mixed), Start::Open).err();
    assert!(matches!(refused, Some(Error::Incomplete { .. })), "{refused:?}");
}

#[test]
fn a_read_of_damaged_entries_says_so_and_gives_none() {
    let disk = FaultyVfs::new(1);
    let mut life = Life::begin(Arc::new(disk.clone()), 1);
    let entry = |index| Entry { index: Index(index), term: Term(1), payload: Payload::Command(vec![7; 900].into()) };
    let persist = Persist::of(None, None, (1..=20).map(entry).collect());
    life.store.write(&persist).unwrap().wait().unwrap();
    let logs = disk.list(&Path::new(DIR).join("log")).unwrap();
    let first = logs.iter().find(|name| name.to_string_lossy().ends_with(".log")).unwrap();
    disk.rot(&Path::new(DIR).join("log").join(first), 1500, 1).unwrap();
    let mut found = Vec::new();
    assert_eq!(life.store.entries(Index(1), Index(20), usize::MAX, &mut found), Lookup::NotAtHand);
    assert!(found.is_empty());
    assert!(matches!(life.store.failed(), Some(Error::Storage(error)) if error.is_corrupt()));
}

#[test]
fn whatever_call_fails_what_was_durable_is_there() {
    let operations =
        [Operation::Write, Operation::Sync, Operation::SyncDir, Operation::Rename, Operation::Open, Operation::Remove];
    for operation in operations {
        for after in 0..25 {
            let disk = FaultyVfs::new(after);
            let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
            drop(open(vfs.clone(), Start::Create(members(3))).unwrap());
            disk.fail(Fault::of(operation).after(after));
            let mut durable = 0;
            if let Ok((mut store, _)) = open(vfs.clone(), Start::Open) {
                for index in 1..40 {
                    let payload = Payload::Command(vec![index as u8; 200].into());
                    let entry = Entry { index: Index(index), term: Term(1), payload };
                    let written = store.write(&Persist::of(None, None, vec![entry]));
                    if written.is_err() || written.is_ok_and(|commit| commit.wait().is_err()) {
                        assert!(store.failed().is_some());
                        break;
                    }
                    durable = index;
                    if index % 10 == 0 {
                        let at = Index(index - 2);
                        let made = store.snapshots().begin_own(at, Term(1)).and_then(|mut writer| {
                            writer.write(&super::life::content(at, Term(1)))?;
                            let membership = Arc::new(members(3));
                            writer.finish(SnapshotMeta { index: at, term: Term(1), membership, bytes: 0 })
                        });
                        if let Ok(file) = made {
                            store.keep(file);
                            let _ = store.compact(at, &members(3));
                        }
                        let _ = store.garbage().collect();
                    }
                }
            }
            disk.heal();
            let (store, _) = open(vfs, Start::Open).unwrap();
            assert!(store.bounds().last.0.0 >= durable, "{operation:?} {after}: {durable}");
            check_snapshot(&store).unwrap();
        }
    }
}
