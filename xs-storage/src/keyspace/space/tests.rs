use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use xs_os::Rng;

use super::*;
use crate::keyspace::Policy;
use crate::keyspace::list::List;
use crate::keyspace::string::Str;

fn text(bytes: &[u8]) -> Value {
    Value::Str(Str::from_slice(bytes))
}

fn content(value: &Value) -> Vec<u8> {
    value.as_str().map(Str::to_vec).unwrap_or_default()
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u8, Vec<u8>, Ttl),
    Get(u8),
    Append(u8, Vec<u8>),
    Create(u8),
    Remove(u8),
    Rename(u8, u8),
    Deadline(u8, Option<u64>),
    Wait(u64),
    Expire(usize),
    Swap,
    Flush(usize),
    Evict(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let value = || {
        prop_oneof![
            3 => prop::collection::vec(any::<u8>(), 0..60),
            1 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        ]
    };
    let ttl = prop_oneof![Just(Ttl::Clear), Just(Ttl::Keep), (0..60_u64).prop_map(Ttl::At)];
    prop_oneof![
        6 => (any::<u8>(), value(), ttl).prop_map(|(k, v, t)| Op::Insert(k, v, t)),
        2 => any::<u8>().prop_map(Op::Get),
        2 => (any::<u8>(), value()).prop_map(|(k, v)| Op::Append(k, v)),
        1 => any::<u8>().prop_map(Op::Create),
        2 => any::<u8>().prop_map(Op::Remove),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Op::Rename(a, b)),
        2 => (any::<u8>(), prop::option::of(0..60_u64)).prop_map(|(k, d)| Op::Deadline(k, d)),
        2 => (0..15_u64).prop_map(Op::Wait),
        2 => (0..20_usize).prop_map(Op::Expire),
        1 => Just(Op::Swap),
        1 => (0..6_usize).prop_map(Op::Flush),
        1 => (0..Policy::ALL.len()).prop_map(Op::Evict),
    ]
}

/// A byte names one of 24 keys in one of two databases, so that operations meet.
fn place(name: u8) -> (usize, Vec<u8>) {
    (usize::from(name) % 2, format!("key{}", name % 24).into_bytes())
}

