//! What is taken in, and what it shares with its maker.

use std::sync::{Mutex, OnceLock};

use xs_os::SteppedJobs;
use xs_os::vfs::faulty::FaultyVfs;
use xs_os::vfs::{MemoryVfs, Open, Vfs, VfsExt};

use super::super::compaction::Leveled;
use super::*;
use crate::Error;
use crate::engine::EngineExt;

fn options(vfs: &MemoryVfs) -> Options {
    Options { vfs: Arc::new(vfs.clone()), ..Options::default() }
}

/// A table of a hundred keys from a number on.
fn build(path: &Path, from: u32, options: &Options) {
    let mut builder = TableBuilder::new(path, options).unwrap();
    (from..from + 100).for_each(|n| builder.put(&n.to_be_bytes(), b"value").unwrap());
    builder.finish().unwrap();
}

/// "The given names stay the caller's", and "an old one of the name is replaced": so a name may be used for one table
/// after the other.
#[test]
fn a_name_can_be_built_under_again_after_an_ingest() {
    let vfs = MemoryVfs::new();
    let options = options(&vfs);
    let store = Lsm::open(Path::new("db"), options.clone()).unwrap();
    let incoming = Path::new("incoming.table");
    for round in 0..2 {
        build(incoming, round * 1000, &options);
        store.ingest(&[incoming]).unwrap();
    }
    assert_eq!(store.get(&7_u32.to_be_bytes()).unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(store.get(&1007_u32.to_be_bytes()).unwrap().as_deref(), Some(&b"value"[..]));
    store.check().unwrap();
}

#[test]
fn a_table_that_is_given_up_leaves_the_one_of_its_name() {
    let vfs = MemoryVfs::new();
    let options = options(&vfs);
    let incoming = Path::new("incoming.table");
    build(incoming, 0, &options);
    let before = vfs.files();
    let mut builder = TableBuilder::new(incoming, &options).unwrap();
    builder.put(b"key", b"value").unwrap();
    drop(builder);
    assert!(TableBuilder::new(incoming, &options).unwrap().finish().is_err(), "no entry");
    assert!(vfs.files() == before);
}

/// A table that a tree wrote for itself has numbers of its own, which an ingested one must not have.
#[test]
fn a_table_of_another_tree_is_refused() {
    let vfs = MemoryVfs::new();
    let options = options(&vfs);
    let other = Lsm::open(Path::new("other"), options.clone()).unwrap();
    // As long as somebody reads at an earlier one, tables keep the numbers of their entries.
    let _held = other.snapshot().unwrap();
    for n in 0..100_u32 {
        other.put(&n.to_be_bytes(), b"value").unwrap();
    }
    other.flush().unwrap();
    let is_table = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".table");
    let name = vfs.list(Path::new("other")).unwrap().into_iter().find(is_table).unwrap();

    let store = Lsm::open(Path::new("db"), options.clone()).unwrap();
    let before = vfs.files();
    build(Path::new("incoming.table"), 0, &options);
    let own = Path::new("other").join(name);
    let refused = store.ingest(&[Path::new("incoming.table"), &own]);
    assert!(matches!(refused, Err(Error::NotOurs { path, .. }) if path == own));
    vfs.remove(Path::new("incoming.table")).unwrap();
    assert!(vfs.files() == before, "nothing is left of either");
    assert_eq!(store.get(&7_u32.to_be_bytes()).unwrap(), None);
}

/// What was built need not have been synced by whoever brought it here: a copy, say.
#[test]
fn what_was_taken_in_survives_a_crash_though_nobody_had_synced_it() {
    let disk = FaultyVfs::new(1);
    let options = Options { vfs: Arc::new(disk.clone()), ..Options::tiny() };
    build(Path::new("incoming.table"), 0, &options);
    let bytes = disk.read(Path::new("incoming.table"), 1 << 20).unwrap();
    disk.open(Path::new("brought"), Open::New).unwrap().write_all_at(&bytes, 0).unwrap();
    let store = Lsm::open(Path::new("db"), options.clone()).unwrap();
    store.ingest(&[Path::new("brought")]).unwrap();
    let after = Options { vfs: Arc::new(disk.durable()), ..options };
    let after = Lsm::open(Path::new("db"), after).unwrap();
    assert_eq!(after.get(&7_u32.to_be_bytes()).unwrap().as_deref(), Some(&b"value"[..]));
    after.check().unwrap();
}

