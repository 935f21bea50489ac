//! A store is backed up while it is written, and the backup is opened on another disk: it must be the store of one moment
//! between the backup's beginning and its end.
//!
//! ```text
//!   writers ── batch 1, 2, 3, … ──▶ store on one disk ── dump, or checkpoint ──▶ another store, on another disk, power cut
//!                                                                                 │
//!                     holds batches 1 … k, each whole;  begun before ≤ k ≤ ended ◀┘
//! ```

use std::collections::BTreeMap;
use std::io::Cursor as Bytes;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use xs_os::Rng;
use xs_os::vfs::faulty::FaultyVfs;
use xs_os::vfs::{MemoryVfs, Open, Vfs};
use xs_storage::btree::{self, BTree};
use xs_storage::dump;
use xs_storage::engine::{Durability, Engine, KeyRange, ReadView, WriteBatch};
use xs_storage::lsm::{self, Lsm};

const KEYS: u64 = 400;
/// Where a batch puts its number.
const NUMBER: &[u8] = b"number";

fn btree(vfs: Arc<dyn Vfs>, dir: &str) -> Arc<BTree> {
    let options = btree::Options { vfs, page_size: 1024, log_bytes: 32 << 10, ..Default::default() };
    Arc::new(BTree::open(Path::new(dir), options).expect("a store opens"))
}

fn lsm(vfs: Arc<dyn Vfs>, dir: &str) -> Arc<Lsm> {
    let options = lsm::Options { vfs, separate_bytes: 300, ..lsm::Options::tiny() };
    Arc::new(Lsm::open(Path::new(dir), options).expect("a store opens"))
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What the batch of that number writes: puts, deletes, and now and then a range.
fn write(number: u64, batch: &mut WriteBatch, model: &mut Model) {
    let mut rng = Rng::from_seed(number);
    let key = |rng: &mut Rng| format!("key{:03}", rng.below(KEYS)).into_bytes();
    for _ in 0..1 + rng.below(12) {
        let at = key(&mut rng);
        match rng.below(20) {
            0 => {
                let end = [&at[..], b"~"].concat();
                batch.delete_range(&at, &end);
                model.retain(|key, _| *key < at || *key >= end);
            }
            1..5 => {
                batch.delete(&at);
                model.remove(&at);
            }
            _ => {
                let value = vec![rng.next_u64() as u8; rng.index(500)];
                batch.put(&at, &value);
                model.insert(at, value);
            }
        }
    }
    batch.put(NUMBER, &number.to_le_bytes());
    model.insert(NUMBER.to_vec(), number.to_le_bytes().to_vec());
}

fn number(view: &dyn ReadView) -> u64 {
    view.get(NUMBER).unwrap().map_or(0, |number| u64::from_le_bytes(number[..].try_into().unwrap()))
}

fn content(view: &dyn ReadView) -> Model {
    let mut cursor = view.cursor(KeyRange::all()).unwrap();
    let mut found = Model::new();
    while cursor.next().unwrap() {
        found.insert(cursor.key().to_vec(), cursor.value().unwrap().to_vec());
    }
    found
}

/// Runs `back_up` some times while three threads write; each answers with a view of the backup.
fn under_writes(store: &Arc<dyn Engine>, back_up: &dyn Fn(usize) -> Arc<dyn ReadView>) {
    let (next, done) = (Mutex::new(1), AtomicBool::new(false));
    // So far writers may go: they pause when a backup is over, or when it takes long, which keeps the test short.
    let limit = AtomicU64::new(0);
    // Numbers are given out in the order in which batches are submitted.
    let submit = |durability| {
        let mut next = next.lock().expect("no holder panics");
        let mut batch = WriteBatch::new();
        write(*next, &mut batch, &mut Model::new());
        let commit = store.submit(batch, durability).unwrap();
        *next += 1;
        commit
    };
    (0..500).for_each(|_| drop(submit(Durability::Buffered)));
    thread::scope(|scope| {
        for nth in 0..3 {
            let (submit, done, limit) = (&submit, &done, &limit);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    if number(&**store) >= limit.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(1));
                        continue;
                    }
                    // One of them waits for the disk.
                    let durability = if nth == 0 { Durability::Synced } else { Durability::Buffered };
                    submit(durability).wait().unwrap();
                }
            });
        }
        let mut moved = 0;
        let (mut model, mut at) = (Model::new(), 0);
        let backups = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..6 {
                let before = number(&**store);
                limit.store(before + 200, Ordering::Relaxed);
                while number(&**store) == before {
                    thread::yield_now();
                }
                let backup = back_up(round);
                limit.store(0, Ordering::Relaxed);
                let after = number(&**store);
                let held = number(&*backup);
                assert!((before..=after).contains(&held), "it holds batch {held}, of {before} to {after}");
                for number in at + 1..=held {
                    write(number, &mut WriteBatch::new(), &mut model);
                }
                at = held;
                assert!(content(&*backup) == model, "it says that it holds the batches up to {held}, and no more");
                moved += u64::from(after > before);
            }
        }));
        done.store(true, Ordering::Relaxed);
        backups.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(moved > 0, "nobody wrote while it was backed up");
    });
}

