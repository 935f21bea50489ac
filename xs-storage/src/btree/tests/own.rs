//! What the store promises beyond the contract: space that comes back, readers that wait for nobody, files that are
//! refused.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use xs_os::vfs::faulty::FaultyVfs;
use xs_os::vfs::{MemoryVfs, Open, Vfs, VfsExt};
use xs_os::{Rng, SteppedJobs, ThreadJobs};

use super::structure::{open, options, same};
use crate::Error;
use crate::btree::{BTree, Options};
use crate::engine::{Durability, Engine, EngineExt, KeyRange, ReadView, WriteBatch};

fn fill(tree: &BTree, rng: &mut Rng, keys: u64, value: usize) {
    for _ in 0..keys / 50 {
        let mut batch = WriteBatch::new();
        for _ in 0..50 {
            batch.put(format!("key/{:06}", rng.below(keys)).as_bytes(), &vec![7; value]);
        }
        drop(tree.submit(batch, Durability::Buffered).unwrap());
    }
}

#[test]
fn overwriting_and_deleting_for_ever_takes_no_more_space() {
    let vfs = MemoryVfs::new();
    let tree = open(&vfs, 512);
    let mut rng = Rng::from_seed(1);
    let mut sizes = Vec::new();
    for round in 0..12 {
        fill(&tree, &mut rng, 1000, if round % 3 == 0 { 700 } else { 30 });
        let mut batch = WriteBatch::new();
        batch.delete_range(b"key/0002", b"key/0007");
        tree.submit(batch, Durability::Synced).unwrap().wait().unwrap();
        tree.flush().unwrap();
        tree.check().unwrap();
        sizes.push(tree.stats().disk_bytes);
    }
    let (early, late) = (sizes[..4].iter().max().unwrap(), sizes[8..].iter().max().unwrap());
    assert!(late <= &(early + early / 4), "the files grow: {sizes:?}");
}

#[test]
fn an_emptied_store_gives_its_space_back() {
    let vfs = MemoryVfs::new();
    let tree = open(&vfs, 512);
    let mut rng = Rng::from_seed(1);
    fill(&tree, &mut rng, 3000, 40);
    tree.flush().unwrap();
    let full = vfs.read(Path::new("store/data"), 1 << 30).unwrap().len();
    // Every other key goes: the pages that are left lie all over the file.
    let mut batch = WriteBatch::new();
    for n in (0..3000).filter(|n| n % 8 != 0) {
        batch.delete(format!("key/{n:06}").as_bytes());
    }
    drop(tree.submit(batch, Durability::Buffered).unwrap());
    let left = tree.entries().unwrap();
    tree.compact().unwrap();
    let report = tree.check().unwrap();
    assert_eq!(report.entries, left);
    let thin = vfs.read(Path::new("store/data"), 1 << 30).unwrap().len();
    assert!(thin < full / 3, "{full} bytes have become {thin}: {report:?}");
    assert!(report.free_pages * 512 < thin as u64 / 10, "{report:?}");
    let mut batch = WriteBatch::new();
    batch.delete_range(b"", b"\xff");
    drop(tree.submit(batch, Durability::Buffered).unwrap());
    tree.flush().unwrap();
    assert!(vfs.read(Path::new("store/data"), 1 << 30).unwrap().len() <= 10 << 10);
}

#[test]
fn compacting_moves_long_values_too() {
    let vfs = MemoryVfs::new();
    let tree = open(&vfs, 512);
    for n in 0..200_u32 {
        tree.put(&n.to_be_bytes(), &vec![n as u8; 3000]).unwrap();
    }
    for n in (0..200_u32).filter(|n| n % 4 != 0) {
        tree.delete(&n.to_be_bytes()).unwrap();
    }
    tree.flush().unwrap();
    assert!(tree.compact().unwrap() > 0);
    let report = tree.check().unwrap();
    assert!(report.free_pages < 60, "{report:?}");
    for n in 0..200_u32 {
        let value = tree.get(&n.to_be_bytes()).unwrap();
        assert_eq!(value.as_deref(), (n % 4 == 0).then(|| vec![n as u8; 3000]).as_deref());
    }
}