/// Between the moment at which ingested tables stand in the version and the one at which readers may see them, a
/// compaction may begin, and find no reader for what they hide; then somebody takes a snapshot.
#[test]
fn a_snapshot_taken_during_an_ingest_stays() {
    let (vfs, jobs) = (Arc::new(MemoryVfs::new()), Arc::new(SteppedJobs::new()));
    let held: Arc<Mutex<Option<Arc<dyn ReadView>>>> = Arc::default();
    let tree: Arc<OnceLock<Lsm>> = Arc::default();
    let events = {
        let (held, jobs, tree) = (held.clone(), jobs.clone(), tree.clone());
        move |event: &Event| {
            // Told when the tables are in the version. A compaction of 3 MiB takes more than these few steps.
            if matches!(event, Event::Slowed { .. }) && held.lock().unwrap().is_none() {
                jobs.run_until_idle(4);
                *held.lock().unwrap() = Some(tree.get().unwrap().snapshot().unwrap());
            }
        }
    };
    let policy = Policy::Leveled(Leveled { tables: 3, slow: 3, stop: 5, top_percent: 0, ..Default::default() });
    let options = Options { vfs, jobs: jobs.clone(), policy, events: Some(Arc::new(events)), ..Default::default() };
    let store = tree.get_or_init(|| Lsm::open(Path::new("db"), options.clone()).unwrap());
    let key = |n: u32| n.to_be_bytes();
    for _ in 0..2 {
        let mut batch = WriteBatch::new();
        (0..2000).for_each(|n| _ = batch.put(&key(n), &[b'o'; 500]));
        store.submit(batch, Durability::Buffered).unwrap().wait().unwrap();
        store.flush().unwrap();
    }
    let incoming = Path::new("incoming.table");
    let mut builder = TableBuilder::new(incoming, &options).unwrap();
    (0..2000).for_each(|n| builder.put(&key(n), &[b'n'; 500]).unwrap());
    builder.finish().unwrap();
    store.ingest(&[incoming]).unwrap();

    let snapshot = held.lock().unwrap().take().expect("the tree told that it is slowed down");
    assert_eq!(snapshot.get(&key(7)).unwrap().as_deref(), Some(&[b'o'; 500][..]));
    jobs.run_until_idle(10_000);
    assert_eq!(snapshot.get(&key(7)).unwrap().as_deref(), Some(&[b'o'; 500][..]), "a view never changes");
}

/// Tables that are in nobody's way go below level 0, where dozens of them would stop writers.
#[test]
fn tables_that_are_apart_hold_nobody_up() {
    let vfs = MemoryVfs::new();
    let options = options(&vfs);
    let store = Lsm::open(Path::new("db"), options.clone()).unwrap();
    let incoming = Path::new("incoming.table");
    for round in 0..40 {
        build(incoming, round * 100, &options);
        store.ingest(&[incoming]).unwrap();
    }
    let level = |number: usize| store.shape().levels[number].len();
    assert_eq!((level(0), level(1)), (0, 40));
    // Over others, and over a memtable, they stay above.
    build(incoming, 50, &options);
    store.ingest(&[incoming, incoming]).unwrap();
    assert_eq!((level(0), level(1)), (2, 40));
    store.put(&8000_u32.to_be_bytes(), b"").unwrap();
    build(incoming, 7950, &options);
    store.ingest(&[incoming]).unwrap();
    assert_eq!(store.get(&8000_u32.to_be_bytes()).unwrap().as_deref(), Some(&b"value"[..]));
    store.check().unwrap();
}

/// Each is one more place to look for every reader. So at the limit they wait for merges as writers do, where they wait
/// at all: an ingest that nobody holds up would let tables grow without a bound, and put the cost on writers alone.
#[test]
fn tables_that_overlap_wait_for_merges() {
    let vfs = MemoryVfs::new();
    let machine = Machine::stepped(Arc::new(vfs));
    let options = on(&machine, Options::default());
    let Policy::Leveled(policy) = &options.policy else { panic!("the default is leveled") };
    let store = Lsm::open(Path::new("db"), options.clone()).unwrap();
    let incoming = Path::new("incoming.table");
    for round in 0..3 * policy.stop as u32 {
        build(incoming, round, &options);
        store.ingest(&[incoming]).unwrap();
        assert!(store.shape().levels[0].len() <= policy.stop);
    }
    let stalls = store.stats().details.iter().find(|(name, _)| *name == "writes held up").unwrap().1;
    assert!(stalls > 0, "nobody stepped the merges");
    store.check().unwrap();
}

