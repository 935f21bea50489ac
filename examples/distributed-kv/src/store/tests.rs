use proptest::prelude::*;
use xs_storage::engine::MemoryEngine;

use super::sessions::MAX_SESSIONS;
use super::view::Scanned;
use super::*;
use crate::command::{Entry, ExpireIf, Expiry, Id, Op, SetIf, Unit, encode};

fn empty() -> Store {
    Store::open(Arc::new(MemoryEngine::new())).unwrap()
}

fn bytes(entry: &Entry) -> Bytes {
    encode(entry).into()
}

/// Applies one entry at the next place, and tells its answers.
fn run(store: &mut Store, at: Millis, ops: Vec<Op>) -> Vec<Answer> {
    match run_as(store, at, None, ops) {
        Outcome::Done(answers) => answers,
        other => panic!("{other:?}"),
    }
}

fn run_as(store: &mut Store, at: Millis, id: Option<Id>, ops: Vec<Op>) -> Outcome {
    let index = store.applied() + 1;
    store.apply([(index, bytes(&Entry { at, id, ops }))], index).unwrap().remove(0)
}

fn set(key: &'static str, value: &'static str, expiry: Expiry) -> Op {
    Op::Set { key: key.into(), value: value.into(), expiry, when: SetIf::Always, get: false }
}

fn get(key: &'static str) -> Op {
    Op::Get(key.into())
}

fn bulk(value: &'static str) -> Answer {
    Answer::Bulk(value.into())
}

fn dumped(store: &Store) -> Vec<u8> {
    let mut out = Vec::new();
    store.snapshot().unwrap().read_to_end(&mut out).unwrap();
    out
}

#[test]
fn an_entry_sees_what_stands_in_front_of_it_in_the_same_batch() {
    let mut store = empty();
    let entry = |ops| bytes(&Entry { at: 1, id: None, ops });
    let outcomes = store
        .apply(
            [
                (1, entry(vec![set("a", "1", Expiry::Never)])),
                (3, entry(vec![Op::Add("a".into(), 41), get("a"), Op::Count])),
            ],
            4,
        )
        .unwrap();
    assert_eq!(outcomes[1], Outcome::Done(vec![Answer::Int(42), bulk("42"), Answer::Int(1)]));
    assert_eq!(store.applied(), 4);
    assert_eq!(store.view().read(&get("a"), 0).unwrap(), bulk("42"));
}

#[test]
fn a_key_goes_by_the_time_of_the_entries_and_that_never_goes_back() {
    let mut store = empty();
    run(&mut store, 1000, vec![set("k", "v", Expiry::After(500))]);
    assert_eq!(store.next_end(), Some(1500));
    assert_eq!(run(&mut store, 1500, vec![get("k")]), [bulk("v")], "at its very end it is still there");
    assert_eq!(store.view().read(&Op::TimeLeft("k".into(), Unit::Millis), 1400).unwrap(), Answer::Int(0));
    assert_eq!(run(&mut store, 1501, vec![get("k"), Op::Count]), [Answer::Nil, Answer::Int(0)]);
    assert_eq!(store.next_end(), None);
    // A leader whose calendar is behind.
    run(&mut store, 900, vec![set("k", "w", Expiry::After(10))]);
    assert_eq!(store.clock(), 1501);
    assert_eq!(store.next_end(), Some(1511));
    assert_eq!(run(&mut store, 1510, vec![get("k")]), [bulk("w")]);
    assert_eq!(store.view().read(&get("k"), 99_999).unwrap(), bulk("w"), "the reader's own calendar ends no key");
}

#[test]
fn keys_that_are_over_are_removed_a_few_at_a_time_and_by_ticks_many() {
    let mut store = empty();
    let pairs: Vec<Op> = (0..100u32)
        .map(|n| Op::Set {
            key: format!("k{n}").into(),
            value: "v".into(),
            expiry: Expiry::At(10 + u64::from(n)),
            when: SetIf::Always,
            get: false,
        })
        .collect();
    run(&mut store, 1, pairs);
    assert_eq!(run(&mut store, 1000, vec![Op::Count]), [Answer::Int(84)]);
    assert_eq!(run(&mut store, 1000, vec![get("k99")]), [Answer::Nil], "what is over is not seen, removed or not");
    run(&mut store, 1000, vec![Op::Tick]);
    assert_eq!((store.next_end(), store.view().read(&Op::Count, 0).unwrap()), (None, Answer::Int(0)));
}