#[test]
fn a_snapshot_keeps_only_what_it_sees() {
    let vfs = MemoryVfs::new();
    let tree = open(&vfs, 512);
    let mut rng = Rng::from_seed(1);
    fill(&tree, &mut rng, 1000, 40);
    tree.flush().unwrap();
    let before = tree.stats().disk_bytes;
    let snapshot = tree.snapshot().unwrap();
    let seen: std::collections::BTreeMap<_, _> = {
        let mut cursor = snapshot.cursor(KeyRange::all()).unwrap();
        std::iter::from_fn(|| cursor.next().unwrap().then(|| (cursor.key().to_vec(), cursor.value().unwrap().to_vec())))
            .collect()
    };
    for _ in 0..20 {
        fill(&tree, &mut rng, 1000, 41);
        tree.flush().unwrap();
    }
    tree.check().unwrap();
    let after = tree.stats().disk_bytes;
    assert!(after < before * 4, "a snapshot makes a file of {before} bytes grow to {after}");
    same(&*snapshot, &seen);
    drop(snapshot);
    tree.compact().unwrap();
    assert_eq!(tree.check().unwrap().left_pages, 0);
}

#[test]
fn readers_and_a_writer_do_not_wait_for_each_other() {
    let vfs = MemoryVfs::new();
    let jobs = Arc::new(ThreadJobs::new());
    let options = Options { jobs, memory: 256 << 10, log_bytes: 32 << 10, ..options(&vfs, 512) };
    let tree = BTree::open(Path::new("store"), options).unwrap();
    // Every batch gives all keys the same value: a view that sees two of them is torn.
    let keys = 300_u32;
    let write = |n: u32| {
        let mut batch = WriteBatch::new();
        for key in 0..keys {
            batch.put(&key.to_be_bytes(), &[n.to_be_bytes(); 8].concat());
        }
        drop(tree.submit(batch, Durability::Buffered).unwrap());
    };
    write(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (tree, done) = (&tree, &done);
            scope.spawn(move || {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let view = tree.snapshot().unwrap();
                    let mut cursor = view.cursor(KeyRange::all()).unwrap();
                    let (mut count, mut value) = (0, None::<Vec<u8>>);
                    let mut forth = thread % 2 == 0;
                    if !forth {
                        cursor.seek_end().unwrap();
                    }
                    while if forth { cursor.next().unwrap() } else { cursor.prev().unwrap() } {
                        let seen = cursor.value().unwrap();
                        assert_eq!(value.get_or_insert_with(|| seen.to_vec()), seen, "a view shows two batches");
                        count += 1;
                    }
                    forth = !forth;
                    let _ = forth;
                    assert_eq!(count, keys);
                    let now = u32::from_be_bytes(value.unwrap()[..4].try_into().unwrap());
                    assert!(now >= last, "a later view shows an earlier batch");
                    last = now;
                }
            });
        }
        (1..150).for_each(write);
        done.store(true, Ordering::Relaxed);
    });
    tree.check().unwrap();
}

#[test]
fn memory_stays_within_its_budget() {
    let vfs = MemoryVfs::new();
    let budget = 256 << 10;
    let tree = BTree::open(Path::new("store"), Options { memory: budget, ..options(&vfs, 512) }).unwrap();
    let mut rng = Rng::from_seed(1);
    for _ in 0..5 {
        fill(&tree, &mut rng, 10_000, 100);
        let pages: u64 = tree.stats().memory.iter().filter(|(name, _)| name.contains("pages")).map(|(_, n)| n).sum();
        assert!(pages <= budget + budget / 8, "{:?}", tree.stats().memory);
    }
    assert!(tree.stats().disk_bytes > 4 * budget);
    for _ in 0..3000 {
        tree.get(format!("key/{:06}", rng.below(10_000)).as_bytes()).unwrap();
        let pages: u64 = tree.stats().memory.iter().filter(|(name, _)| name.contains("pages")).map(|(_, n)| n).sum();
        assert!(pages <= budget + budget / 8, "{:?}", tree.stats().memory);
    }
    let bulk = (0..20_000_u32).map(|n| ([b"z".as_slice(), &n.to_be_bytes()].concat(), [1; 100]));
    tree.bulk_load(bulk).unwrap();
    tree.check().unwrap();
    let pages: u64 = tree.stats().memory.iter().filter(|(name, _)| name.contains("pages")).map(|(_, n)| n).sum();
    assert!(pages <= budget + budget / 8, "{:?}", tree.stats().memory);
}

