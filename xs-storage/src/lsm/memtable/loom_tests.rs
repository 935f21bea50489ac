//! Models of what threads may do to each other around a memtable: readers in the tree while its one writer inserts and
//! splits a leaf, and readers of a store while one memtable takes the place of another (`.ci/loom`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::sync::Mutex;
use loom::thread;

use super::sync::AtomicU64;
use super::tree::{Keys, Probe, Tree, TreeWriter};

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(model);
}

/// Entry `n` has key `n`, as one byte.
struct Bytes;

static KEYS: [[u8; 1]; 16] = {
    let mut keys = [[0]; 16];
    let mut n = 0;
    while n < 16 {
        keys[n] = [n as u8];
        n += 1;
    }
    keys
};

impl Keys for Bytes {
    fn key(&self, id: u32) -> Option<&[u8]> {
        KEYS.get(id as usize).map(|key| &key[..])
    }

    fn seq(&self, _: u32) -> Option<u64> {
        Some(1)
    }
}

fn tree_of(ids: &[u32]) -> (Arc<Tree>, TreeWriter) {
    let (tree, mut writer) = Tree::new(4, 2);
    ids.iter().for_each(|&id| tree.insert(&mut writer, &Bytes, id));
    (Arc::new(tree), writer)
}

/// A leaf holds two entries in a model: the third splits it. Deeper trees are left to the test with threads: there a reader
/// may come upon a new leaf by nothing but the standard library's cell that it lies in, and loom does not see that order.
fn look_while_inserting(before: &'static [u32], inserted: u32, look: fn(&Tree, u32)) {
    check(3, move || {
        let (tree, mut writer) = tree_of(before);
        let theirs = tree.clone();
        let reader = thread::spawn(move || look(&theirs, inserted));
        tree.insert(&mut writer, &Bytes, inserted);
        reader.join().unwrap();
    });
}

fn find(tree: &Tree, id: u32) -> Option<u32> {
    tree.lower(&Bytes, Probe { key: &KEYS[id as usize], seq: 1 }).map(|spot| spot.id)
}

#[test]
fn what_was_there_is_found_while_a_leaf_shifts() {
    look_while_inserting(&[4], 2, |tree, _| assert_eq!(find(tree, 4), Some(4)));
}

#[test]
fn what_was_there_is_found_while_a_leaf_splits() {
    look_while_inserting(&[2, 6], 4, |tree, _| assert_eq!(find(tree, 6), Some(6)));
}

#[test]
fn a_walk_passes_all_that_was_there_while_a_leaf_splits() {
    look_while_inserting(&[2, 6], 4, |tree, inserted| {
        let mut spot = tree.first();
        let mut seen = Vec::new();
        while let Some(here) = spot {
            seen.push(here.id);
            spot = tree.next(&Bytes, here);
        }
        assert!(seen == [2, 6] || seen == [2, inserted, 6], "{seen:?}");
    });
}

/// A store reduced to the versions of one key: version `n` is write `n`. A memtable takes one, then another takes its
/// place; one that was put aside becomes a table; a merge keeps of the tables what somebody may read. The orders of loads
/// and stores are those of `core`, `write`, `background` and `view`; for the swapped pointer stands a lock.
struct Store {
    write: Mutex<(Arc<Mem>, u64)>,
    state: Mutex<Arc<State>>,
    visible: AtomicU64,
    snapshots: Mutex<BTreeMap<u64, usize>>,
}

/// Room for one version; 0 is none.
#[derive(Default)]
struct Mem(AtomicU64);

#[derive(Clone)]
struct State {
    mem: Arc<Mem>,
    waiting: Vec<Arc<Mem>>,
    tables: Vec<u64>,
}

impl Store {
    /// One version in a table, and one in a memtable that is full by it.
    fn new() -> Arc<Store> {
        let mem = Arc::new(Mem(AtomicU64::new(2)));
        let state = State { mem: mem.clone(), waiting: Vec::new(), tables: vec![1] };
        Arc::new(Store {
            write: Mutex::new((mem, 2)),
            state: Mutex::new(Arc::new(state)),
            visible: AtomicU64::new(2),
            snapshots: Mutex::default(),
        })
    }

    fn load(&self) -> Arc<State> {
        self.state.lock().unwrap().clone()
    }

