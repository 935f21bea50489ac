//! What a tree does beyond the contract of engines.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use xs_os::SteppedJobs;
use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};
use xs_os::vfs::{MemoryVfs, Vfs};

use super::super::compaction::{Fifo, Leveled};
use super::*;
use crate::engine::EngineExt;

fn key(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

fn all(view: &dyn ReadView) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cursor = view.cursor(KeyRange::all()).unwrap();
    let mut entries = Vec::new();
    while cursor.next().unwrap() {
        entries.push((cursor.key().to_vec(), cursor.value().unwrap().to_vec()));
    }
    entries
}

fn stepped(options: Options) -> (Lsm, Machine, MemoryVfs) {
    let vfs = MemoryVfs::new();
    let machine = Machine::stepped(Arc::new(vfs.clone()));
    (Lsm::open(Path::new("db"), on(&machine, options)).unwrap(), machine, vfs)
}

#[test]
fn the_same_calls_leave_the_same_bytes() {
    let run = || {
        let (store, machine, vfs) = stepped(Options { separate_bytes: 100, ..Options::tiny() });
        for n in 0..3_000_u32 {
            store.put(&key(n * 7919 % 1000), &vec![n as u8; n as usize % 150]).unwrap();
            if n % 5 == 0 {
                machine.step();
            }
        }
        drop(store);
        vfs.files()
    };
    assert!(run() == run());
}

#[test]
fn a_key_with_a_thousand_versions_is_passed_both_ways_by_every_snapshot() {
    let (store, machine, _) = stepped(Options { memtable_bytes: 64 << 10, ..Options::tiny() });
    let mut snapshots = Vec::new();
    for n in 0..1000_u32 {
        let mut batch = WriteBatch::new();
        match n % 300 {
            299 => batch.delete(b"hot"),
            _ => batch.put(b"hot", &n.to_be_bytes()),
        };
        if n % 10 == 0 {
            batch.put(format!("cold {n:04}").as_bytes(), b"").put(format!("i{n:04}").as_bytes(), b"");
        }
        store.submit(batch, Durability::Buffered).unwrap().wait().unwrap();
        if n % 77 == 0 || n % 300 == 299 {
            snapshots.push((n, store.snapshot().unwrap()));
        }
        if n == 700 {
            machine.step();
        }
    }
    for (n, snapshot) in snapshots {
        let forwards = all(&*snapshot);
        let hot: Vec<_> = forwards.iter().filter(|(key, _)| key == b"hot").map(|(_, value)| &value[..]).collect();
        let written = n.to_be_bytes();
        let expected: &[&[u8]] = if n % 300 == 299 { &[] } else { &[&written] };
        assert_eq!(hot, expected, "at {n}");
        assert_eq!(forwards.len(), 2 * (n as usize / 10 + 1) + hot.len());
        let mut cursor = snapshot.cursor(KeyRange::all()).unwrap();
        cursor.seek_end().unwrap();
        for (key, value) in forwards.iter().rev() {
            assert!(cursor.prev().unwrap());
            assert_eq!((cursor.key(), cursor.value().unwrap()), (&key[..], &value[..]), "backwards at {n}");
        }
        assert!(!cursor.prev().unwrap());
    }
}

#[test]
fn a_checkpoint_is_a_store_of_its_own() {
    let (store, machine, _) = stepped(Options { separate_bytes: 100, ..Options::tiny() });
    for n in 0..500 {
        store.put(&key(n), &vec![1; n as usize % 200]).unwrap();
    }
    let before = all(&store);
    store.checkpoint(Path::new("copy")).unwrap();
    assert!(store.checkpoint(Path::new("copy")).is_err());
    let mut batch = WriteBatch::new();
    batch.delete_range(b"", &[255; 8]);
    store.submit(batch, Durability::Synced).unwrap().wait().unwrap();
    store.compact_fully().unwrap();
    assert!(all(&store).is_empty());
    let copy = Lsm::open(Path::new("copy"), on(&machine, Options::tiny())).unwrap();
    assert_eq!(all(&copy), before);
    copy.check().unwrap();
    copy.put(b"more", b"").unwrap();
    assert!(all(&store).is_empty());
}