/// A merge of what lies left and right of a gap becomes one table over the gap. So as long as the merge is under way, an
/// ingested table that fits into the gap must not go where the outcome will go.
#[test]
fn a_gap_that_a_merge_is_about_to_close_is_no_place() {
    let vfs = MemoryVfs::new();
    let machine = Machine::stepped(Arc::new(vfs));
    let begun: Arc<Mutex<Vec<Event>>> = Arc::default();
    let theirs = begun.clone();
    let events = move |event: &Event| {
        if matches!(event, Event::CompactionBegun { .. } | Event::CompactionEnded { .. }) {
            theirs.lock().unwrap().push(event.clone());
        }
    };
    let policy = Policy::Leveled(Leveled { tables: 3, slow: 3, stop: 5, top_percent: 0, ..Default::default() });
    let options = on(&machine, Options { policy, events: Some(Arc::new(events)), ..Options::default() });
    let store = Lsm::open(Path::new("db"), options.clone()).unwrap();
    let write = |keys: std::ops::Range<u32>| {
        let mut batch = WriteBatch::new();
        keys.for_each(|n| _ = batch.put(&n.to_be_bytes(), &[b'o'; 4000]));
        store.submit(batch, Durability::Buffered).unwrap().wait().unwrap();
        store.flush().unwrap();
    };
    let incoming = Path::new("incoming.table");
    let levels = || store.levels().map(|level| level.tables as usize);
    write(0..100);
    write(900..1000);
    // Nothing is under way: the gap is a place.
    build(incoming, 300, &options);
    store.ingest(&[incoming]).unwrap();
    assert_eq!(levels()[..2], [2, 1]);
    write(50..150);
    while begun.lock().unwrap().is_empty() {
        assert!(machine.step(), "three tables of level 0 are to be merged");
    }
    assert!(matches!(begun.lock().unwrap()[..], [Event::CompactionBegun { tables: 4, level: 1, .. }]));
    build(incoming, 500, &options);
    store.ingest(&[incoming]).unwrap();
    assert_eq!(levels()[..2], [4, 1], "the merge goes on, and what came stands above it");
    machine.run_until_idle(10_000);
    assert!(matches!(begun.lock().unwrap()[1..], [Event::CompactionEnded { level: 1, .. }, ..]));
    store.check().unwrap();
    let values = [(7_u32, 4000), (70, 4000), (350, 5), (550, 5), (950, 4000)];
    for (key, len) in values {
        assert_eq!(store.get(&key.to_be_bytes()).unwrap().map(|value| value.len()), Some(len), "{key}");
    }
}

/// Wherever they are put, and whatever merge is under way then.
#[test]
fn what_is_ingested_between_writes_and_merges_counts_as_written_then() {
    for seed in 1..4_u64 {
        let vfs = MemoryVfs::new();
        let machine = Machine::stepped(Arc::new(vfs));
        let options = on(&machine, Options::tiny());
        let store = Lsm::open(Path::new("db"), options.clone()).unwrap();
        let mut model = std::collections::BTreeMap::new();
        let mut state = seed;
        let mut chance = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32 % below
        };
        let incoming = Path::new("incoming.table");
        for round in 0..400_u32 {
            let (from, value) = (chance(4000), vec![round as u8; 40]);
            match chance(8) {
                0..3 => {
                    let len = 1 + chance(60);
                    let mut builder = TableBuilder::new(incoming, &options).unwrap();
                    for n in from..from + len {
                        builder.put(&n.to_be_bytes(), &value).unwrap();
                        model.insert(n.to_be_bytes().to_vec(), value.clone());
                    }
                    builder.finish().unwrap();
                    store.ingest(&[incoming]).unwrap();
                }
                3 => {
                    let (start, end) = (from.to_be_bytes(), (from + chance(300)).to_be_bytes());
                    let mut batch = WriteBatch::new();
                    batch.delete_range(&start, &end);
                    store.submit(batch, Durability::Buffered).unwrap().wait().unwrap();
                    model.retain(|key, _| key[..] < start[..] || key[..] >= end[..]);
                }
                _ => {
                    for n in 0..30 {
                        let key = (from + n * 37).to_be_bytes();
                        store.put(&key, &value).unwrap();
                        model.insert(key.to_vec(), value.clone());
                    }
                }
            }
            (0..chance(4)).for_each(|_| _ = machine.step());
            if round % 50 == 49 {
                store.check().unwrap();
                let mut cursor = store.cursor(KeyRange::all()).unwrap();
                for (key, value) in &model {
                    assert!(cursor.next().unwrap(), "seed {seed}, round {round}");
                    assert_eq!((cursor.key(), cursor.value().unwrap()), (&key[..], &value[..]), "seed {seed}");
                }
                assert!(!cursor.next().unwrap());
            }
        }
    }
}