#[test]
fn conditions_hold_as_in_redis() {
    let mut store = empty();
    let conditional = |when, get| Op::Set { key: "k".into(), value: "new".into(), expiry: Expiry::Never, when, get };
    assert_eq!(run(&mut store, 1, vec![conditional(SetIf::Present, false)]), [Answer::Nil]);
    assert_eq!(run(&mut store, 1, vec![conditional(SetIf::Absent, true)]), [Answer::Nil]);
    assert_eq!(run(&mut store, 1, vec![conditional(SetIf::Absent, true)]), [bulk("new")]);
    let swap = |old: &'static str| Op::CompareAndSet { key: "k".into(), old: old.into(), new: "newer".into() };
    assert_eq!(run(&mut store, 1, vec![swap("old"), swap("new"), swap("new")]), [0, 1, 0].map(Answer::Int));
    assert_eq!(
        run(&mut store, 1, vec![Op::CompareAndSet { key: "?".into(), old: "".into(), new: "x".into() }]),
        [Answer::Int(-1)]
    );
    let expire = |end, when| Op::Expire("k".into(), Expiry::At(end), when);
    let asked = vec![
        expire(100, ExpireIf::Later),
        expire(100, ExpireIf::Ending),
        expire(100, ExpireIf::Endless),
        expire(90, ExpireIf::Later),
        expire(90, ExpireIf::Earlier),
        Op::Persist("k".into()),
        Op::Persist("k".into()),
    ];
    assert_eq!(run(&mut store, 1, asked), [0, 0, 1, 0, 1, 1, 0].map(Answer::Int));
    assert_eq!(run(&mut store, 50, vec![expire(49, ExpireIf::Always), get("k")]), [Answer::Int(1), Answer::Nil]);
    run(&mut store, 50, vec![set("n", "9223372036854775807", Expiry::Never)]);
    assert!(
        matches!(&run(&mut store, 50, vec![Op::Add("n".into(), 1)])[0], Answer::Error(why) if why.contains("overflow"))
    );
}

#[test]
fn everything_goes_and_what_comes_behind_it_stays() {
    let mut store = empty();
    run(&mut store, 1, vec![set("a", "1", Expiry::At(9)), set("b", "2", Expiry::Never)]);
    let both = vec![Op::Flush, set("c", "3", Expiry::At(99)), Op::Count, get("a")];
    assert_eq!(run(&mut store, 2, both), [Answer::Ok, Answer::Ok, Answer::Int(1), Answer::Nil]);
    assert_eq!(run(&mut store, 100, vec![Op::Count]), [Answer::Int(0)], "the ends went along, and came anew");
    assert_eq!(store.view().scan(b"", 10).unwrap(), Scanned { keys: vec![], next: None });
}

#[test]
fn a_copy_is_answered_and_not_applied() {
    let mut store = empty();
    let id = |seq| Some(Id { session: 7, seq, since: 0 });
    let add = || vec![Op::Add("n".into(), 1)];
    assert_eq!(run_as(&mut store, 1, id(1), add()), Outcome::Done(vec![Answer::Int(1)]));
    assert_eq!(run_as(&mut store, 1, id(1), add()), Outcome::Done(vec![Answer::Int(1)]));
    assert_eq!(run_as(&mut store, 1, id(2), add()), Outcome::Done(vec![Answer::Int(2)]));
    assert_eq!(run_as(&mut store, 1, id(1), add()), Outcome::TooOld);
    // The table is a part of the state: it is there after a restart.
    let mut store = Store::open(store.engine().clone()).unwrap();
    assert_eq!(run_as(&mut store, 1, id(2), add()), Outcome::Done(vec![Answer::Int(2)]));
    // An answer that is too long to keep.
    let long = vec![Op::Append("s".into(), vec![b'x'; 5000].into()), get("s")];
    assert!(matches!(run_as(&mut store, 1, id(3), long.clone()), Outcome::Done(_)));
    assert_eq!(run_as(&mut store, 1, id(3), long), Outcome::DoneBefore);
    assert_eq!(store.view().read(&Op::Length("s".into()), 0).unwrap(), Answer::Int(5000));
}

#[test]
fn a_session_that_was_forgotten_is_not_mistaken_for_a_new_one() {
    let mut store = empty();
    let add = || vec![Op::Add("n".into(), 1)];
    for session in 0..MAX_SESSIONS as u128 + 1 {
        let since = store.applied();
        assert!(matches!(run_as(&mut store, 1, Some(Id { session, seq: 1, since }), add()), Outcome::Done(_)));
    }
    let count = store.applied() as i64;
    // Session 0 was forgotten; its entry was first sent when the log was empty.
    assert_eq!(run_as(&mut store, 1, Some(Id { session: 0, seq: 1, since: 0 }), add()), Outcome::TooOld);
    // Somebody new, or session 0 with something new, has seen a longer log.
    let since = store.applied();
    let outcome = run_as(&mut store, 1, Some(Id { session: 0, seq: 2, since }), add());
    assert_eq!(outcome, Outcome::Done(vec![Answer::Int(count + 1)]));
}

#[test]
fn where_nodes_are_is_a_part_of_the_state() {
    let mut store = empty();
    let at = |peer: &str| Member { peer: peer.into(), client: "c:1".into() };
    run(&mut store, 1, vec![Op::Remember(3, at("a:1")), Op::Remember(4, at("b:1")), Op::Remember(3, at("a:2"))]);
    run(&mut store, 1, vec![Op::Forget(4), Op::Flush]);
    let store = Store::open(store.engine().clone()).unwrap();
    assert_eq!(store.members(), &BTreeMap::from([(3, at("a:2"))]));
}

