//! Cursors over versions and own writes, against a walk over a map.

use std::collections::BTreeMap;

use xs_os::Rng;
use xs_storage::engine::{Durability, KeyRange, ReadView};
use xs_storage::mvcc::{Isolation, Mvcc};

use super::{Fresh, by_hand};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Short keys over few bytes, zeros among them: many are prefixes of others.
fn key(rng: &mut Rng) -> Vec<u8> {
    (0..rng.below(4)).map(|_| [0, 1, b'a', 0xFF][rng.index(4)]).collect()
}

fn range(rng: &mut Rng) -> KeyRange<'static> {
    use std::ops::Bound;
    let mut bound = || match rng.below(3) {
        0 => Bound::Included(key(rng).into()),
        1 => Bound::Excluded(key(rng).into()),
        _ => Bound::Unbounded,
    };
    KeyRange { start: bound(), end: bound() }
}

pub(crate) fn a_cursor_is_a_walk_over_a_map(fresh: Fresh) {
    for seed in 0..120 {
        let mut rng = Rng::from_seed(seed);
        let store = by_hand(fresh);
        let (mut now, mut moments) = (Map::new(), Vec::new());
        // Up to 40 versions of a key: more than a cursor steps over.
        for _ in 0..rng.below(60) {
            commit(&store, &mut now, &mut rng);
            if rng.chance(0.1) {
                moments.push((store.begin_read_only(), now.clone()));
            }
            if rng.chance(0.1) {
                store.collect(3).unwrap();
            }
        }
        for (view, map) in &moments {
            walk(view, map, &mut rng, seed);
        }
        for isolation in [Isolation::Snapshot, Isolation::Serializable] {
            let (mut transaction, mut own) = (store.begin(isolation), now.clone());
            commit(&store, &mut now, &mut rng);
            for _ in 0..rng.below(12) {
                let key = key(&mut rng);
                if rng.chance(0.5) {
                    transaction.put(&key, b"own").unwrap();
                    own.insert(key, b"own".to_vec());
                } else {
                    transaction.delete(&key).unwrap();
                    own.remove(&key);
                }
            }
            walk(&transaction, &own, &mut rng, seed);
        }
    }
}

fn commit(store: &Mvcc, now: &mut Map, rng: &mut Rng) {
    let mut transaction = store.begin(Isolation::Snapshot);
    for _ in 0..rng.below(6) {
        // Half of all writes go to one key.
        let key = if rng.chance(0.5) { b"a\0".to_vec() } else { key(rng) };
        if rng.chance(0.3) {
            transaction.delete(&key).unwrap();
            now.remove(&key);
        } else {
            let value = rng.next_u64().to_le_bytes()[..rng.index(9)].to_vec();
            transaction.put(&key, &value).unwrap();
            now.insert(key, value);
        }
    }
    let _ = transaction.commit(Durability::Buffered).unwrap();
}

/// Where the model is: in front of the first, on one, or behind the last.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Front,
    On(usize),
    Behind,
}

fn walk(view: &dyn ReadView, map: &Map, rng: &mut Rng, seed: u64) {
    for _ in 0..8 {
        let key = key(rng);
        assert_eq!(view.get(&key).unwrap().as_deref(), map.get(&key).map(Vec::as_slice), "seed {seed}: {key:?}");
    }
    for _ in 0..4 {
        let range = range(rng);
        let entries: Vec<(&Vec<u8>, &Vec<u8>)> = map.iter().filter(|(key, _)| range.contains(key)).collect();
        let mut cursor = view.cursor(range.clone()).unwrap();
        let mut place = Place::Front;
        let at = |n: Option<usize>, out: Place| n.map_or(out, Place::On);
        let mut trace = vec![format!("seed {seed}, {range:?} of {entries:?}")];
        for _ in 0..20 {
            let target = key_near(rng, &entries);
            let from = entries.partition_point(|(key, _)| **key < target);
            let first = (from < entries.len()).then_some(from);
            let moved = match rng.below(9) {
                0..3 => {
                    trace.push("next".into());
                    place = match place {
                        Place::Front => at((!entries.is_empty()).then_some(0), Place::Behind),
                        Place::On(n) => at(Some(n + 1).filter(|&n| n < entries.len()), Place::Behind),
                        Place::Behind => Place::Behind,
                    };
                    cursor.next().unwrap()
                }
                3..6 => {
                    trace.push("prev".into());
                    place = match place {
                        Place::Front => Place::Front,
                        Place::On(n) => at(n.checked_sub(1), Place::Front),
                        Place::Behind => at(entries.len().checked_sub(1), Place::Front),
                    };
                    cursor.prev().unwrap()
                }
                6 => {
                    trace.push(format!("seek {target:?}"));
                    place = at(first, Place::Behind);
                    cursor.seek(&target).unwrap()
                }
                7 => {
                    trace.push(format!("seek_back {target:?}"));
                    let exact = first.filter(|&n| *entries[n].0 == target);
                    place = at(exact.or(from.checked_sub(1)), Place::Front);
                    cursor.seek_back(&target).unwrap()
                }
                _ => {
                    trace.push("seek_end".into());
                    place = Place::Behind;
                    cursor.seek_end().unwrap();
                    false
                }
            };
            let entry = if let Place::On(n) = place { Some(entries[n]) } else { None };
            assert_eq!(moved, entry.is_some(), "{trace:#?}");
            assert_eq!(cursor.key(), entry.map_or(&b""[..], |(key, _)| key), "{trace:#?}");
            assert_eq!(cursor.value().unwrap(), entry.map_or(&b""[..], |(_, value)| value), "{trace:#?}");
        }
    }
}

fn key_near(rng: &mut Rng, entries: &[(&Vec<u8>, &Vec<u8>)]) -> Vec<u8> {
    if entries.is_empty() || rng.chance(0.5) { key(rng) } else { entries[rng.index(entries.len())].0.clone() }
}
