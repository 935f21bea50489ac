//! Long random histories, on one thread and on several, judged by their dependency graph; and the judge judged by histories
//! that are known to be wrong.

use std::thread;

use xs_os::Rng;
use xs_storage::engine::{Durability, ReadView};
use xs_storage::mvcc::{Isolation, Mvcc, Options, Transaction, TransactionError};

use super::graph::Graph;
use super::history::{End, Event, Ran};
use super::interleaved::scan;
use super::{Fresh, open};

const KEYS: u64 = 16;
const THREADS: u64 = 4;

/// One call, chosen at random; `value` is one that nobody else writes.
fn act(transaction: &mut Transaction, rng: &mut Rng, value: u32) -> Event {
    let key = rng.below(KEYS) as u8;
    match rng.below(10) {
        0..4 => {
            let found = transaction.get(&[key]).unwrap();
            Event::Get(key, found.map(|bytes| u32::from_le_bytes(bytes[..].try_into().unwrap())))
        }
        4..6 => {
            let to = key + 1 + rng.below(3) as u8;
            Event::Scan(key, to, scan(transaction, key, to, rng.chance(0.5)))
        }
        _ => {
            transaction.put(&[key], &value.to_le_bytes()).unwrap();
            Event::Put(key, value)
        }
    }
}

fn end(transaction: Transaction, rng: &mut Rng) -> End {
    if rng.chance(0.1) {
        transaction.rollback();
        return End::RolledBack;
    }
    match transaction.commit(Durability::Buffered) {
        Ok(committed) => End::Committed(committed.at.0),
        Err(TransactionError::Conflict(conflict)) => {
            End::Refused { key: conflict.key[0], with: conflict.with.0, read: false, coarse: conflict.coarse }
        }
        Err(error) => panic!("{error}"),
    }
}

fn fresh_run(name: usize) -> Ran {
    Ran { name, events: Vec::new(), began: 0, ended: 0, end: End::RolledBack }
}

/// Up to eight transactions side by side on one thread: the seed decides everything.
fn interleaved(store: &Mvcc, isolation: Isolation, seed: u64, transactions: usize) -> Vec<Ran> {
    let mut rng = Rng::from_seed(seed);
    let (mut live, mut ran): (Vec<(Transaction, Ran, u64)>, Vec<Ran>) = (Vec::new(), Vec::new());
    let (mut begun, mut value) = (0, 0);
    while begun < transactions || !live.is_empty() {
        if begun < transactions && (live.is_empty() || (live.len() < 8 && rng.chance(0.4))) {
            live.push((store.begin(isolation), fresh_run(begun), 1 + rng.below(4)));
            begun += 1;
            continue;
        }
        let nth = rng.index(live.len());
        let (transaction, one, left) = &mut live[nth];
        if *left > 0 {
            *left -= 1;
            value += 1;
            one.events.push(act(transaction, &mut rng, value));
            continue;
        }
        let (transaction, mut one, _) = live.swap_remove(nth);
        one.end = end(transaction, &mut rng);
        ran.push(one);
        if rng.chance(0.1) {
            store.collect(3).unwrap();
        }
    }
    ran
}

/// Transactions of several threads, at once as far as the machine can.
fn threaded(store: &Mvcc, isolation: Isolation, each: usize) -> Vec<Ran> {
    let run = |nth: u64| {
        let mut rng = Rng::from_seed(nth);
        let mut ran = Vec::new();
        for name in 0..each {
            let mut one = fresh_run(nth as usize * each + name);
            let mut transaction = store.begin(isolation);
            for call in 0..2 + rng.below(4) {
                let value = (nth as u32) << 24 | (name as u32) << 4 | call as u32;
                one.events.push(act(&mut transaction, &mut rng, value));
                thread::yield_now();
            }
            one.end = end(transaction, &mut rng);
            ran.push(one);
        }
        ran
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|nth| scope.spawn(move || run(nth))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// What must hold at a level; the graph, if all does.
fn judge(ran: &[Ran], isolation: Isolation) -> Result<Graph, String> {
    let graph = Graph::of(ran)?;
    let name = |cycle: Vec<usize>| cycle.into_iter().map(|nth| &ran[nth]).collect::<Vec<_>>();
    let none = |what: &str, cycle: Option<Vec<usize>>| match cycle {
        Some(cycle) => Err(format!("{what}: {:#?}", name(cycle))),
        None => Ok(()),
    };
    none("G0", graph.dirty_writes())?;
    none("G1c", graph.circular_flow())?;
    none("a cycle that snapshots rule out", graph.beyond_snapshots())?;
    if isolation == Isolation::Serializable {
        none("G2", graph.no_order())?;
    }
    Ok(graph)
}

fn committed(ran: &[Ran]) -> usize {
    ran.iter().filter(|one| one.committed().is_some()).count()
}

pub(crate) fn no_history_has_a_cycle_that_its_level_rules_out(fresh: Fresh) {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let (mut edges, mut done, mut skewed) = (0, 0, 0);
        for seed in 0..40 {
            let ran = interleaved(&open(fresh(), Options::default()), isolation, seed, 100);
            let graph = judge(&ran, isolation).unwrap_or_else(|why| panic!("seed {seed} at {isolation:?}: {why}"));
            edges += graph.len();
            done += committed(&ran);
            skewed += usize::from(graph.no_order().is_some());
        }
        assert!(done > 1000 && edges > 2 * done, "{isolation:?}: {edges} dependencies of {done} commits are too few");
        if isolation == Isolation::Snapshot {
            assert!(
                skewed > 5,
                "write skew is not rare at snapshot isolation, so a judge that never finds it is blind"
            );
        }
    }
}

pub(crate) fn nor_has_one_of_many_threads(fresh: Fresh) {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let store = Mvcc::open(fresh(), Options::default()).unwrap();
        let ran = threaded(&store, isolation, 400);
        let graph = judge(&ran, isolation).unwrap_or_else(|why| panic!("{isolation:?}: {why}"));
        assert!(graph.len() > committed(&ran), "{} dependencies are too few", graph.len());
    }
}

