//! Random transactions side by side on one thread, so that the order of everything is known, judged by `history`.

use bytes::Bytes;
use xs_os::Rng;
use xs_storage::engine::{Durability, KeyRange, ReadView};
use xs_storage::mvcc::{ConflictKind, Isolation, Mvcc, Options, Transaction, TransactionError};

use super::history::{self, End, Event, Map, Ran};
use super::{Fresh, open};

const KEYS: u8 = 5;
const SEEDS: u64 = 400;

struct Live {
    transaction: Transaction,
    ran: Ran,
    left: u64,
}

/// One run: who did what, and what the store held in the end.
fn play(store: &Mvcc, isolation: Isolation, seed: u64) -> (Vec<Ran>, Map) {
    let mut rng = Rng::from_seed(seed);
    let (mut live, mut ran): (Vec<Live>, Vec<Ran>) = (Vec::new(), Vec::new());
    let (mut clock, mut value) = (0, 0);
    let mut to_begin = 3 + rng.below(5);
    let mut name = 0;
    while to_begin > 0 || !live.is_empty() {
        if to_begin > 0 && (live.is_empty() || (live.len() < 4 && rng.chance(0.3))) {
            to_begin -= 1;
            clock += 1;
            let events = Vec::new();
            let fresh = Ran { name, events, began: clock, ended: 0, end: End::RolledBack };
            live.push(Live { transaction: store.begin(isolation), ran: fresh, left: 1 + rng.below(5) });
            name += 1;
            continue;
        }
        if rng.chance(0.1) {
            store.collect(1 + rng.index(4)).unwrap();
        }
        if rng.chance(0.03) {
            store.sweep(&mut |_| true).unwrap();
        }
        let n = rng.index(live.len());
        if live[n].left > 0 {
            live[n].left -= 1;
            let event = act(&mut live[n].transaction, &mut rng, &mut value);
            live[n].ran.events.push(event);
            continue;
        }
        let Live { transaction, ran: mut done, .. } = live.swap_remove(n);
        clock += 1;
        done.ended = clock;
        if rng.chance(0.1) {
            transaction.rollback();
        } else {
            done.end = match transaction.commit(Durability::Buffered) {
                Ok(committed) => End::Committed(committed.at.0),
                Err(TransactionError::Conflict(conflict)) => End::Refused {
                    key: conflict.key[0],
                    with: conflict.with.0,
                    read: conflict.kind == ConflictKind::ReadWrite,
                    coarse: conflict.coarse,
                },
                Err(error) => panic!("{error}"),
            };
        }
        ran.push(done);
    }
    let view = store.begin_read_only();
    let left = scan(&view, 0, u8::MAX, false).into_iter().collect();
    (ran, left)
}

fn act(transaction: &mut Transaction, rng: &mut Rng, value: &mut u32) -> Event {
    let key = rng.below(KEYS.into()) as u8;
    match rng.below(10) {
        0..4 => Event::Get(key, transaction.get(&[key]).unwrap().map(number)),
        4..6 => {
            let to = key + rng.below(4) as u8;
            Event::Scan(key, to, scan(transaction, key, to, rng.chance(0.5)))
        }
        6..9 => {
            *value += 1;
            transaction.put(&[key], &value.to_le_bytes()).unwrap();
            Event::Put(key, *value)
        }
        _ => {
            transaction.delete(&[key]).unwrap();
            Event::Delete(key)
        }
    }
}

fn number(bytes: impl AsRef<[u8]>) -> u32 {
    u32::from_le_bytes(bytes.as_ref().try_into().unwrap())
}

pub(crate) fn scan(view: &dyn ReadView, from: u8, to: u8, backwards: bool) -> Vec<(u8, u32)> {
    let (from, to) = ([from], [to]);
    let mut cursor = view.cursor(KeyRange::between(&from, &to)).unwrap();
    let mut found = Vec::new();
    if backwards {
        cursor.seek_end().unwrap();
    }
    while if backwards { cursor.prev().unwrap() } else { cursor.next().unwrap() } {
        found.push((cursor.key()[0], number(Bytes::copy_from_slice(cursor.value().unwrap()))));
    }
    if backwards {
        found.reverse();
    }
    found
}

/// Plays every seed, and says which one a judge refuses.
fn judge(
    fresh: Fresh,
    options: &Options,
    isolation: Isolation,
    judge: impl Fn(&[Ran], &Map) -> Result<(), String>,
) -> [u64; 3] {
    let mut ends = [0; 3];
    for seed in 0..SEEDS {
        let (ran, left) = play(&open(fresh(), options.clone()), isolation, seed);
        for one in &ran {
            match one.end {
                End::Committed(_) => ends[0] += 1,
                End::Refused { .. } => ends[1] += 1,
                End::RolledBack => ends[2] += 1,
            }
        }
        if let Err(why) = judge(&ran, &left) {
            panic!("seed {seed} at {isolation:?}: {why}\n{ran:#?}");
        }
    }
    ends
}

pub(crate) fn snapshot_transactions_read_snapshots_and_the_first_committer_wins(fresh: Fresh) {
    let ends = judge(fresh, &Options::default(), Isolation::Snapshot, |ran, _| {
        history::snapshot_reads(ran)?;
        history::first_committer_wins(ran)?;
        history::refusals_have_reasons(ran)
    });
    assert!(ends.iter().all(|&count| count > 50), "committed, refused, rolled back: {ends:?}");
}

pub(crate) fn serializable_transactions_have_a_serial_order(fresh: Fresh) {
    let ends = judge(fresh, &Options::default(), Isolation::Serializable, |ran, left| {
        history::snapshot_reads(ran)?;
        history::refusals_have_reasons(ran)?;
        history::serial_order(ran, left).map(drop).ok_or_else(|| "no serial order".into())
    });
    assert!(ends.iter().all(|&count| count > 50), "committed, refused, rolled back: {ends:?}");
}

/// Hardly a read or a commit is remembered: the engine is asked, and neighbours count as read.
pub(crate) fn small_limits_cost_aborts_and_never_an_answer(fresh: Fresh) {
    let options = Options { read_limit: 70, history_limit: 100, ..Options::default() };
    judge(fresh, &options, Isolation::Snapshot, |ran, _| {
        history::snapshot_reads(ran)?;
        history::first_committer_wins(ran)?;
        history::refusals_have_reasons(ran)
    });
    let roomy = judge(fresh, &Options::default(), Isolation::Serializable, |_, _| Ok(()));
    let small = judge(fresh, &options, Isolation::Serializable, |ran, left| {
        history::snapshot_reads(ran)?;
        history::refusals_have_reasons(ran)?;
        history::serial_order(ran, left).map(drop).ok_or_else(|| "no serial order".into())
    });
    assert!(small[1] > roomy[1], "coarser reads refuse more: {small:?}, {roomy:?}");
}

pub(crate) fn the_checker_finds_what_snapshots_let_pass(fresh: Fresh) {
    let skewed = (0..SEEDS).filter(|&seed| {
        let (ran, left) = play(&open(fresh(), Options::default()), Isolation::Snapshot, seed);
        history::serial_order(&ran, &left).is_none()
    });
    assert!(skewed.count() > 5, "write skew is not rare, so a checker that never finds it is blind");
}
