//! Many threads: invariants that hold at every moment, and a replay of what they did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use xs_os::Rng;
use xs_storage::engine::{Durability, KeyRange, ReadView};
use xs_storage::mvcc::{Isolation, Mvcc, Options, Timestamp, Transaction, TransactionError};

use super::Fresh;

const ACCOUNTS: u64 = 8;
const THREADS: u64 = 4;

/// With its collector on a thread, as users have it.
fn threaded(fresh: Fresh) -> Mvcc {
    Mvcc::open(fresh(), Options::default()).unwrap()
}

fn read(view: &dyn ReadView, key: u64) -> i64 {
    view.get(&key.to_be_bytes()).unwrap().map_or(0, |bytes| i64::from_le_bytes(bytes[..].try_into().unwrap()))
}

fn write(transaction: &mut Transaction, key: u64, value: i64) {
    transaction.put(&key.to_be_bytes(), &value.to_le_bytes()).unwrap();
}

fn fill(store: &Mvcc, value: i64) {
    let mut transaction = store.begin(Isolation::Snapshot);
    (0..ACCOUNTS).for_each(|account| write(&mut transaction, account, value));
    let _ = transaction.commit(Durability::Buffered).unwrap();
}

pub(crate) fn money_is_neither_made_nor_lost(fresh: Fresh) {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let store = threaded(fresh);
        fill(&store, 100);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let transfers: Vec<_> = (0..THREADS)
                .map(|seed| {
                    let store = &store;
                    scope.spawn(move || {
                        let mut rng = Rng::from_seed(seed);
                        for _ in 0..300 {
                            let (from, to, sum) = (rng.below(ACCOUNTS), rng.below(ACCOUNTS), rng.below(20) as i64);
                            let transfer = |transaction: &mut Transaction| {
                                let balance = read(transaction, from);
                                write(transaction, from, balance - sum);
                                let balance = read(transaction, to);
                                write(transaction, to, balance + sum);
                                Ok::<_, TransactionError>(())
                            };
                            let ((), committed) =
                                store.retry(u32::MAX, isolation, Durability::Synced, transfer).unwrap();
                            committed.wait().unwrap();
                        }
                    })
                })
                .collect();
            let audit = scope.spawn(|| {
                let mut looked = 0;
                while !done.load(Ordering::SeqCst) || looked == 0 {
                    let view = store.begin_read_only();
                    let mut cursor = view.cursor(KeyRange::all()).unwrap();
                    let (mut sum, backwards) = (0, looked % 2 == 1);
                    if backwards {
                        cursor.seek_end().unwrap();
                    }
                    while if backwards { cursor.prev().unwrap() } else { cursor.next().unwrap() } {
                        sum += i64::from_le_bytes(cursor.value().unwrap().try_into().unwrap());
                    }
                    assert_eq!(sum, 100 * ACCOUNTS as i64, "at {}", view.timestamp());
                    assert_eq!((0..ACCOUNTS).map(|account| read(&view, account)).sum::<i64>(), sum);
                    looked += 1;
                }
            });
            transfers.into_iter().for_each(|transfer| transfer.join().unwrap());
            done.store(true, Ordering::SeqCst);
            audit.join().unwrap();
        });
        assert_eq!(store.stats().commits, 1 + THREADS * 300);
    }
}

/// What a transaction read, at which timestamps, and what it wrote.
struct Log {
    started: Timestamp,
    at: Timestamp,
    read: Vec<(u64, i64)>,
    wrote: Vec<(u64, i64)>,
}

pub(crate) fn what_threads_did_holds_in_the_order_of_commits(fresh: Fresh) {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let store = threaded(fresh);
        fill(&store, 0);
        let mut logs: Vec<Log> = thread::scope(|scope| {
            let workers: Vec<_> = (0..THREADS)
                .map(|seed| {
                    let store = &store;
                    scope.spawn(move || {
                        (0..400).filter_map(|n| random(store, isolation, seed * 1000 + n)).collect::<Vec<_>>()
                    })
                })
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        logs.sort_by_key(|log| log.at);
        assert!(logs.len() > 200, "most conflict: {}", logs.len());
        assert!(logs.windows(2).all(|pair| pair[0].at < pair[1].at), "a timestamp belongs to one commit");

        // By key, its values and from when on.
        let mut values: BTreeMap<u64, Vec<(Timestamp, i64)>> = BTreeMap::new();
        for log in &logs {
            for (key, seen) in &log.read {
                let versions = values.get(key).map_or(&[][..], Vec::as_slice);
                let then = versions.iter().rev().find(|(at, _)| *at <= log.started).map_or(0, |(_, value)| *value);
                assert_eq!(*seen, then, "{isolation:?}: {key} as of {}", log.started);
                if isolation == Isolation::Serializable {
                    let now = versions.last().map_or(0, |(_, value)| *value);
                    assert_eq!(*seen, now, "{key} is still so at the commit {}", log.at);
                }
            }
            for (key, value) in &log.wrote {
                let versions = values.entry(*key).or_default();
                let last = versions.last().map_or(Timestamp(0), |(at, _)| *at);
                assert!(isolation == Isolation::Serializable || last <= log.started, "the first committer wins");
                versions.push((log.at, *value));
            }
        }
        let view = store.begin_read_only();
        assert!(values.iter().all(|(key, versions)| read(&view, *key) == versions.last().unwrap().1));
    }
}

fn random(store: &Mvcc, isolation: Isolation, seed: u64) -> Option<Log> {
    let mut rng = Rng::from_seed(seed);
    let mut transaction = store.begin(isolation);
    let (started, mut log_read, mut wrote) = (transaction.started(), Vec::new(), BTreeMap::new());
    for _ in 0..1 + rng.below(3) {
        let key = rng.below(ACCOUNTS);
        log_read.push((key, read(&transaction, key)));
    }
    if rng.chance(0.3) {
        thread::yield_now();
    }
    for n in 0..1 + rng.below(2) {
        wrote.insert(rng.below(ACCOUNTS), (seed * 10 + n) as i64 + 1);
    }
    wrote.iter().for_each(|(key, value)| write(&mut transaction, *key, *value));
    let committed = transaction.commit(Durability::Buffered).ok()?;
    Some(Log { started, at: committed.at, read: log_read, wrote: wrote.into_iter().collect() })
}

/// Write skew between threads: of three doctors on call each leaves if another one stays.
pub(crate) fn somebody_stays_on_call(fresh: Fresh) {
    let store = threaded(fresh);
    for round in 0..60_u64 {
        let mut transaction = store.begin(Isolation::Serializable);
        (0..3).for_each(|doctor| write(&mut transaction, doctor, 1));
        let _ = transaction.commit(Durability::Buffered).unwrap();
        thread::scope(|scope| {
            for doctor in 0..3 {
                let store = &store;
                scope.spawn(move || {
                    let mut transaction = store.begin(Isolation::Serializable);
                    let on_call = {
                        let mut cursor = transaction.cursor(KeyRange::all()).unwrap();
                        let mut count = 0;
                        while cursor.next().unwrap() {
                            count += 1;
                        }
                        count
                    };
                    if on_call > 1 {
                        transaction.delete(&u64::to_be_bytes(doctor)).unwrap();
                        let _ = transaction.commit(Durability::Buffered);
                    }
                });
            }
        });
        let view = store.begin_read_only();
        assert!(view.cursor(KeyRange::all()).unwrap().next().unwrap(), "round {round}: nobody is on call");
    }
}