type Model = BTreeMap<(usize, Vec<u8>), (Vec<u8>, Option<u64>)>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn agrees_with_a_map(ops in prop::collection::vec(op(), 1..120), seed in any::<u64>(), lfu in any::<bool>()) {
        let frequency = Tracking::Frequency { log_factor: 10, decay_minutes: 1 };
        let config = Config { tracking: if lfu { frequency } else { Tracking::Recency }, ..Config::default() };
        let mut space = Keyspace::new(2, config, seed);
        space.record_changes(true);
        let (mut model, mut now, mut rng) = (Model::new(), 1_u64, Rng::from_seed(seed));
        // The keys that somebody knows who sees nothing but the stream of changes, and the last number.
        let (mut follower, mut seq): (BTreeSet<(usize, Vec<u8>)>, u64) = Default::default();
        for op in ops {
            let live = |model: &Model, at: &(usize, Vec<u8>)| {
                model.get(at).filter(|(_, deadline)| deadline.is_none_or(|d| d >= now)).cloned()
            };
            match op {
                Op::Insert(name, value, ttl) => {
                    let at = place(name);
                    let old = live(&model, &at);
                    let ttl = if let Ttl::At(after) = ttl { Ttl::At(now + after) } else { ttl };
                    let deadline = match ttl {
                        Ttl::Clear => None,
                        Ttl::Keep => old.as_ref().and_then(|(_, deadline)| *deadline),
                        Ttl::At(deadline) => Some(deadline),
                    };
                    let replaced = space.insert(at.0, &at.1, text(&value), ttl, now);
                    prop_assert_eq!(replaced.as_ref().map(content), old.map(|(value, _)| value));
                    model.insert(at, (value, deadline));
                }
                Op::Get(name) => {
                    let at = place(name);
                    let expected = live(&model, &at);
                    prop_assert_eq!(space.deadline(at.0, &at.1, now), expected.as_ref().map(|e| e.1));
                    prop_assert_eq!(space.peek(at.0, &at.1, now).map(content), expected.as_ref().map(|e| e.0.clone()));
                    prop_assert_eq!(space.get(at.0, &at.1, now).map(content), expected.map(|e| e.0));
                }
                Op::Append(name, more) => {
                    let at = place(name);
                    let appended = space.update(at.0, &at.1, now, |entry| {
                        entry.touched("append");
                        entry.as_str_mut().map(|s| s.append(&more))
                    });
                    prop_assert_eq!(appended.is_some(), live(&model, &at).is_some());
                    if appended.is_some() {
                        model.entry(at).and_modify(|e| e.0.extend_from_slice(&more));
                    }
                }
                Op::Create(name) => {
                    let at = place(name);
                    let (mut entry, created) = space.get_or_insert_with(at.0, &at.1, now, || text(b"new"));
                    entry.touched("create");
                    prop_assert_eq!(created, live(&model, &at).is_none());
                    if created {
                        drop(entry);
                        model.insert(at, (b"new".to_vec(), None));
                    }
                }
                Op::Remove(name) => {
                    let at = place(name);
                    let removed = space.remove(at.0, &at.1, now).as_ref().map(content);
                    prop_assert_eq!(removed, live(&model, &at).map(|e| e.0));
                    model.remove(&at);
                }
                Op::Rename(from, to) => {
                    let (from, to) = (place(from), place(to));
                    let expected = live(&model, &from);
                    prop_assert_eq!(space.rename((from.0, &from.1), (to.0, &to.1), now), expected.is_some());
                    if let Some(entry) = expected {
                        model.remove(&from);
                        model.insert(to, entry);
                    }
                }
                Op::Deadline(name, after) => {
                    let at = place(name);
                    let deadline = after.map(|after| now + after);
                    prop_assert_eq!(space.set_deadline(at.0, &at.1, deadline, now), live(&model, &at).is_some());
                    if live(&model, &at).is_some() {
                        model.entry(at).and_modify(|e| e.1 = deadline);
                    }
                }
                Op::Wait(ms) => now += ms,
                Op::Expire(limit) => {
                    let due: BTreeSet<u64> = model.values().filter_map(|e| e.1).filter(|d| *d < now).collect();
                    prop_assert_eq!(space.next_deadline().is_some_and(|d| d < now), {
                        (0..2).any(|db| space.iter(db).any(|(_, _, d)| d.is_some_and(|d| d < now)))
                    });
                    let expired = space.expire_due(now, limit);
                    prop_assert!(expired <= limit && (!due.is_empty() || expired == 0));
                    if expired < limit {
                        model.retain(|_, e| e.1.is_none_or(|d| d >= now));
                        prop_assert_eq!(space.len(0) + space.len(1), model.len());
                    }
                }
                Op::Swap => {
                    space.swap_dbs(0, 1);
                    model = std::mem::take(&mut model).into_iter().map(|((db, key), e)| ((1 - db, key), e)).collect();
                    follower = std::mem::take(&mut follower).into_iter().map(|(db, key)| (1 - db, key)).collect();
                }
                Op::Flush(db) if db < 2 => {
                    drop(space.flush(Some(db)));
                    model.retain(|at, _| at.0 != db);
                }
                Op::Flush(db) => if db == 2 {
                    drop(space.flush(None));
                    model.clear();
                },
                Op::Evict(policy) => {
                    let policy = Policy::ALL[policy];
                    let victims: Vec<_> = (0..2)
                        .flat_map(|db| space.iter(db).map(move |(key, _, deadline)| (db, key.to_vec(), deadline)))
                        .filter(|(_, _, deadline)| deadline.is_some() || !policy.is_volatile())
                        .collect();
                    let evicted = space.evict_one(policy, &mut rng, now);
                    prop_assert_eq!(evicted.is_some(), policy != Policy::NoEviction && !victims.is_empty());
                    if let Some((db, key)) = evicted {
                        let (_, _, deadline) = victims.iter().find(|v| (v.0, &*v.1) == (db, &*key)).expect("a victim");
                        if policy == Policy::VolatileTtl {
                            prop_assert!(victims.iter().all(|v| v.2 >= *deadline));
                        }
                        model.remove(&(db, key.to_vec()));
                    }
                }
            }
            for change in space.changes() {
                prop_assert_eq!(change.seq, seq + 1, "every mutation has the next number");
                seq = change.seq;
                let at = (change.db, change.key.to_vec());
                match change.kind {
                    ChangeKind::Created => prop_assert!(follower.insert(at)),
                    ChangeKind::Set | ChangeKind::Modified(_) => prop_assert!(follower.contains(&at)),
                    ChangeKind::Removed | ChangeKind::Expired | ChangeKind::Evicted => prop_assert!(follower.remove(&at)),
                    ChangeKind::Flushed => follower.retain(|(db, _)| *db != at.0),
                    ChangeKind::Deadline(_) => prop_assert!(follower.contains(&at)),
                    ChangeKind::Swapped(other) => prop_assert_eq!(other, 1 - at.0),
                }
            }
            prop_assert_eq!(space.seq(), seq);
            space.audit();
        }
        // Whatever the model knows and has not expired is there, and nothing else; whoever followed the changes has the
        // same keys as the keyspace has.
        model.retain(|_, e| e.1.is_none_or(|d| d >= now));
        let mut here = Model::new();
        let mut all = BTreeSet::new();
        for db in 0..2 {
            let mut cursor = 0;
            loop {
                cursor = space.scan(db, cursor, 3, now, |key, value| {
                    here.insert((db, key.to_vec()), (content(value), None));
                });
                if cursor == 0 { break; }
            }
            all.extend(space.iter(db).map(|(key, _, _)| (db, key.to_vec())));
        }
        prop_assert_eq!(all, follower);
        for (at, entry) in &mut here { entry.1 = space.deadline(at.0, &at.1, now).flatten(); }
        prop_assert_eq!(here, model);
    }
}