#[test]
fn what_came_before_and_an_unknown_version_stop_the_replica() {
    let mut store = empty();
    run(&mut store, 1, vec![]);
    let again = bytes(&Entry { at: 1, id: None, ops: vec![] });
    assert!(matches!(store.apply([(1, again)], 1), Err(StoreError::Backwards { behind: 1, found: 1 })));
    let mut store = empty();
    assert!(matches!(store.apply([(1, Bytes::from_static(&[9, 0, 0]))], 1), Err(StoreError::Unknown(_))));
}

#[test]
fn a_scan_meets_every_key_once_in_whatever_pieces() {
    let mut store = empty();
    for n in 0..25u32 {
        let key = format!("k{n:02}").into();
        run(
            &mut store,
            1,
            vec![Op::Set { key, value: "v".into(), expiry: Expiry::Never, when: SetIf::Always, get: false }],
        );
    }
    let (view, mut from, mut met) = (store.view(), Bytes::new(), Vec::new());
    loop {
        let part = view.scan(&from, 7).unwrap();
        met.extend(part.keys);
        match part.next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(met, (0..25).map(|n| Bytes::from(format!("k{n:02}"))).collect::<Vec<_>>());
}

#[test]
fn a_snapshot_takes_the_place_of_a_state_or_leaves_none() {
    let (mut from, mut to) = (empty(), empty());
    run_as(&mut from, 5, Some(Id { session: 1, seq: 1, since: 0 }), vec![set("a", "1", Expiry::At(9))]);
    run(&mut to, 99, vec![set("other", "x", Expiry::Never)]);
    let saved = dumped(&from);
    to.restore(1, &mut &saved[..]).unwrap();
    assert_eq!(dumped(&to), saved);
    to.restore(4, &mut &saved[..]).unwrap();
    assert_eq!((to.applied(), to.clock()), (4, 5), "entries without a command stood behind");
    // One that is cut off: what is left is known to be a part of something.
    assert!(matches!(to.restore(4, &mut &saved[..saved.len() - 1]), Err(StoreError::Snapshot(_))));
    let to = Store::open(to.engine().clone()).unwrap();
    assert_eq!((to.applied(), to.view().read(&get("a"), 0).unwrap()), (0, Answer::Nil));
}

fn any_op() -> impl Strategy<Value = Op> {
    let key = || prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(Bytes::from);
    let value = || prop::sample::select(vec!["1", "22", "x"]).prop_map(Bytes::from);
    let expiry = prop_oneof![
        Just(Expiry::Never),
        Just(Expiry::Keep),
        (1..30u64).prop_map(Expiry::After),
        (0..90u64).prop_map(Expiry::At)
    ];
    let expiry = expiry.boxed();
    let when = prop::sample::select(vec![SetIf::Always, SetIf::Absent, SetIf::Present]);
    let expire_if = prop::sample::select(vec![ExpireIf::Always, ExpireIf::Endless, ExpireIf::Later, ExpireIf::Earlier]);
    prop_oneof![
        (key(), value(), expiry.clone(), when, any::<bool>()).prop_map(|(key, value, expiry, when, get)| Op::Set {
            key,
            value,
            expiry,
            when,
            get
        }),
        (key(), value(), value()).prop_map(|(key, old, new)| Op::CompareAndSet { key, old, new }),
        (key(), -2..3i64).prop_map(|(key, by)| Op::Add(key, by)),
        (key(), value()).prop_map(|(key, more)| Op::Append(key, more)),
        (key(), expiry, expire_if).prop_map(|(key, end, when)| Op::Expire(key, end, when)),
        key().prop_map(Op::Take),
        key().prop_map(Op::Persist),
        key().prop_map(Op::Get),
        key().prop_map(|key| Op::TimeLeft(key, Unit::Millis)),
        Just(Op::Count),
        Just(Op::Tick),
        Just(Op::Flush),
    ]
}

proptest! {
    /// The state is a function of the entries: not of how they were batched, nor of restarts, nor of snapshots in between.
    #[test]
    fn replicas_agree_however_they_came_there(
        entries in prop::collection::vec((0..80u64, prop::option::of((0..3u128, 1..6u64)), prop::collection::vec(any_op(), 0..4)), 1..40),
        cuts in prop::collection::vec(0..3u8, 40),
    ) {
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(at, id, ops)| Entry { at, id: id.map(|(session, seq)| Id { session, seq, since: 0 }), ops })
            .collect();
        let (mut one, mut other) = (empty(), empty());
        let mut told = Vec::new();
        for (index, entry) in (1..).zip(&entries) {
            told.extend(one.apply([(index, bytes(entry))], index).unwrap());
        }
        let (mut batch, mut heard) = (Vec::new(), Vec::new());
        for ((index, entry), cut) in (1..).zip(&entries).zip(cuts.into_iter().chain(std::iter::repeat(0))) {
            batch.push((index, bytes(entry)));
            if cut > 0 {
                heard.extend(other.apply(std::mem::take(&mut batch), index).unwrap());
            }
            if cut > 1 {
                other = Store::open(other.engine().clone()).unwrap();
            }
        }
        heard.extend(other.apply(batch, entries.len() as u64).unwrap());
        prop_assert_eq!(told, heard);
        prop_assert_eq!(dumped(&one), dumped(&other));
    }
}