#[test]
fn one_batch_larger_than_the_memory_does_not_fill_it() {
    let vfs = MemoryVfs::new();
    let budget = 256 << 10;
    let tree = BTree::open(Path::new("store"), Options { memory: budget, ..options(&vfs, 512) }).unwrap();
    let mut rng = Rng::from_seed(1);
    let pages = |tree: &BTree| -> u64 {
        tree.stats().memory.iter().filter(|(name, _)| name.contains("pages")).map(|(_, n)| n).sum()
    };
    let mut model = std::collections::BTreeMap::new();
    let mut batch = WriteBatch::new();
    for n in 0..8000_u32 {
        let (key, value) = (rng.next_u64().to_be_bytes().to_vec(), [n.to_be_bytes(); 30].concat());
        batch.put(&key, &value);
        model.insert(key, value);
    }
    // Long values count as what they are.
    for n in 0..100_u8 {
        batch.put(&[n], &[n; 10_000]);
        model.insert(vec![n], vec![n; 10_000]);
    }
    tree.submit(batch, Durability::Synced).unwrap().wait().unwrap();
    assert!(pages(&tree) <= budget + budget / 8, "{:?}", tree.stats().memory);
    tree.check().unwrap();
    same(&tree, &model);
    // The same decided step by step, with a way back over what was spilled, and given up in the end.
    let failed = tree.write(Durability::Synced, |txn| {
        let start = txn.savepoint()?;
        for n in 0..8000_u32 {
            txn.put(&n.to_be_bytes(), &[1; 120])?;
        }
        txn.go_back(&start)?;
        assert_eq!(txn.entries(), model.len() as u64);
        for key in model.keys().step_by(2) {
            txn.delete(key)?;
        }
        Err::<(), _>(Error::Invalid("changed my mind".to_owned()))
    });
    assert!(failed.is_err());
    assert!(pages(&tree) <= budget + budget / 8, "{:?}", tree.stats().memory);
    tree.check().unwrap();
    same(&tree, &model);
    drop(tree);
    let tree = BTree::open(Path::new("store"), Options { memory: budget, ..options(&vfs, 512) }).unwrap();
    same(&tree, &model);
    assert_eq!(tree.entries().unwrap(), model.len() as u64);
    assert!(pages(&tree) <= budget + budget / 8, "{:?}", tree.stats().memory);
}

#[test]
fn what_the_log_had_is_read_at_once_and_comes_into_the_tree_behind() {
    let vfs = MemoryVfs::new();
    let tree = open(&vfs, 512);
    let mut rng = Rng::from_seed(1);
    fill(&tree, &mut rng, 3000, 40);
    tree.flush().unwrap();
    let mut batch = WriteBatch::new();
    batch.delete_range(b"key/0005", b"key/0015").put(b"key/000700", b"back").put(b"zebra", &[1; 4000]);
    for n in 2000..2500 {
        batch.delete(format!("key/{n:06}").as_bytes());
    }
    tree.submit(batch, Durability::Synced).unwrap().wait().unwrap();
    let image = vfs.fork();
    let jobs = SteppedJobs::new();
    let again = |jobs: &SteppedJobs| {
        let vfs: Arc<dyn Vfs> = Arc::new(image.fork());
        let options = Options { vfs, jobs: Arc::new(jobs.clone()), page_size: 512, ..Options::default() };
        BTree::open(Path::new("store"), options).unwrap()
    };
    let detail = |tree: &BTree, name| tree.stats().details.iter().find(|(other, _)| *other == name).unwrap().1;
    let model: std::collections::BTreeMap<Vec<u8>, Vec<u8>> = {
        let mut cursor = tree.cursor(KeyRange::all()).unwrap();
        std::iter::from_fn(|| cursor.next().unwrap().then(|| (cursor.key().to_vec(), cursor.value().unwrap().to_vec())))
            .collect()
    };
    let opened = again(&jobs);
    assert_eq!(detail(&opened, "page reads"), u64::from(detail(&opened, "free pages") > 0), "opening reads no page");
    assert!(detail(&opened, "log bytes read when opened") > 4000);
    assert_eq!(opened.stats().entries, None);
    same(&opened, &model);
    // Halfway there nothing changes for anybody, whoever looks.
    let before = opened.snapshot().unwrap();
    jobs.run_until_idle(1);
    same(&opened, &model);
    jobs.run_until_idle(1000);
    assert_eq!(opened.stats().entries, Some(model.len() as u64));
    same(&opened, &model);
    opened.put(b"key/000600", b"new").unwrap();
    same(&*before, &model);
    opened.check().unwrap();
    // A writer who does not wait for the background does it.
    let jobs = SteppedJobs::new();
    let opened = again(&jobs);
    opened.put(b"key/000600", b"new").unwrap();
    assert_eq!(opened.stats().entries, Some(model.len() as u64 + 1));
    opened.check().unwrap();
}