#[test]
fn a_key_lives_through_its_last_millisecond() {
    let mut space = Keyspace::new(1, Config::default(), 1);
    space.insert(0, b"k", text(b"v"), Ttl::At(1000), 0);
    space.record_changes(true);
    assert!(space.get(0, b"k", 1000).is_some() && space.expire_due(1000, 10) == 0);
    assert!(space.peek(0, b"k", 1001).is_none());
    assert_eq!(space.len(0), 1, "a look has no effect");
    assert!(space.get(0, b"k", 1001).is_none());
    assert_eq!((space.len(0), space.volatile_len(0)), (0, 0));
    assert_eq!(space.changes().next().map(|c| c.kind), Some(ChangeKind::Expired));
    assert_eq!(space.used_bytes(), space.dbs[0].deadlines.allocated_bytes());
}

#[test]
fn large_values_can_be_set_aside_and_small_ones_are_not() {
    let limits = crate::keyspace::Limits::default();
    let set_aside = SetAside { expired: true, evicted: true };
    let mut space = Keyspace::new(1, Config { set_aside, ..Config::default() }, 1);
    let fill = |space: &mut Keyspace, key: &[u8], len: u32| {
        let mut set = crate::keyspace::Set::default();
        (0..len).for_each(|n| assert!(set.insert(format!("member {n}").as_bytes(), &limits)));
        space.insert(0, key, set.into(), Ttl::At(1000), 0);
    };
    fill(&mut space, b"large", 1000);
    fill(&mut space, b"small", 60);
    assert_eq!(space.expire_due(2000, 10), 2);
    assert_eq!(space.garbage().iter().map(Value::pieces).collect::<Vec<_>>(), [1000]);
    fill(&mut space, b"large", 1000);
    assert!(space.evict_one(Policy::AllKeysRandom, &mut Rng::from_seed(1), 0).is_some() && space.has_garbage());
    assert_eq!(space.garbage().len(), 1);
    space.set_config(Config::default());
    fill(&mut space, b"large", 1000);
    assert!(space.get(0, b"large", 2000).is_none() && !space.has_garbage());
    space.audit();
}

