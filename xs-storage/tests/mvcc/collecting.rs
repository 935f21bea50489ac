//! Garbage goes, and nothing else.

use std::sync::Arc;

use xs_os::SteppedJobs;
use xs_storage::engine::{Durability, KeyRange, ReadView};
use xs_storage::mvcc::{Isolation, Mvcc, Options, Timestamp};

use super::{Fresh, by_hand, open};

fn put(store: &Mvcc, key: &str, value: &str) -> Timestamp {
    let mut transaction = store.begin(Isolation::Serializable);
    transaction.put(key.as_bytes(), value.as_bytes()).unwrap();
    transaction.commit(Durability::Buffered).unwrap().at
}

fn delete(store: &Mvcc, key: &str) -> Timestamp {
    let mut transaction = store.begin(Isolation::Serializable);
    transaction.delete(key.as_bytes()).unwrap();
    transaction.commit(Durability::Buffered).unwrap().at
}

fn get(view: &dyn ReadView, key: &str) -> Option<String> {
    view.get(key.as_bytes()).unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

/// Entries of the engine that are versions of keys.
fn versions(store: &Mvcc) -> usize {
    let mut cursor = store.engine().cursor(KeyRange::from(&[1])).unwrap();
    std::iter::from_fn(|| cursor.next().unwrap().then_some(())).count()
}

pub(crate) fn garbage_goes_and_what_is_read_stays(fresh: Fresh) {
    let store = by_hand(fresh);
    put(&store, "kept", "always");
    for n in 0..10 {
        put(&store, "a", &n.to_string());
    }
    let reader = store.begin_read_only();
    for n in 10..20 {
        put(&store, "a", &n.to_string());
    }
    delete(&store, "kept");
    assert_eq!(versions(&store), 22);

    let done = store.collect(usize::MAX).unwrap();
    assert_eq!((done.versions, done.more), (9, false));
    assert_eq!((get(&reader, "a"), get(&reader, "kept")), (Some("9".into()), Some("always".into())));

    drop(reader);
    assert!(store.collect(1).unwrap().more, "one key of eleven");
    store.collect(usize::MAX).unwrap();
    assert_eq!(versions(&store), 1, "the newest of a; and of what was removed not even the removal");
    assert_eq!(get(&store.begin_read_only(), "a"), Some("19".into()));
    assert_eq!(store.stats().collected, 21);
    assert_eq!((store.stats().history_keys, store.stats().untrailed), (0, 0));
}

pub(crate) fn a_long_reader_holds_garbage_back_and_shows(fresh: Fresh) {
    let store = by_hand(fresh);
    let at = put(&store, "a", "0");
    let (reader, transaction) = (store.begin_read_only(), store.begin(Isolation::Serializable));
    let copy = reader.clone();
    for n in 1..=30 {
        put(&store, "a", &n.to_string());
    }
    store.collect(usize::MAX).unwrap();
    let stats = store.stats();
    assert_eq!((stats.readers, stats.oldest_reader, stats.held_back), (3, Some(at), 30));
    assert_eq!((stats.horizon, stats.history_keys), (at, 30));
    drop(reader);
    transaction.rollback();
    assert_eq!(store.collect(usize::MAX).unwrap().versions, 0, "the copy still reads");
    assert_eq!(get(&copy, "a"), Some("0".into()));
    drop(copy);
    assert_eq!(store.collect(usize::MAX).unwrap().versions, 30);
    assert_eq!((store.stats().readers, store.stats().held_back), (0, 0));
}

pub(crate) fn history_is_kept_as_far_as_asked(fresh: Fresh) {
    let engine = fresh();
    let keep = |keep| Options { keep, ..Options::default() };
    let store = open(engine.clone(), keep(5));
    let times: Vec<Timestamp> = (0..20).map(|n| put(&store, "a", &n.to_string())).collect();
    store.collect(usize::MAX).unwrap();
    for (n, &at) in times.iter().enumerate() {
        match store.at(at) {
            Ok(view) => assert_eq!((get(&view, "a"), view.timestamp()), (Some(n.to_string()), at)),
            Err(out) => assert!(n < 14 && out.oldest == times[14] && out.newest == times[19] && out.asked == at),
        }
    }
    assert_eq!(versions(&store), 6);
    drop(store);
    // Asking for more later does not bring it back, nor pretend to.
    let store = open(engine, keep(100));
    assert_eq!(store.at(times[13]).unwrap_err().oldest, times[14]);
    assert_eq!(get(&store.at(times[14]).unwrap(), "a"), Some("14".into()));
}

pub(crate) fn a_sweep_finds_what_the_trail_lost(fresh: Fresh) {
    let engine = fresh();
    let store = open(engine.clone(), Options { history_limit: 300, ..Options::default() });
    for n in 0..700 {
        put(&store, &format!("k{}", n % 350), "value");
    }
    delete(&store, "k7");
    store.collect(usize::MAX).unwrap();
    assert!(store.stats().untrailed > 600 && versions(&store) > 600, "{:?}", store.stats());
    let mut told = Vec::new();
    let stopped = store.sweep(&mut |keys| {
        told.push(keys);
        false
    });
    assert!(stopped.unwrap().more && told.len() == 1 && store.stats().untrailed > 0);
    assert!(!store.sweep(&mut |_| true).unwrap().more);
    assert_eq!((versions(&store), store.stats().untrailed), (349, 0));
    drop(store);

    // A process that ends leaves garbage as well.
    let store = open(engine.clone(), Options::default());
    put(&store, "k1", "new");
    drop(store);
    let store = open(engine, Options::default());
    assert_eq!(store.collect(usize::MAX).unwrap().versions, 0);
    assert_eq!(store.sweep(&mut |_| true).unwrap().versions, 1);
    assert_eq!(get(&store.begin_read_only(), "k1"), Some("new".into()));
}

pub(crate) fn the_background_collects(fresh: Fresh) {
    let jobs = SteppedJobs::new();
    let store = Mvcc::open(fresh(), Options { jobs: Some(Arc::new(jobs.clone())), ..Options::default() }).unwrap();
    jobs.run_until_idle(10);
    for n in 0..2000 {
        put(&store, "a", &n.to_string());
    }
    assert!(jobs.run_until_idle(100) > 1, "poked by commits");
    assert!(versions(&store) < 300, "{}", versions(&store));

    // Woken by the end of a reader, too.
    let reader = store.begin_read_only();
    for n in 0..1000 {
        put(&store, "a", &n.to_string());
    }
    jobs.run_until_idle(100);
    assert!(versions(&store) > 1000);
    drop(reader);
    assert!(jobs.run_until_idle(100) > 0);
    assert!(versions(&store) < 300, "{}", versions(&store));

    let engine = store.engine().clone();
    drop(store);
    jobs.run_until_idle(10);
    assert_eq!(format!("{jobs:?}"), "[]", "the job has ended with the store");
    assert_eq!(Arc::strong_count(&engine), 1);
    let _ = engine.stats();
}