#[test]
fn what_is_ingested_is_newer_than_what_was_there() {
    let (store, machine, vfs) = stepped(Options::tiny());
    for n in 0..100 {
        store.put(&key(n), b"old").unwrap();
    }
    let snapshot = store.snapshot().unwrap();
    let options = on(&machine, Options::tiny());
    for (name, from, value) in [("one", 50, b"one"), ("two", 80, b"two")] {
        let mut table = TableBuilder::new(Path::new(name), &options).unwrap();
        (from..from + 50).for_each(|n| table.put(&key(n), value).unwrap());
        assert!(table.put(&key(from), value).is_err());
        table.finish().unwrap();
    }
    store.ingest(&[Path::new("one"), Path::new("two")]).unwrap();
    store.put(&key(129), b"new").unwrap();
    let look = |store: &Lsm| {
        for (n, expected) in [(49, b"old"), (50, b"one"), (79, b"one"), (80, b"two"), (128, b"two"), (129, b"new")] {
            assert_eq!(store.get(&key(n)).unwrap().as_deref(), Some(&expected[..]), "{n}");
        }
        assert_eq!(all(store).len(), 130);
        store.check().unwrap();
    };
    look(&store);
    assert!(all(&*snapshot).iter().all(|(_, value)| value == b"old"));
    store.compact_fully().unwrap();
    look(&store);
    assert_eq!(all(&*snapshot).len(), 100);
    drop((store, snapshot));
    look(&Lsm::open(Path::new("db"), on(&Machine::stepped(Arc::new(vfs.clone())), Options::tiny())).unwrap());
    vfs.put(Path::new("junk"), Arc::new(vec![1; 100])).unwrap();
    let (store, ..) = stepped(Options::tiny());
    assert!(store.ingest(&[Path::new("missing")]).is_err());
    store.put(b"still", b"writes").unwrap();
}

#[test]
fn files_of_values_are_emptied_and_go() {
    let (store, machine, _) = stepped(Options { separate_bytes: 64, ..Options::tiny() });
    for round in 0..20_u8 {
        for n in 0..60 {
            store.put(&key(n), &[round; 300]).unwrap();
        }
        machine.run_until_idle(100_000);
        store.check().unwrap();
    }
    store.flush().unwrap();
    machine.run_until_idle(100_000);
    let stats = store.stats();
    let live = 60 * 304;
    let blobs: u64 = store.shape().blobs.iter().map(|blob| blob.bytes).sum();
    assert!(blobs > 0 && blobs < 6 * live, "{blobs} bytes of values, of which {live} are live: {stats:?}");
    assert!(all(&store).iter().all(|(_, value)| *value == [19; 300]));
}

#[test]
fn space_comes_back_after_deletes() {
    let (store, machine, _) = stepped(Options::tiny());
    for n in 0..3_000 {
        store.put(&key(n), &[1; 50]).unwrap();
    }
    let mut batch = WriteBatch::new();
    batch.delete_range(&key(10), &key(2_990));
    store.submit(batch, Durability::Synced).unwrap().wait().unwrap();
    store.flush().unwrap();
    machine.run_until_idle(100_000);
    store.compact_fully().unwrap();
    assert_eq!(all(&store).len(), 20);
    let tables = store.shape().total_bytes();
    assert!(tables < 4_000, "{tables} bytes for twenty entries");
}

#[test]
fn cursors_jump_over_deleted_ranges() {
    let (store, machine, _) = stepped(Options { memtable_bytes: 64 << 10, memory: 1 << 20, ..Options::tiny() });
    for n in 0..10_000 {
        store.put(&key(n), &[1; 20]).unwrap();
    }
    machine.run_until_idle(100_000);
    let read = |name| store.stats().details.iter().find(|(known, _)| *known == name).unwrap().1;
    let mut batch = WriteBatch::new();
    batch.delete_range(&key(5), &key(9_995));
    store.submit(batch, Durability::Synced).unwrap().wait().unwrap();
    let before = read("blocks read");
    assert_eq!(all(&store).len(), 10);
    let mut cursor = store.cursor(KeyRange::all()).unwrap();
    cursor.seek_end().unwrap();
    let mut count = 0;
    while cursor.prev().unwrap() {
        count += 1;
    }
    assert_eq!(count, 10);
    let blocks = read("blocks read") - before;
    assert!(blocks < 60, "{blocks} blocks were read for twenty entries");
}