#[test]
fn an_expired_key_can_be_kept_until_it_is_written() {
    let mut space = Keyspace::new(1, Config::default(), 1);
    space.insert(0, b"k", text(b"old"), Ttl::At(1000), 0);
    space.keep_expired(true);
    assert!(space.get(0, b"k", 1001).is_none());
    assert!(space.random_key(0, &mut Rng::from_seed(1), 1001).is_none());
    assert_eq!((space.len(0), space.expired()), (1, 0), "missing for whoever asks, and not removed");
    assert!(space.insert(0, b"k", text(b"new"), Ttl::Clear, 1001).is_none());
    assert_eq!((space.len(0), space.expired()), (1, 1));
    space.audit();
}

#[test]
fn a_collection_that_runs_empty_takes_its_key_along() {
    let (mut space, limits) = (Keyspace::new(1, Config::default(), 1), crate::keyspace::Limits::default());
    for how in 0..2 {
        let (mut entry, created) = space.get_or_insert_with(0, b"l", 0, || List::new().into());
        assert!(created);
        entry.as_list_mut().unwrap().push_back(b"x", &limits);
        drop(entry);
        space.audit();
        let pop = |value: &mut Value| value.as_list_mut().unwrap().pop_front(|item| item.to_vec());
        if how == 0 {
            assert_eq!(space.update(0, b"l", 0, |entry| pop(entry)), Some(Some(b"x".to_vec())));
        } else {
            assert!(!space.remove_if_spent(0, b"l"));
            pop(&mut space.get_mut(0, b"l", 0).unwrap());
            assert!(space.remove_if_spent(0, b"l"));
        }
        assert_eq!((space.len(0), space.used_bytes()), (0, 0));
    }
}

#[test]
fn keys_expire_in_the_order_of_their_deadlines_across_databases() {
    let mut space = Keyspace::new(4, Config::default(), 1);
    let mut rng = Rng::from_seed(3);
    for n in 0..1000_u32 {
        space.insert(rng.index(4), &n.to_le_bytes(), text(b""), Ttl::At(rng.below(500)), 0);
    }
    space.record_changes(true);
    let at: BTreeMap<Vec<u8>, u64> =
        (0..4).flat_map(|db| space.iter(db)).map(|(key, _, deadline)| (key.to_vec(), deadline.unwrap())).collect();
    let due = at.values().filter(|&&deadline| deadline < 300).count();
    assert_eq!(space.expire_due(300, 10), 10);
    assert_eq!(space.expire_due(300, usize::MAX), due - 10);
    let order: Vec<u64> = space.changes().map(|change| at[&*change.key]).collect();
    assert!(order.is_sorted() && order.len() == due);
    assert_eq!(space.next_deadline(), at.values().copied().filter(|&deadline| deadline >= 300).min());
}

#[test]
fn nothing_is_recorded_unless_asked_but_numbers_run_on() {
    let mut space = Keyspace::new(1, Config::default(), 1);
    space.insert(0, b"a", text(b""), Ttl::Clear, 0);
    assert_eq!((space.changes().count(), space.seq()), (0, 1));
    space.record_changes(true);
    space.note(0, b"a", "touch");
    let change = space.changes().next().unwrap();
    assert_eq!((change.seq, &*change.key, change.kind), (2, &b"a"[..], ChangeKind::Modified("touch")));
}

#[test]
fn lru_evicts_what_was_not_used_and_lfu_what_is_seldom_used() {
    let frequency = Tracking::Frequency { log_factor: 10, decay_minutes: 1 };
    for (policy, tracking) in [(Policy::AllKeysLru, Tracking::Recency), (Policy::AllKeysLfu, frequency)] {
        let mut space = Keyspace::new(2, Config { tracking, ..Config::default() }, 7);
        let mut rng = Rng::from_seed(5);
        let key = |n: u32| (n as usize % 2, n.to_le_bytes());
        for n in 0..2000 {
            space.insert(key(n).0, &key(n).1, text(b"v"), Ttl::Clear, 0);
        }
        // The upper half is used, again and again, and later.
        for round in 0..20_u64 {
            for n in 1000..2000 {
                space.get(key(n).0, &key(n).1, 10_000 + round);
            }
        }
        let mut wrong = 0;
        for _ in 0..800 {
            let (_, victim) = space.evict_one(policy, &mut rng, 20_000).unwrap();
            wrong += u32::from(u32::from_le_bytes((*victim).try_into().unwrap()) >= 1000);
        }
        assert!(wrong < 20, "{policy:?} evicted {wrong} of the keys in use");
        space.audit();
    }
}