#[test]
fn space_comes_back_by_itself() {
    let vfs = MemoryVfs::new();
    let jobs = SteppedJobs::new();
    let tree = BTree::open(Path::new("store"), Options { jobs: Arc::new(jobs.clone()), ..options(&vfs, 512) }).unwrap();
    let mut rng = Rng::from_seed(1);
    fill(&tree, &mut rng, 4000, 40);
    tree.flush().unwrap();
    let len = || vfs.read(Path::new("store/data"), 1 << 30).unwrap().len();
    let full = len();
    let mut batch = WriteBatch::new();
    for n in (0..4000).filter(|n| n % 8 != 0) {
        batch.delete(format!("key/{n:06}").as_bytes());
    }
    tree.submit(batch, Durability::Synced).unwrap().wait().unwrap();
    tree.flush().unwrap();
    // Nobody asks for it: the job sees that nobody writes.
    jobs.run_until_idle(10_000);
    assert!(len() < full / 3, "{full} bytes have become {}: {:?}", len(), tree.check().unwrap());
    let report = tree.check().unwrap();
    assert!(report.free_pages <= (report.nodes + report.run_pages) / 3 + 32, "{report:?}");
    // And it comes to an end.
    assert!(jobs.run_until_idle(3) < 3);
}

#[test]
fn strange_and_newer_and_locked_stores_are_refused_by_name() {
    let vfs = MemoryVfs::new();
    let dir = Path::new("store");
    let tree = open(&vfs, 512);
    tree.put(b"a", b"1").unwrap();
    assert!(matches!(BTree::open(dir, options(&vfs, 512)), Err(Error::Locked { .. })));
    let snapshot = tree.snapshot().unwrap();
    drop(tree);
    assert!(matches!(BTree::open(dir, options(&vfs, 512)), Err(Error::Locked { .. })), "a snapshot still reads it");
    drop(snapshot);
    drop(open(&vfs, 512));

    let strange = MemoryVfs::new();
    strange.put(Path::new("store/holiday.jpg"), Arc::new(vec![1])).unwrap();
    assert!(matches!(BTree::open(dir, options(&strange, 512)), Err(Error::NotOurs { .. })));
    let other = MemoryVfs::new();
    other.put(Path::new("store/data"), Arc::new(vec![1; 10_000])).unwrap();
    assert!(matches!(BTree::open(dir, options(&other, 512)), Err(Error::NotOurs { .. })));

    let lost = vfs.fork();
    lost.remove(Path::new("store/data")).unwrap();
    assert!(matches!(BTree::open(dir, options(&lost, 512)), Err(Error::Corrupt { .. })), "the log alone is no store");

    let none = Options { must_exist: true, ..options(&MemoryVfs::new(), 512) };
    assert!(matches!(BTree::open(dir, none), Err(Error::NotOurs { .. })));
    for wrong in [
        Options { page_size: 1000, ..options(&vfs, 512) },
        Options { memory: 1, ..options(&vfs, 512) },
        Options { log_bytes: 0, ..options(&vfs, 512) },
    ] {
        assert!(matches!(BTree::open(dir, wrong), Err(Error::Invalid(_))));
    }
}