#[test]
fn a_queue_forgets_by_age_and_by_size() {
    let fifo = Fifo { max_bytes: 20_000, max_age: Some(Duration::from_secs(60)) };
    let (store, machine, _) = stepped(Options { policy: Policy::Fifo(fifo), ..Options::tiny() });
    for n in 0..2_000 {
        store.put(&key(n), &[1; 50]).unwrap();
        machine.step();
    }
    store.flush().unwrap();
    machine.run_until_idle(1_000);
    let bytes = store.shape().total_bytes();
    assert!(bytes <= 20_000, "{bytes}");
    assert!(store.get(&key(1_999)).unwrap().is_some() && store.get(&key(0)).unwrap().is_none());
    machine.advance(Duration::from_secs(61));
    machine.run_until_idle(1_000);
    assert!(all(&store).is_empty());
}

#[test]
fn memory_stays_within_the_budget() {
    let options = Options { memory: 512 << 10, memtable_bytes: 64 << 10, ..Options::tiny() };
    let (store, machine, _) = stepped(options);
    let mut most = 0;
    for n in 0..20_000_u32 {
        store.put(&key(n.wrapping_mul(0x9E37_79B1)), &[1; 50]).unwrap();
        if n % 64 == 0 {
            machine.step();
            store.get(&key(n.wrapping_mul(0x85EB_CA6B))).unwrap();
            let mut cursor = store.cursor(KeyRange::all()).unwrap();
            (0..20).for_each(|_| assert!(cursor.next().unwrap() || n < 100));
            drop(cursor);
            most = most.max(store.stats().memory_bytes());
        }
    }
    let _ = all(&store);
    most = most.max(store.stats().memory_bytes());
    assert!(most <= 512 << 10, "{most}: {:?}", store.stats().memory);
}

#[test]
fn a_stalled_writer_does_the_work_that_nobody_steps() {
    let policy =
        Policy::Leveled(Leveled { tables: 2, slow: 2, stop: 4, base_bytes: 16 << 10, factor: 4, top_percent: 0 });
    let (store, _, _) = stepped(Options { policy, ..Options::tiny() });
    for n in 0..20_000_u32 {
        store.put(&key(n.wrapping_mul(0x9E37_79B1)), &[1; 30]).unwrap();
    }
    assert!(store.shape().levels[0].len() <= 5);
    assert_eq!(all(&store).len(), 20_000);
    store.check().unwrap();
}

#[test]
fn events_tell_of_flushes_and_compactions() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let theirs = seen.clone();
    let events: Arc<dyn Fn(&Event) + Send + Sync> = Arc::new(move |event| theirs.lock().push(event.clone()));
    let (store, machine, _) = stepped(Options { events: Some(events), ..Options::tiny() });
    for n in 0..3_000_u32 {
        store.put(&key(n.wrapping_mul(0x9E37_79B1)), &[1; 30]).unwrap();
    }
    machine.run_until_idle(100_000);
    let seen = seen.lock();
    let count = |is: fn(&Event) -> bool| seen.iter().filter(|event| is(event)).count();
    assert!(count(|event| matches!(event, Event::FlushEnded { .. })) > 2);
    let begun = count(|event| matches!(event, Event::CompactionBegun { .. }));
    assert!(begun > 0 && begun == count(|event| matches!(event, Event::CompactionEnded { .. })));
}