#[test]
fn volatile_policies_spare_keys_without_a_deadline() {
    let mut rng = Rng::from_seed(5);
    for policy in Policy::ALL.into_iter().filter(|policy| policy.is_volatile()) {
        let mut space = Keyspace::new(1, Config::default(), 7);
        for n in 0..100_u64 {
            let ttl = if n < 30 { Ttl::At(1000 - n) } else { Ttl::Clear };
            space.insert(0, &n.to_le_bytes(), text(b"v"), ttl, 0);
        }
        let victims: Vec<_> = std::iter::from_fn(|| space.evict_one(policy, &mut rng, 0)).collect();
        assert_eq!((victims.len(), space.len(0)), (30, 70), "{policy:?}");
    }
}

#[test]
fn idle_time_and_frequency_are_told_without_counting_as_a_use() {
    let mut space = Keyspace::new(1, Config::default(), 7);
    space.insert(0, b"k", text(b"v"), Ttl::Clear, 0);
    assert_eq!(space.idle_ms(0, b"k", 9000), Some(9000));
    space.peek(0, b"k", 9000);
    assert_eq!((space.idle_ms(0, b"k", 9000), space.frequency(0, b"k", 9000)), (Some(9000), None));
    space.get(0, b"k", 9000);
    assert_eq!(space.idle_ms(0, b"k", 9000), Some(0));
    space.set_config(Config { tracking: Tracking::Frequency { log_factor: 0, decay_minutes: 0 }, ..Config::default() });
    space.insert(0, b"new", text(b"v"), Ttl::Clear, 0);
    space.get(0, b"new", 0);
    assert_eq!(space.frequency(0, b"new", 0), Some(6));
}

#[test]
fn random_keys_are_live() {
    let mut space = Keyspace::new(1, Config::default(), 7);
    let mut rng = Rng::from_seed(5);
    for n in 0..100_u8 {
        space.insert(0, &[n], text(b"v"), if n < 99 { Ttl::At(10) } else { Ttl::Clear }, 0);
    }
    assert_eq!(space.random_key(0, &mut rng, 11), Some(&[99][..]));
    assert_eq!(space.random_key(1, &mut rng, 11), None);
}

#[test]
fn one_seed_gives_one_order_and_another_seed_another() {
    let order = |seed| {
        let mut space = Keyspace::new(1, Config::default(), seed);
        (0..500_u32).for_each(|n| {
            space.insert(0, &n.to_le_bytes(), text(b""), Ttl::Clear, 0);
        });
        space.iter(0).map(|(key, _, _)| key.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn a_flushed_database_may_be_dropped_elsewhere() {
    let mut space = Keyspace::new(2, Config::default(), 7);
    space.insert(1, b"k", text(&[0; 100]), Ttl::At(5), 0);
    let garbage = space.flush(None);
    assert_eq!((space.len(1), space.used_bytes()), (0, 0));
    std::thread::scope(|scope| {
        scope.spawn(move || drop(garbage));
    });
}

#[test]
fn a_small_key_and_value_take_one_allocation() {
    let mut space = Keyspace::new(1, Config::default(), 7);
    for n in 0..100_000_u64 {
        space.insert(0, format!("key:{n:012}").as_bytes(), text(b"xxxxxxxxxxxxxxxx"), Ttl::Clear, 0);
    }
    let each = space.used_bytes() as f64 / 100_000.0;
    assert!(each < 68.0, "{each} bytes for a key of 16 and a value of 16");
    let usage = space.memory_usage(0, b"key:000000000001");
    assert_eq!(usage, Some(48 + 16));
}