#[test]
fn entries_above_the_limits_are_refused_and_change_nothing() {
    let tree =
        BTree::open(Path::new("store"), Options { max_batch: 1 << 20, ..options(&MemoryVfs::new(), 512) }).unwrap();
    let mut batch = WriteBatch::new();
    batch.put(b"a", b"1").put(&vec![0; Options::MAX_KEY + 1], b"");
    assert!(matches!(tree.submit(batch, Durability::Synced), Err(Error::TooLarge { what: "key", .. })));
    let mut batch = WriteBatch::new();
    batch.put(b"a", &vec![0; 2 << 20]);
    assert!(matches!(tree.submit(batch, Durability::Synced), Err(Error::TooLarge { what: "batch", .. })));
    assert_eq!(tree.entries().unwrap(), 0);
    tree.put(&vec![9; Options::MAX_KEY], b"fine").unwrap();
    assert_eq!(tree.get(&vec![9; Options::MAX_KEY]).unwrap().as_deref(), Some(&b"fine"[..]));
    let again = tree.bulk_load([(b"b", b"1"), (b"b", b"2")]);
    assert!(matches!(again, Err(Error::Invalid(_))));
    assert_eq!(tree.check().unwrap().entries, 1);
}

#[test]
fn what_is_within_its_own_limit_fits_into_a_batch() {
    let mut batch = WriteBatch::new();
    batch.put(&vec![0; Options::MAX_KEY], b"");
    // The length of the longest value takes four bytes more than that of an empty one.
    let largest = batch.as_bytes().len() + Options::MAX_VALUE + 4;
    assert!(Options::default().max_batch >= largest as u64);
}

#[test]
fn a_transaction_that_fails_leaves_nothing() {
    let tree = open(&MemoryVfs::new(), 512);
    tree.put(b"a", b"1").unwrap();
    let failed = tree.write(Durability::Synced, |txn| {
        txn.put(b"b", &[0; 5000])?;
        txn.delete(b"a")?;
        Err::<(), _>(Error::Invalid("changed my mind".to_owned()))
    });
    assert!(failed.is_err());
    assert_eq!(tree.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(tree.check().unwrap().entries, 1);
}

#[test]
fn a_page_that_the_disk_lost_is_noticed() {
    let vfs = MemoryVfs::new();
    let tree = BTree::open(Path::new("store"), Options { memory: 64 << 10, ..options(&vfs, 512) }).unwrap();
    let mut rng = Rng::from_seed(1);
    fill(&tree, &mut rng, 2000, 100);
    tree.flush().unwrap();
    let old = vfs.read(Path::new("store/data"), 1 << 30).unwrap();
    fill(&tree, &mut rng, 2000, 101);
    tree.flush().unwrap();
    // Every page back to what it was, each whole and in its place; the headers stay.
    let file = vfs.open(Path::new("store/data"), Open::Write).unwrap();
    let len = (file.len().unwrap() as usize).min(old.len());
    file.write_all_at(&old[8192..len], 8192).unwrap();
    let mut lost = 0;
    for n in 0..2000 {
        match tree.get(format!("key/{n:06}").as_bytes()) {
            Ok(Some(value)) => assert!(value.len() >= 100),
            Ok(None) => {}
            Err(error) => {
                assert!(error.is_corrupt(), "{error}");
                lost += 1;
            }
        }
    }
    assert!(lost > 0);
}

#[test]
fn the_same_calls_make_the_same_bytes() {
    let run = || {
        let disk = FaultyVfs::new(3);
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let jobs = SteppedJobs::new();
        let options =
            Options { vfs, jobs: Arc::new(jobs.clone()), page_size: 512, log_bytes: 8 << 10, ..Options::default() };
        let tree = BTree::open(Path::new("store"), options).unwrap();
        let mut rng = Rng::from_seed(5);
        for _ in 0..10 {
            fill(&tree, &mut rng, 500, 60);
            jobs.run_until_idle(100);
        }
        tree.flush().unwrap();
        drop(tree);
        disk.digest()
    };
    assert_eq!(run(), run());
}

/// A copy of a store, with a number in both of its headers, and their checksums made to fit.
fn with_header(vfs: &MemoryVfs, at: u64, number: &[u8]) -> MemoryVfs {
    let vfs = vfs.fork();
    let file = vfs.open(Path::new("store/data"), Open::Write).unwrap();
    for header in [0, 4096] {
        let mut bytes = [0; 128];
        file.write_all_at(number, header + at).unwrap();
        file.read_exact_at(&mut bytes, header).unwrap();
        file.write_all_at(&crc32c::crc32c(&bytes[..124]).to_le_bytes(), header + 124).unwrap();
    }
    vfs
}

#[test]
fn lengths_that_a_header_claims_are_looked_at_first() {
    let vfs = MemoryVfs::new();
    let tree = open(&vfs, 512);
    let mut rng = Rng::from_seed(1);
    for _ in 0..3 {
        fill(&tree, &mut rng, 500, 300);
        tree.flush().unwrap();
    }
    drop(tree);
    let try_open = |vfs: &MemoryVfs| BTree::open(Path::new("store"), options(vfs, 512));
    assert!(try_open(&with_header(&vfs, 60, &[0; 4])).is_ok());
    for claimed in [u64::MAX, u64::MAX - 40, 1 << 62, 1 << 40] {
        let error = try_open(&with_header(&vfs, 56, &claimed.to_le_bytes())).unwrap_err();
        assert!(error.is_corrupt(), "a free list of {claimed} bytes: {error}");
    }
}

/// The first format of the file and its log, as this was written on the day that it was settled.
#[test]
fn the_first_format_stays_readable() {
    let vfs = MemoryVfs::new();
    for (name, bytes) in fixture() {
        vfs.put(&Path::new("store").join(name), Arc::new(bytes)).unwrap();
    }
    let tree = open(&vfs, 4096);
    tree.check().unwrap();
    assert_eq!(tree.entries().unwrap(), 201);
    for n in 0..100_u32 {
        assert_eq!(tree.get(&n.to_be_bytes()).unwrap().as_deref(), Some(&vec![n as u8; n as usize][..]));
        let key = format!("only in the log {n}");
        assert_eq!(tree.get(key.as_bytes()).unwrap().as_deref(), Some(&b"x"[..]));
    }
    assert_eq!(tree.get(&[b'k'; 2000]).unwrap().as_deref(), Some(&[b'v'; 3000][..]));
}

fn fixture() -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/btree-1");
    let disk = xs_os::vfs::SystemVfs;
    let mut files = Vec::new();
    for sub in ["", "log"] {
        for name in disk.list(&dir.join(sub)).expect("the fixture is part of the source") {
            let path = dir.join(sub).join(&name);
            if name != "LOCK" && name != "log" {
                files.push((Path::new(sub).join(&name), disk.read(&path, 1 << 20).unwrap()));
            }
        }
    }
    files
}