    fn publish(&self, next: impl FnOnce(&State) -> State) {
        let mut state = self.state.lock().unwrap();
        *state = Arc::new(next(&state));
    }

    /// Writes the next version, in a fresh memtable if the active one is full. Its number.
    fn put(&self) -> u64 {
        let mut writer = self.write.lock().unwrap();
        if writer.0.0.load(Ordering::Relaxed) != 0 {
            let full = std::mem::replace(&mut writer.0, Arc::default());
            let mem = writer.0.clone();
            self.publish(|state| {
                let waiting = std::iter::once(full).chain(state.waiting.iter().cloned()).collect();
                State { mem, waiting, tables: state.tables.clone() }
            });
        }
        writer.1 += 1;
        let number = writer.1;
        // Without an order of its own: the number that is stored next is what makes it visible.
        writer.0.0.store(number, Ordering::Relaxed);
        self.visible.store(number, Ordering::Release);
        number
    }

    /// Makes a table of the oldest memtable that waits, then merges all tables.
    fn flush_and_merge(&self) {
        let Some(oldest) = self.load().waiting.last().cloned() else { return };
        let version = oldest.0.load(Ordering::Relaxed);
        self.publish(|state| {
            let mut tables = state.tables.clone();
            tables.insert(0, version);
            let waiting = state.waiting.iter().filter(|mem| !Arc::ptr_eq(mem, &oldest)).cloned().collect();
            State { waiting, tables, ..state.clone() }
        });
        // What goes in is fixed first, then readers are asked for.
        let inputs = self.load().tables.clone();
        let readers = {
            let snapshots = self.snapshots.lock().unwrap();
            let visible = self.visible.load(Ordering::Acquire);
            let mut readers: Vec<u64> = snapshots.keys().copied().collect();
            readers.push(visible);
            readers
        };
        let needed = |version: &u64| {
            let newest_for = |reader: &u64| inputs.iter().filter(|version| *version <= reader).max().copied();
            readers.iter().any(|reader| newest_for(reader) == Some(*version)) || version > &readers[readers.len() - 1]
        };
        let kept: Vec<u64> = inputs.iter().filter(|version| needed(version)).copied().collect();
        self.publish(|state| State { tables: kept, ..state.clone() });
    }

    fn find(&self, state: &State, at: u64) -> Option<u64> {
        let mems = std::iter::once(&state.mem).chain(&state.waiting).map(|mem| mem.0.load(Ordering::Relaxed));
        mems.filter(|version| *version != 0).chain(state.tables.iter().copied()).find(|version| *version <= at)
    }

    /// A read of now: first the state, then the number.
    fn get(&self) -> Option<u64> {
        let state = self.load();
        let at = self.visible.load(Ordering::Acquire);
        self.find(&state, at)
    }

    /// A snapshot's number, which is held from now on.
    fn snapshot(&self) -> u64 {
        let mut snapshots = self.snapshots.lock().unwrap();
        let at = self.visible.load(Ordering::Acquire);
        *snapshots.entry(at).or_default() += 1;
        at
    }
}

#[test]
fn a_read_finds_what_was_acknowledged_while_memtables_change_places() {
    check(3, || {
        let store = Store::new();
        let (writer, flusher) = (store.clone(), store.clone());
        let writer = thread::spawn(move || {
            for _ in 0..2 {
                let number = writer.put();
                assert!(writer.get() >= Some(number), "a writer reads what it wrote, or what is newer");
            }
        });
        let flusher = thread::spawn(move || (0..2).for_each(|_| flusher.flush_and_merge()));
        let known = store.visible.load(Ordering::Acquire);
        let first = store.get();
        assert!(first >= Some(known), "read {first:?}, and knew of {known}");
        assert!(store.get() >= first, "time goes back");
        writer.join().unwrap();
        flusher.join().unwrap();
    });
}

#[test]
fn a_snapshot_reads_the_same_while_memtables_change_places_and_merges_go_on() {
    check(3, || {
        let store = Store::new();
        let (writer, flusher) = (store.clone(), store.clone());
        let writer = thread::spawn(move || _ = (writer.put(), writer.put()));
        let flusher = thread::spawn(move || (0..2).for_each(|_| flusher.flush_and_merge()));
        let at = store.snapshot();
        for _ in 0..2 {
            assert_eq!(store.find(&store.load(), at), Some(at));
        }
        writer.join().unwrap();
        flusher.join().unwrap();
    });
}