/// A history in short: a transaction is its calls and its timestamp, 0 if it was rolled back.
fn told(transactions: &[(&[Event], u64)]) -> Vec<Ran> {
    let ran = transactions.iter().enumerate().map(|(name, (events, at))| Ran {
        events: events.to_vec(),
        end: if *at == 0 { End::RolledBack } else { End::Committed(*at) },
        ..fresh_run(name)
    });
    ran.collect()
}

#[test]
fn the_judge_knows_the_phenomena_by_name() {
    use Event::{Get, Put, Scan};
    let refuses =
        |transactions: &[(&[Event], u64)], isolation, because: &str| match judge(&told(transactions), isolation) {
            Err(why) => assert!(why.starts_with(because), "{why}"),
            Ok(graph) => panic!("{because} passes at {isolation:?}: {graph:?}"),
        };
    let (snapshot, serializable) = (Isolation::Snapshot, Isolation::Serializable);
    let start: (&[Event], u64) = (&[Put(1, 10), Put(2, 20)], 1);

    let aborted: (&[Event], u64) = (&[Put(1, 11)], 0);
    refuses(&[start, aborted, (&[Get(1, Some(11)), Put(3, 1)], 2)], snapshot, "2 read 11 under 1, which 1 never");
    refuses(&[(&[Put(1, 10), Put(1, 11)], 1), (&[Get(1, Some(10))], 2)], snapshot, "1 read 10 under 1, which 0 never");
    refuses(&[(&[Put(1, 10), Get(1, None)], 1)], snapshot, "0 wrote 10 under 1 and read None");
    refuses(&[(&[Get(1, Some(7))], 1)], snapshot, "0 read 7 under 1, which nobody");

    let circle: [(&[Event], u64); 2] = [(&[Put(1, 10), Get(2, Some(21))], 2), (&[Put(2, 21), Get(1, Some(10))], 3)];
    refuses(&circle, snapshot, "G1c");

    let lost: [(&[Event], u64); 3] =
        [start, (&[Get(1, Some(10)), Put(1, 11)], 2), (&[Get(1, Some(10)), Put(1, 12)], 3)];
    refuses(&lost, snapshot, "a cycle that snapshots rule out");
    let torn: [(&[Event], u64); 3] =
        [start, (&[Put(1, 11), Put(2, 21)], 2), (&[Get(1, Some(10)), Get(2, Some(21)), Put(3, 1)], 3)];
    refuses(&torn, snapshot, "a cycle that snapshots rule out");

    let skew: [(&[Event], u64); 3] =
        [start, (&[Get(1, Some(10)), Put(2, 21)], 2), (&[Get(2, Some(20)), Put(1, 11)], 3)];
    judge(&told(&skew), snapshot).expect("write skew is allowed at snapshot isolation");
    refuses(&skew, serializable, "G2");
    // The same by what is not there.
    let phantoms: [(&[Event], u64); 2] = [(&[Scan(5, 9, vec![]), Put(5, 1)], 1), (&[Scan(5, 9, vec![]), Put(6, 2)], 2)];
    judge(&told(&phantoms), snapshot).expect("so is write skew on a predicate");
    refuses(&phantoms, serializable, "G2");
    // One that only reads, and with it the cycle.
    let savings: [(&[Event], u64); 4] = [
        start,
        (&[Get(1, Some(10)), Get(2, Some(20)), Put(1, 11)], 3),
        (&[Put(2, 21)], 2),
        (&[Get(1, Some(10)), Get(2, Some(21))], 2),
    ];
    judge(&told(&savings), snapshot).expect("the read-only anomaly is allowed at snapshot isolation");
    refuses(&savings, serializable, "G2");
    judge(&told(&savings[..3]), serializable).expect("without the reader there is an order");
}