#[test]
#[allow(clippy::disallowed_methods)] // threads are what is tested
fn threads_write_and_read_while_tables_come_and_go() {
    let vfs = MemoryVfs::new();
    let store = Lsm::open(Path::new("db"), on(&Machine::threaded(Arc::new(vfs)), Options::tiny())).unwrap();
    let writers: Vec<_> = (0..3_u32)
        .map(|writer| {
            let store = store.clone();
            std::thread::spawn(move || {
                for n in 0..3_000_u32 {
                    let mut batch = WriteBatch::new();
                    let key = key(n.wrapping_mul(0x9E37_79B1));
                    // Two keys that always say the same.
                    batch.put(&[&b"a"[..], &key, &[writer as u8]].concat(), &n.to_be_bytes());
                    batch.put(&[&b"b"[..], &key, &[writer as u8]].concat(), &n.to_be_bytes());
                    drop(store.submit(batch, Durability::Buffered).unwrap());
                    if n % 100 == 0 {
                        let view = store.snapshot().unwrap();
                        let count = |prefix: &[u8]| {
                            let mut cursor = view.cursor(KeyRange::prefix(prefix)).unwrap();
                            let mut count = 0;
                            while cursor.next().unwrap() {
                                count += 1;
                            }
                            count
                        };
                        assert_eq!(count(b"a"), count(b"b"));
                    }
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(all(&store).len(), 18_000);
    store.flush().unwrap();
    store.compact().unwrap();
    store.check().unwrap();
    assert_eq!(all(&store).len(), 18_000);
}

#[test]
fn a_flush_ends_while_others_go_on_writing() {
    const MOST: u32 = 3;
    let (begun, writer) = (Arc::new(AtomicU32::new(0)), Arc::new(OnceLock::<Weak<Lsm>>::new()));
    let events = {
        let (begun, writer) = (begun.clone(), writer.clone());
        Arc::new(move |event: &Event| {
            // Whenever a memtable begins to be flushed, another is filled.
            if let (Event::FlushBegun { .. }, Some(store)) = (event, writer.get().and_then(Weak::upgrade)) {
                let nth = begun.fetch_add(1, Relaxed);
                let writes = if nth < MOST { 100 } else { 0 };
                (0..writes).for_each(|n| store.put(&key(nth << 10 | n), &[7; 100]).unwrap());
            }
        })
    };
    let (store, _machine, _) = stepped(Options { memory: 4 << 20, events: Some(events), ..Options::tiny() });
    let store = Arc::new(store);
    writer.set(Arc::downgrade(&store)).unwrap();
    store.put(b"a", b"b").unwrap();
    store.flush().unwrap();
    assert_eq!(begun.load(Relaxed), 1);
}

#[test]
fn an_ingest_ends_while_others_go_on_writing() {
    let vfs = Arc::new(MemoryVfs::new());
    let flushes = Arc::new(AtomicU32::new(0));
    let counted = flushes.clone();
    let events: Arc<dyn Fn(&Event) + Send + Sync> = Arc::new(move |event| {
        if let Event::FlushBegun { .. } = event {
            counted.fetch_add(1, Relaxed);
        }
    });
    // So much memory that nothing is flushed unless an ingest asks for it.
    let options = Options { vfs: vfs.clone(), events: Some(events), ..Options::default() };
    let store = Lsm::open(Path::new("db"), options.clone()).unwrap();
    let done = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for thread in 0..2_u32 {
            let (store, done, flushes) = (&store, &done, &flushes);
            scope.spawn(move || {
                let mut n = 0_u32;
                // An ingest that waits for a pause would flush for ever; then there is one.
                while done.load(Relaxed) == 0 && flushes.load(Relaxed) < 100 {
                    let mut batch = WriteBatch::new();
                    batch.put(&[&[thread as u8][..], &key(n % 1000)].concat(), &key(n));
                    drop(store.submit(batch, Durability::Buffered).unwrap());
                    n += 1;
                }
            });
        }
        for round in 0..10_u8 {
            let path = format!("ingested-{round}");
            let mut builder = TableBuilder::new(Path::new(&path), &options).unwrap();
            builder.put(b"ingested", &[round]).unwrap();
            builder.finish().unwrap();
            store.ingest(&[Path::new(&path)]).unwrap();
            assert_eq!(store.get(b"ingested").unwrap().as_deref(), Some(&[round][..]));
        }
        done.store(1, Relaxed);
    });
    // What was there, and what came while that was flushed.
    assert!(flushes.load(Relaxed) <= 20, "{} flushes for ten ingests", flushes.load(Relaxed));
    store.check().unwrap();
}

/// "What was deleted is skipped and not walked through": the range goes into a memtable of its own for that, and may
/// be all that is in it.
#[test]
fn a_deleted_range_alone_in_its_memtable_is_skipped() {
    let options = Options {
        vfs: Arc::new(MemoryVfs::new()),
        jobs: Arc::new(SteppedJobs::new()),
        memory: 256 << 20,
        memtable_bytes: 64 << 20,
        ..Default::default()
    };
    let store = Lsm::open(Path::new("db"), options).unwrap();
    let mut batch = WriteBatch::new();
    (0..200_000_u32).for_each(|n| _ = batch.put(&n.to_be_bytes(), b"value"));
    batch.put(b"\xff", b"the last");
    store.submit(batch, Durability::Buffered).unwrap().wait().unwrap();
    let mut batch = WriteBatch::new();
    batch.delete_range(b"", b"\xfe");
    store.submit(batch, Durability::Buffered).unwrap().wait().unwrap();
    #[allow(clippy::disallowed_methods)]
    let first = || {
        let began = std::time::Instant::now();
        let mut cursor = store.cursor(KeyRange::all()).unwrap();
        assert!(cursor.next().unwrap() && cursor.key() == b"\xff");
        began.elapsed()
    };
    let alone = (0..3).map(|_| first()).min().unwrap();
    store.put(b"\xff\xff", b"").unwrap();
    let beside = (0..3).map(|_| first()).min().unwrap();
    assert!(alone < beside * 50, "{alone:?}, and {beside:?} as soon as the memtable holds one entry");
}

#[test]
fn a_tree_that_must_exist_is_not_made() {
    let machine = Machine::stepped(Arc::new(MemoryVfs::new()));
    let open = |must_exist| Lsm::open(Path::new("db"), on(&machine, Options { must_exist, ..Options::tiny() }));
    assert!(matches!(open(true), Err(crate::Error::Io { .. })));
    assert!(machine.vfs.list(Path::new("db")).is_err(), "nor its directory");
    drop(open(false).unwrap());
    open(true).unwrap();
}

#[test]
fn a_checkpoint_that_failed_can_be_made_again() {
    let disk = FaultyVfs::new(1);
    let machine = Machine::stepped(Arc::new(disk.clone()));
    let store = Lsm::open(Path::new("db"), on(&machine, Options { separate_bytes: 100, ..Options::tiny() })).unwrap();
    (0..500).for_each(|n| store.put(&key(n), &vec![1; n as usize % 200]).unwrap());
    store.flush().unwrap();
    let copy = Path::new("copy");
    let faults = [Operation::HardLink, Operation::Sync, Operation::Rename, Operation::SyncDir];
    for fault in faults.map(|operation| Fault::of(operation).within("copy")) {
        disk.fail(fault);
        assert!(store.checkpoint(copy).is_err());
        disk.heal();
        assert!(disk.list(copy).unwrap().is_empty());
    }
    disk.fail(Fault::of(Operation::HardLink).within("copy").after(1));
    assert!(store.checkpoint(copy).is_err());
    disk.heal();
    store.checkpoint(copy).unwrap();
    let copy = Lsm::open(copy, on(&machine, Options::tiny())).unwrap();
    assert_eq!(all(&copy), all(&store));
    copy.check().unwrap();
}

#[test]
fn a_check_notices_that_an_older_entry_hides_a_newer_one() {
    let (store, ..) = stepped(Options::default());
    for value in [b"old", b"new"] {
        store.put(b"key", value).unwrap();
        store.flush().unwrap();
    }
    let mut version = (*store.core.state.load().version).clone();
    assert_eq!(version.levels[0].len(), 2);
    store.core.check_order(&version, &mut |_| {}).unwrap();
    let reversed = version.levels[0].iter().rev().cloned().collect();
    version.levels[0] = Arc::new(reversed);
    assert!(store.core.check_order(&version, &mut |_| {}).unwrap_err().is_corrupt());
}
