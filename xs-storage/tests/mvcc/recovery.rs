//! Crashes: the engine takes so many batches and no more, and what it took is opened again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use xs_os::Rng;
use xs_storage::engine::{Commit, Cursor, Durability, Engine, KeyRange, ReadView, Stats, WriteBatch};
use xs_storage::mvcc::{Isolation, Mvcc, Options, Timestamp, TransactionError};
use xs_storage::{Error, Result};

use super::{Fresh, open};

/// Takes a number of batches, then stops as an engine does whose disk has failed.
struct Cut {
    engine: Arc<dyn Engine>,
    left: AtomicUsize,
}

impl Cut {
    fn after(engine: Arc<dyn Engine>, batches: usize) -> Arc<Self> {
        Arc::new(Cut { engine, left: AtomicUsize::new(batches) })
    }
}

impl ReadView for Cut {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.engine.get(key)
    }

    fn cursor(&self, range: KeyRange<'_>) -> Result<Box<dyn Cursor + '_>> {
        self.engine.cursor(range)
    }
}

impl Engine for Cut {
    fn submit(&self, batch: WriteBatch, durability: Durability) -> Result<Commit> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| Error::Invalid("the power is gone".into()).stopped())?;
        self.engine.submit(batch, durability)
    }

    fn snapshot(&self) -> Result<Arc<dyn ReadView>> {
        self.engine.snapshot()
    }

    fn flush(&self) -> Result<()> {
        self.engine.flush()
    }

    fn stats(&self) -> Stats {
        self.engine.stats()
    }
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn content(view: &dyn ReadView) -> Map {
    let mut cursor = view.cursor(KeyRange::all()).unwrap();
    let mut map = Map::new();
    while cursor.next().unwrap() {
        map.insert(cursor.key().to_vec(), cursor.value().unwrap().to_vec());
    }
    map
}

/// Commits and collects until the power goes; every state that was acknowledged, by its timestamp.
fn work(store: &Mvcc, seed: u64) -> Vec<(Timestamp, Map)> {
    let mut rng = Rng::from_seed(seed);
    let (mut states, mut map) = (vec![(Timestamp(0), Map::new())], Map::new());
    for _ in 0..40 {
        let (mut transaction, mut next) = (store.begin(Isolation::Serializable), map.clone());
        for _ in 0..1 + rng.below(4) {
            let key = vec![b'a' + rng.below(6) as u8; 1 + rng.index(2)];
            if rng.chance(0.4) {
                transaction.delete(&key).unwrap();
                next.remove(&key);
            } else {
                let value = rng.next_u64().to_le_bytes();
                transaction.put(&key, &value).unwrap();
                next.insert(key, value.to_vec());
            }
        }
        match transaction.commit(Durability::Synced) {
            Ok(committed) => states.push((committed.wait().unwrap(), next.clone())),
            Err(TransactionError::Store(Error::Stopped { .. })) => break,
            Err(error) => panic!("{error}"),
        }
        map = next;
        if rng.chance(0.3) && store.collect(5).is_err() {
            break;
        }
        if rng.chance(0.1) && store.sweep(&mut |_| true).is_err() {
            break;
        }
    }
    // Reads go on.
    assert_eq!(content(&store.begin_read_only()), map);
    states
}

pub(crate) fn a_crash_between_any_two_batches_leaves_whole_commits(fresh: Fresh) {
    for seed in 0..4 {
        for cut in 1..60 {
            let engine = fresh();
            let keep = Options { keep: seed * 3, ..Options::default() };
            let states = work(&open(Cut::after(engine.clone(), cut), keep.clone()), seed);
            let store = open(engine, keep);
            let (last, map) = states.last().unwrap();
            assert_eq!((store.last(), &content(&store.begin_read_only())), (*last, map), "seed {seed}, cut {cut}");
            for (at, map) in &states {
                match store.at(*at) {
                    Ok(view) => assert_eq!(&content(&view), map, "seed {seed}, cut {cut}, at {at}"),
                    Err(out) => assert!(last.0 - at.0 > seed * 3, "seed {seed}, cut {cut}: {out}"),
                }
            }
            let mut transaction = store.begin(Isolation::Serializable);
            transaction.put(b"after", b"the crash").unwrap();
            assert!(transaction.commit(Durability::Synced).unwrap().wait().unwrap() > *last);
        }
    }
}

/// So many versions that removing them takes several batches.
pub(crate) fn a_removal_never_goes_before_what_it_hides(fresh: Fresh) {
    for cut in 0..4 {
        let engine = fresh();
        let store = open(engine.clone(), Options::default());
        for n in 0..700_u32 {
            let mut transaction = store.begin(Isolation::Snapshot);
            transaction.put(b"a", &n.to_le_bytes()).unwrap();
            let _ = transaction.commit(Durability::Buffered).unwrap();
        }
        let mut transaction = store.begin(Isolation::Snapshot);
        transaction.delete(b"a").unwrap();
        let _ = transaction.commit(Durability::Buffered).unwrap();
        drop(store);

        let store = open(Cut::after(engine.clone(), cut), Options::default());
        assert_eq!(store.sweep(&mut |_| true).is_err(), cut < 3, "three batches");
        drop(store);
        let store = open(engine.clone(), Options::default());
        assert_eq!(store.begin_read_only().get(b"a").unwrap(), None, "cut {cut}");
        assert!(content(&store.begin_read_only()).is_empty());
        store.sweep(&mut |_| true).unwrap();
        assert!(!engine.cursor(KeyRange::from(&[1])).unwrap().next().unwrap(), "nothing is left");
    }
}

pub(crate) fn an_engine_of_somebody_else_is_refused(fresh: Fresh) {
    let write = |key: &[u8], value: &[u8]| {
        let engine = fresh();
        let mut batch = WriteBatch::new();
        batch.put(key, value);
        engine.submit(batch, Durability::Synced).unwrap().wait().unwrap();
        engine
    };
    let refused = |engine| Mvcc::open(engine, Options { jobs: None, ..Options::default() }).unwrap_err();
    assert!(matches!(refused(write(b"user", b"data")), Error::Foreign { .. }));
    assert!(matches!(refused(write(&[0, b'f'], b"?")), Error::Foreign { .. }));
    let newer = refused(write(&[0, b'f'], &2_u32.to_le_bytes()));
    assert!(matches!(newer, Error::NewerFormat { found: 2, known: 1, .. }), "{newer}");

    // Foreign entries among the versions are named when they are met.
    let engine = fresh();
    drop(open(engine.clone(), Options::default()));
    let mut batch = WriteBatch::new();
    batch.put(&[1, b'x'], b"");
    engine.submit(batch, Durability::Synced).unwrap().wait().unwrap();
    let store = open(engine, Options::default());
    let view = store.begin_read_only();
    let mut cursor = view.cursor(KeyRange::all()).unwrap();
    assert!(matches!(cursor.next(), Err(Error::Foreign { .. })));
    assert_eq!(cursor.key(), b"");
}