/// Writes the fixture: once for each format.
#[test]
#[ignore = "writes fixtures/btree-1, which is kept as it is"]
fn write_the_fixture() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/btree-1");
    let options =
        Options { page_size: 512, log_bytes: 8 << 10, jobs: Arc::new(SteppedJobs::new()), ..Options::default() };
    let tree = BTree::open(&dir, options).unwrap();
    for n in 0..100_u32 {
        tree.put(&n.to_be_bytes(), &vec![n as u8; n as usize]).unwrap();
    }
    tree.put(&[b'k'; 2000], &[b'v'; 3000]).unwrap();
    tree.flush().unwrap();
    for n in 0..100_u32 {
        tree.put(format!("only in the log {n}").as_bytes(), b"x").unwrap();
    }
}

#[test]
fn a_store_that_a_full_disk_stopped_gives_the_logs_spares_back() {
    let (disk, jobs) = (FaultyVfs::new(1), SteppedJobs::new());
    let options = Options {
        vfs: Arc::new(disk.clone()),
        jobs: Arc::new(jobs.clone()),
        page_size: 512,
        log_bytes: 256 << 10,
        ..Options::default()
    };
    let tree = BTree::open(Path::new("store"), options).unwrap();
    for n in 0..200_u32 {
        tree.put(&n.to_be_bytes(), &[7; 100]).unwrap();
    }
    jobs.run_until_idle(1000);
    let names = || disk.list(Path::new("store/log")).unwrap();
    let spares = || names().iter().filter(|name| name.to_string_lossy().starts_with("spare-")).count();
    assert_eq!(spares(), 1);
    disk.set_capacity(Some(0));
    assert!(tree.flush().unwrap_err().is_full());
    assert_eq!(spares(), 0);
    assert_eq!(tree.get(&7_u32.to_be_bytes()).unwrap().as_deref(), Some(&[7; 100][..]));
}