/// A dump of one engine on one disk, restored into the other kind on another disk, whose power is then cut.
fn dumped_and_restored(from: &Arc<dyn Engine>, to: &dyn Fn(Arc<dyn Vfs>) -> Arc<dyn Engine>) {
    under_writes(from, &|round| {
        let mut file = Vec::new();
        let saved = dump::save(&*from.snapshot().unwrap(), &mut file, &mut |_| {}).unwrap();
        let disk = FaultyVfs::new(round as u64);
        let copy = to(Arc::new(disk.clone()));
        let restored = dump::restore(&*copy, &mut Bytes::new(file), &mut |_| {}).unwrap();
        assert_eq!(restored, saved);
        // The restored store is durable when `restore` returns.
        Arc::new(Held(to(Arc::new(disk.durable()))))
    });
}

/// An engine as a view that keeps it.
struct Held(Arc<dyn Engine>);

impl ReadView for Held {
    fn get(&self, key: &[u8]) -> xs_storage::Result<Option<bytes::Bytes>> {
        self.0.get(key)
    }

    fn cursor(&self, range: KeyRange<'_>) -> xs_storage::Result<Box<dyn xs_storage::engine::Cursor + '_>> {
        self.0.cursor(range)
    }
}

#[test]
fn a_btree_that_is_written_is_dumped_into_an_lsm_on_another_disk() {
    let from: Arc<dyn Engine> = btree(Arc::new(MemoryVfs::new()), "from");
    dumped_and_restored(&from, &|vfs| lsm(vfs, "to"));
}

#[test]
fn an_lsm_that_is_written_is_dumped_into_a_btree_on_another_disk() {
    let from: Arc<dyn Engine> = lsm(Arc::new(MemoryVfs::new()), "from");
    dumped_and_restored(&from, &|vfs| btree(vfs, "to"));
}

#[test]
fn a_checkpoint_of_an_lsm_that_is_written_opens_on_another_disk() {
    let disk = FaultyVfs::new(1);
    let tree = lsm(Arc::new(disk.clone()), "from");
    let from: Arc<dyn Engine> = tree.clone();
    under_writes(&from, &|round| {
        let dir = format!("copy{round}");
        tree.checkpoint(Path::new(&dir)).unwrap();
        // File by file to another machine, from a disk that has lost all that was not synced.
        let (here, there) = (disk.durable(), MemoryVfs::new());
        there.create_dir(Path::new("copy")).unwrap();
        for name in here.list(Path::new(&dir)).unwrap() {
            let from = here.open(&Path::new(&dir).join(&name), Open::Read).unwrap();
            let mut bytes = vec![0; from.len().unwrap() as usize];
            from.read_exact_at(&mut bytes, 0).unwrap();
            there.open(&Path::new("copy").join(&name), Open::New).unwrap().write_all_at(&bytes, 0).unwrap();
        }
        let copy = lsm(Arc::new(there), "copy");
        copy.check().unwrap();
        Arc::new(Held(copy))
    });
}
